/**
 * Network namespaces for one test file: made with `ip netns`, gone when the scope that holds them ends.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { getSocketOption } from "@dp/sys";
import { Netlink, openNamespace } from "../src/index.ts";

/** Tests of what the kernel does need root; without it they fail here, loudly, rather than be left out. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("these tests change network namespaces: run them as root");
}

/** Runs a program and returns its standard output; throws with its standard error. */
export function run(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}

/** What `ip -d -j` prints: the judge of everything here. */
export type IpObject = Record<string, unknown>;

/** Every namespace this process made. */
const made: string[] = [];

export class Sandbox implements Disposable {
  readonly name = `nltest-${randomBytes(4).toString("hex")}`;
  readonly path = `/run/netns/${this.name}`;

  constructor() {
    made.push(this.name);
    run("ip", "netns", "add", this.name);
  }

  /** `ip -d -j <args>` inside. */
  ip(...args: string[]): IpObject[] {
    const output = run("ip", "-n", this.name, "-d", "-j", ...args).trim();
    return output === "" ? [] : (JSON.parse(output) as IpObject[]);
  }

  /** `ip <args>` inside, for what changes something. */
  ipDo(...args: string[]): void {
    run("ip", "-n", this.name, ...args);
  }

  netlink(): Netlink {
    using namespace = openNamespace(this.path);
    return Netlink.open({ netns: namespace.fd });
  }

  [Symbol.dispose](): void {
    if (existsSync(this.path)) run("ip", "netns", "delete", this.name);
  }
}

/**
 * The netlink sockets and namespaces this process has open. The runtime opens and closes others as it likes (polls,
 * pipes and sockets to processes it started), so a plain count would say nothing.
 */
export function openNetlinkFds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor the listing itself used.
      return [];
    }
    if (target.startsWith("net:")) return target;
    return target.startsWith("socket:") && isNetlinkSocket(Number(fd)) ? target : [];
  });
}

function isNetlinkSocket(fd: number): boolean {
  const SOL_SOCKET = 1;
  const SO_DOMAIN = 39;
  const AF_NETLINK = 16;
  const domain = new Uint32Array(1);
  getSocketOption(fd, SOL_SOCKET, SO_DOMAIN, new Uint8Array(domain.buffer));
  return domain[0] === AF_NETLINK;
}

/** Those of them that are still there. */
export function sandboxesLeft(): string[] {
  return made.filter((name) => existsSync(`/run/netns/${name}`));
}
