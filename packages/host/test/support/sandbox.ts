/**
 * A host of its own for a test, in network namespaces, with a pin root of its own:
 *
 *     internet: net0 203.0.113.1 ======== up0 203.0.113.10 :host          container: (nothing yet)
 *
 * While it lives, the test process is inside "host". When it is disposed everything is gone, and a test that left
 * something behind fails.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_PIN_ROOT, openPinned } from "@dp/core";
import { Netlink, openNamespace } from "@dp/netlink";
import { isBpffs, unmount, withNetns } from "@dp/sys";
import { readSysctl } from "../../src/kernel/sysctl.ts";
import { enterNetns } from "./netns.ts";

/** What the kernel does needs root; without it these tests fail, loudly. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("these tests make network namespaces and mounts: run them as root");
}

export function run(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}

export const PUBLIC_ADDRESS = "203.0.113.10";
export const SECOND_ADDRESS = "203.0.113.11";

export class Sandbox implements Disposable {
  readonly id = randomBytes(4).toString("hex");
  readonly host = `hosttest-${this.id}`;
  readonly internet = `hosttest-${this.id}-net`;
  readonly pinRoot: string;
  /** What was warned of. */
  readonly warnings: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "hosttest-"));
  readonly #namespaces: string[] = [];
  readonly #home: Disposable;
  readonly #fds: string[];

  constructor() {
    this.pinRoot = join(this.#folder, "bpf");
    if (this.pinRoot === DEFAULT_PIN_ROOT) throw new Error("a test must not use the default pin root");
    for (const name of [this.host, this.internet]) this.#makeNamespace(name);
    run("ip", "-n", this.host, "link", "add", "up0", "type", "veth", "peer", "name", "net0", "netns", this.internet);
    run("ip", "-n", this.host, "link", "set", "lo", "up");
    run("ip", "-n", this.host, "addr", "add", `${PUBLIC_ADDRESS}/24`, "dev", "up0");
    run("ip", "-n", this.host, "addr", "add", `${SECOND_ADDRESS}/24`, "dev", "up0");
    run("ip", "-n", this.internet, "addr", "add", "203.0.113.1/24", "dev", "net0");
    run("ip", "-n", this.host, "link", "set", "up0", "up");
    run("ip", "-n", this.internet, "link", "set", "net0", "up");
    run("ip", "-n", this.host, "route", "add", "default", "via", "203.0.113.1");
    this.#home = enterNetns(`/run/netns/${this.host}`);
    this.#fds = openFds();
  }

  #makeNamespace(name: string): void {
    run("ip", "netns", "add", name);
    this.#namespaces.push(name);
  }

  /** A namespace for a container, with nothing but its loopback, which is up. Returns its name. */
  container(): string {
    const name = `hosttest-${this.id}-c${this.#namespaces.length - 2}`;
    this.#makeNamespace(name);
    run("ip", "-n", name, "link", "set", "lo", "up");
    return name;
  }

  /** Another interface of the host, down, with nobody at its other end. */
  addInterface(name: string, ...more: string[]): void {
    run("ip", "-n", this.host, "link", "add", name, ...more, "type", "veth", "peer", "name", `${name}x`);
  }

  /** As if the container died: its namespace, and with it the veth pair, goes. */
  async kill(container: string): Promise<void> {
    const hostPeers = () => run("ip", "-o", "link", "show", "type", "veth").split("\n").length;
    const before = hostPeers();
    run("ip", "netns", "delete", container);
    // The kernel takes a namespace apart when it finds the time.
    for (let waits = 0; hostPeers() === before && waits < 100; waits++) await Bun.sleep(50);
  }

  get options() {
    return { pinRoot: this.pinRoot, warn: (message: string) => void this.warnings.push(message) };
  }

  /** Everything that a change may change, in the host and in the containers. */
  observe(): unknown {
    using netlink = Netlink.open();
    return {
      host: seenBy(netlink),
      containers: this.#namespaces
        .slice(2)
        .filter(exists)
        .map((name) => {
          using namespace = openNamespace(name);
          using inside = Netlink.open({ netns: namespace.fd });
          const ipv6 = withNetns(namespace.fd, () => readSysctl("ipv6/conf/all/disable_ipv6") ?? "");
          return { name, ipv6, ...seenBy(inside) };
        }),
      reserved: readSysctl("ipv4/ip_local_reserved_ports"),
      pinRoot: this.#observePins(),
    };
  }

  #observePins(): unknown {
    if (!existsSync(this.pinRoot)) return "nothing";
    if (!isBpffs(this.pinRoot)) return "a folder";
    const pins = readdirSync(this.pinRoot, { recursive: true })
      .map(String)
      .filter((name) => !name.endsWith(".debug"));
    if (!pins.includes("progs/dp_dnat")) return pins.sort();
    using objects = openPinned({ pinRoot: this.pinRoot });
    return {
      pins: pins.sort(),
      records: objects.netData(),
      dnat: objects.dnatTargets().map(({ address, port, hostPeer }) => ({ address, port, hostPeer })),
      snat: objects.snatTargets().map(({ hostPeer, uplink }) => ({ hostPeer, uplink })),
      config: objects.config(),
      vethPairs: objects.vethPairEntries(),
      flows: objects.flows(),
      hostAddresses: objects.hostAddresses().sort((one, other) => one.address.localeCompare(other.address)),
      links: objects.attachments().map(({ program, iface, ifindex, programId }) => {
        return { program, iface, ifindex, programId };
      }),
      cgroupLinks: objects.cgroupAttachments().map(({ program, cgroupId, programId }) => {
        return { program, cgroupId, programId };
      }),
      hostPeers: objects.hostPeers(),
      uplinks: objects.uplinks(),
    };
  }

  /** The descriptors this process has open besides those it had, and the namespace to go back to. */
  get leakedFds(): string[] {
    return openFds().filter((fd) => !this.#fds.includes(fd));
  }

  [Symbol.dispose](): void {
    this.#home[Symbol.dispose]();
    for (const name of this.#namespaces.filter(exists)) run("ip", "netns", "delete", name);
    // What a failed test left mounted goes too.
    while (isBpffs(this.pinRoot)) unmount(this.pinRoot);
    if (existsSync(this.pinRoot)) rmdirSync(this.pinRoot);
    rmdirSync(this.#folder);
  }
}

function exists(namespace: string): boolean {
  return existsSync(`/run/netns/${namespace}`);
}

/**
 * Descriptors of what this package opens, by what they are. The runtime's own come and go: pipes, event queues, and the
 * Unix sockets it talks to child processes by.
 */
function openFds(): string[] {
  const unix = readFileSync("/proc/thread-self/net/unix", "latin1");
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
      if (inode !== undefined && new RegExp(` ${inode}( |$)`, "m").test(unix)) return [];
      return /^(pipe:|\/dev\/|\/memfd:|anon_inode:\[)/.test(target) ? [] : `${fd}: ${target}`;
    } catch {
      return [];
    }
  });
}

function seenBy(netlink: Netlink): object {
  return {
    // The kernel hands out new indexes after every failed attempt, and queues of random seeds; not compared.
    links: netlink.links().map(({ name, mac, mtu, up }) => ({ name, mac, mtu, up })),
    addresses: netlink.addresses({ family: "inet" }).map(({ address, prefix, scope }) => ({ address, prefix, scope })),
    routes: netlink.routes({ family: "inet", table: "all" }).map(({ destination, gateway, source, type }) => ({
      destination,
      gateway,
      source,
      type,
    })),
    permanentNeighbours: netlink.neighbours({ family: "inet" }).filter(({ state }) => state === "permanent").length,
  };
}
