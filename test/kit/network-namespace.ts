import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type Fd, openNetns, withNetns } from "@dp/sys";
import { run } from "./run.ts";

/** One object of what `ip -d -j` prints. */
export type IpObject = Record<string, unknown>;

/** The names of all namespaces that this process made. */
const made: string[] = [];

/** Who administers a network namespace: the host's root, or root of a user namespace of its own, as in a container. */
export type Owner = "host" | "container";

/** The command that makes a network namespace in a user namespace of its own. */
export function makeContainerNamespace(name: string): string[] {
  const script = [
    "coproc unshare --user --map-root-user --net sh -c 'echo made; read -r _'",
    'read -r _ <&"${COPROC[0]}"',
    'ip netns attach "$0" "$COPROC_PID"',
    // bash would execute the last command in its own place, and end the process that holds the namespace.
    ":",
  ];
  return ["bash", "-ec", script.join("\n"), name];
}

/** A network namespace with a random name that `ip netns` knows. Its loopback interface is down. */
export class NetworkNamespace implements Disposable {
  readonly name = `dptest-${randomBytes(4).toString("hex")}`;
  readonly path = `/run/netns/${this.name}`;
  #fd: Fd | undefined;

  constructor(owner: Owner = "host") {
    made.push(this.name);
    const [program = "", ...args] =
      owner === "host" ? ["ip", "netns", "add", this.name] : makeContainerNamespace(this.name);
    run(program, ...args);
  }

  /** A namespace with a veth pair in it, both ends down: `dp0` and `dp1`. */
  static withPair(): NetworkNamespace {
    const namespace = new NetworkNamespace();
    namespace.addPair("dp0", "dp1");
    return namespace;
  }

  addPair(one: string, other: string): void {
    this.ip("link", "add", one, "type", "veth", "peer", "name", other);
  }

  /** The namespace, open until it is disposed. */
  get fd(): Fd {
    return (this.#fd ??= openNetns(this.path));
  }

  /** Whether it is still there: a test may delete it. */
  get exists(): boolean {
    return existsSync(this.path);
  }

  /** Runs `ip ARGS` in it. */
  ip(...args: readonly string[]): string {
    return run("ip", "-n", this.name, ...args);
  }

  /** Runs `ip -d -j ARGS` in it, and parses the output. */
  ipJson(...args: readonly string[]): IpObject[] {
    const output = this.ip("-d", "-j", ...args).trim();
    return output === "" ? [] : (JSON.parse(output) as IpObject[]);
  }

  /** The index of an interface. */
  index(iface: string): number {
    const [link] = this.ipJson("link", "show", iface);
    if (link === undefined) throw new Error(`no interface ${iface}`);
    return link["ifindex"] as number;
  }

  /** A command line that runs a command in it. `ip netns exec` would hide the mounts of bpffs and cgroups. */
  command(...command: readonly string[]): string[] {
    return ["nsenter", `--net=${this.path}`, "--", ...command];
  }

  /** Calls `body` in it. Sockets that `body` makes stay in it. */
  inside<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    using fd = openNetns(this.path);
    return withNetns(fd, body);
  }

  [Symbol.dispose](): void {
    this.#fd?.close();
    this.#fd = undefined;
    if (this.exists) run("ip", "netns", "delete", this.name);
  }
}

/** The names of the namespaces of this process that were not deleted. */
export function namespacesLeft(): string[] {
  return made.filter((name) => existsSync(`/run/netns/${name}`));
}
