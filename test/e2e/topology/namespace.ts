import { makeContainerNamespace, type Owner } from "@dp/test-kit/network-namespace.ts";
import { must, type Output, Program, execute } from "@dp/test-kit/program.ts";

/** An interface as `ip -j link` tells it. */
export interface LinkInfo {
  readonly ifindex: number;
  readonly ifname: string;
  readonly mtu: number;
  readonly address: string;
  readonly operstate: string;
}

/** A network namespace by the name `ip netns` knows it under. Disposing ends what runs in it, then removes it. */
export class NetworkNamespace implements AsyncDisposable {
  readonly name: string;
  readonly #programs = new Set<Program>();
  #gone = false;

  private constructor(name: string) {
    this.name = name;
  }

  /** @param owner "container": it belongs to a user namespace of its own */
  static async create(name: string, owner: Owner = "host"): Promise<NetworkNamespace> {
    if (process.env["SANDBOX"] !== "1") {
      throw new Error("this makes network namespaces: run it in a sandbox of its own (tools/sandbox COMMAND)");
    }
    await must(owner === "host" ? ["ip", "netns", "add", name] : makeContainerNamespace(name));
    const namespace = new NetworkNamespace(name);
    await namespace.ip("link set lo up");
    return namespace;
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** The command, inside this namespace. `ip netns exec` would do it too, but hides bpffs and cgroup mounts. */
  inside(command: readonly string[]): string[] {
    return ["nsenter", `--net=${this.path}`, "--", ...command];
  }

  /** `ip` commands, in order: `ip("link set eth0 up")`. */
  async ip(...commands: string[]): Promise<void> {
    for (const command of commands) await must(["ip", "-n", this.name, ...command.split(" ")]);
  }

  async links(): Promise<LinkInfo[]> {
    return JSON.parse(await must(["ip", "-n", this.name, "-j", "link"])) as LinkInfo[];
  }

  async sysctl(key: string, value: string | number): Promise<void> {
    await must(this.inside(["sysctl", "-qw", `${key}=${value}`]));
  }

  /** ethtool -K: `features("eth0", { tso: false })`. */
  async features(iface: string, features: Readonly<Record<string, boolean>>): Promise<void> {
    const words = Object.entries(features).flatMap(([name, on]) => [name, on ? "on" : "off"]);
    await must(this.inside(["ethtool", "-K", iface, ...words]));
  }

  run(command: readonly string[], options: { env?: Record<string, string> } = {}): Promise<Output> {
    return execute(this.inside(command), options);
  }

  /** Starts a program that lives until it is disposed of, or the namespace is. */
  spawn(command: readonly string[]): Program {
    const program = new Program(this.inside(command));
    this.#programs.add(program);
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    await Promise.all([...this.#programs].map((program) => program[Symbol.asyncDispose]()));
    await must(["ip", "netns", "delete", this.name]);
  }
}
