import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Output, ProgramError } from "@dp/test-kit/program.ts";
import type { NetworkNamespace } from "./namespace.ts";

/** The compiled executable: what operators run is what is tested. */
export const DP = join(import.meta.dirname, "../../../packages/cli/dist/dp");

/** A server as `dp add-server --json`, `dp list --json` and `dp show --json` print it. */
export interface Server {
  readonly id: number;
  readonly name: string;
  readonly group: string | null;
  readonly state: string;
  readonly createdAt: string;
  readonly netns: string;
  /** `dp add-server` makes one. */
  readonly forwards: readonly [Forward];
  readonly addresses: { readonly ipv4: { readonly container: string; readonly gateway: string } };
  readonly hostPeer: Peer;
  readonly containerPeer: Peer;
}

interface Forward {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly containerAddress: string;
  readonly containerPort: number;
  readonly uplink: string | null;
}

interface Peer {
  readonly ifindex: number;
  readonly name: string;
  readonly mac: string;
}

const NO_GUARD = /^dp: warning: this kernel has no BPF programs in netfilter: .*\n/;

/** `dp` on a host of the topology. */
export class Dp {
  readonly host: NetworkNamespace;
  readonly pinRoot: string;
  readonly #executable: string;

  constructor(host: NetworkNamespace, pinRoot: string, executable = DP) {
    if (!existsSync(executable)) throw new Error(`${executable} is not there: turbo run build`);
    this.host = host;
    this.pinRoot = pinRoot;
    this.#executable = executable;
  }

  /** Another build, on the same host. */
  as(executable: string): Dp {
    return new Dp(this.host, this.pinRoot, executable);
  }

  /** What runs it, on its host: for a program that goes on. */
  command(...args: string[]): string[] {
    return ["env", `DP_PIN_ROOT=${this.pinRoot}`, this.#executable, ...args];
  }

  /** Runs it, whatever its exit status. */
  run(...args: string[]): Promise<Output> {
    return this.runIn({}, ...args);
  }

  /** As `run`, with more in its environment: also another PATH, which is not that of what starts it. */
  runIn(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Output> {
    const more = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return this.host.run(["env", ...more, this.#executable, ...args], { env: { DP_PIN_ROOT: this.pinRoot } });
  }

  /**
   * Runs it; it must succeed and print nothing on standard error, except the warning of every load on a kernel before
   * 6.4.
   */
  async must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0 || stderr.replace(NO_GUARD, "") !== "") {
      throw new ProgramError(`dp ${args.join(" ")}: exit status ${code}\n${stdout}${stderr}`);
    }
    return stdout;
  }

  /** `--json`: the one document on standard output. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.must(...args, "--json")) as T;
  }

  addServer(port: number | "auto", container: NetworkNamespace, ...args: string[]): Promise<Server> {
    return this.json<Server>("add-server", "--port", `${port}`, "--netns", container.name, ...args);
  }

  list(): Promise<Server[]> {
    return this.json<Server[]>("list");
  }
}
