/** What root tests work in: namespaces, a bpffs and a cgroup of their own, nothing of the machine's. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fd, mountBpffs, openNetns, unmount, withNetns } from "@dp/sys";

/** Root-only tests fail, and do not skip, where they cannot run. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("these tests load BPF programs: run them as root");
}

function unique(): string {
  return `coretest-${randomBytes(4).toString("hex")}`;
}

/** A network namespace with a veth pair: `dp0` and `dp1`. */
export class Namespace implements Disposable {
  readonly name = unique();
  readonly path = `/run/netns/${this.name}`;
  readonly fd: Fd;

  constructor() {
    execFileSync("ip", ["netns", "add", this.name]);
    this.fd = openNetns(this.path);
    this.addPair("dp0", "dp1");
  }

  addPair(one: string, other: string): void {
    this.ip("link", "add", one, "type", "veth", "peer", "name", other);
  }

  ip(...args: string[]): string {
    return execFileSync("ip", ["-n", this.name, ...args], { encoding: "utf8" });
  }

  index(iface: string): number {
    const [link] = JSON.parse(this.ip("-j", "link", "show", iface)) as { ifindex: number }[];
    if (link === undefined) throw new Error(`no interface ${iface}`);
    return link.ifindex;
  }

  inside<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    return withNetns(this.fd, body);
  }

  [Symbol.dispose](): void {
    this.fd.close();
    execFileSync("ip", ["netns", "del", this.name]);
  }
}

/** A bpffs on a folder of its own. Unmounting it drops every pin on it. */
export class Bpffs implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), `${unique()}-`));

  constructor() {
    mountBpffs(this.path);
  }

  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** All pins, relative to the mount. */
  list(): string[] {
    return readdirSync(this.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".debug"))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.path.length + 1))
      .sort();
  }

  [Symbol.dispose](): void {
    unmount(this.path);
    rmdirSync(this.path);
  }
}

/** A cgroup of its own below the machine's cgroup2 mount. */
export class Cgroup implements Disposable {
  readonly path: string;

  constructor() {
    const mount = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .find(([, , type]) => type === "cgroup2");
    if (mount?.[1] === undefined) throw new Error("no cgroup2 is mounted");
    this.path = join(mount[1], unique());
    mkdirSync(this.path);
  }

  /** Runs a bash script in it; its exit status and stderr. */
  bash(script: string): { status: number | null; stderr: string } {
    const enter = `echo $$ > ${this.path}/cgroup.procs && `;
    return spawnSync("bash", ["-c", enter + script], { encoding: "utf8" });
  }

  remove(): void {
    rmdirSync(this.path);
  }

  [Symbol.dispose](): void {
    try {
      this.remove();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** This process's descriptors of BPF things and sockets: what a test may not leave behind. */
export function openKernelFds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${number}`);
      return /bpf|btf|^net:|cgroup/.test(file) ? [`${number} ${file}`] : [];
    } catch {
      return [];
    }
  });
}

/** What `body` throws, which must be of the class given. */
export function thrown<T extends Error>(type: new (...args: never[]) => T, body: () => unknown): T {
  let result: unknown;
  try {
    result = body();
  } catch (error) {
    if (error instanceof type) return error;
    throw error;
  }
  throw new Error(`expected ${type.name}, got the result ${String(result)}`);
}
