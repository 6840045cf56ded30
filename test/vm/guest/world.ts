import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import type { Program } from "@dp/test-kit/program.ts";
import { Internet } from "../../e2e/topology/internet.ts";
import type { NetworkNamespace } from "../../e2e/topology/namespace.ts";
import { stateOf } from "../../e2e/topology/state.ts";
import { serve } from "../../e2e/traffic/traffic.ts";

/** What this kernel is known to have, by its version: what dp finds out by trying is to agree. */
export interface Features {
  readonly tcx: boolean;
  readonly sockDestroy: boolean;
  /** BPF programs in netfilter. */
  readonly netfilter: boolean;
}

/** The containers that are servers in most cases, with the host's ports. A third is there to be added and removed. */
export const LOBBY = { container: "lobby", port: 25570 } as const;
export const GAMES = { container: "games", port: 25571 } as const;
export const SPARE = { container: "spare", port: 25572 } as const;

/**
 * What the cases happen in, one after the other, each in what the one before left behind:
 *
 *     player ── internet ── host ── lobby, games, spare
 *
 * See test/e2e/topology/internet.ts.
 */
export class World implements AsyncDisposable {
  readonly net: Internet;
  readonly features: Features = featuresOf(release());
  /** As it was before anything was loaded. */
  readonly untouched: Record<string, unknown>;
  readonly #servers = new Map<string, Program>();
  readonly #cgroups = new Set<string>();

  private constructor(net: Internet, untouched: Record<string, unknown>) {
    this.net = net;
    this.untouched = untouched;
  }

  static async create(): Promise<World> {
    const net = await Internet.create({ containers: [LOBBY.container, GAMES.container, SPARE.container] });
    return new World(net, await stateOf(net));
  }

  get player(): NetworkNamespace {
    return this.net.player();
  }

  /** Starts what listens in a container, in a cgroup of its own, unless it runs. */
  async serve(container: string): Promise<Program> {
    const running = this.#servers.get(container);
    if (running !== undefined) return running;
    const server = await serve(this.net.container(container));
    this.#servers.set(container, server);
    const cgroup = `/sys/fs/cgroup/${container}`;
    mkdirSync(cgroup, { recursive: true });
    writeFileSync(`${cgroup}/cgroup.procs`, `${server.pid}`);
    this.#cgroups.add(cgroup);
    return server;
  }

  async stopServing(container: string): Promise<void> {
    await this.#servers.get(container)?.[Symbol.asyncDispose]();
    this.#servers.delete(container);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
    for (const cgroup of this.#cgroups) rmdirSync(cgroup);
  }
}

function featuresOf(version: string): Features {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const since = (atLeastMajor: number, atLeastMinor: number) =>
    major > atLeastMajor || (major === atLeastMajor && minor >= atLeastMinor);
  return { tcx: since(6, 6), sockDestroy: since(6, 5), netfilter: since(6, 4) };
}
