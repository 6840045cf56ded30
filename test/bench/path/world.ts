/**
 * The network namespaces of one contender. All contenders have theirs at the same time, so that they can take turns:
 *
 *     client                    host                         containers
 *     203.0.113.50/24 ────── eth0 203.0.113.10/24   v0 ────── 10.2.0.1, the server on 25565
 *                                                   v1 ────── 10.2.0.2
 *                                                   ...
 *
 * All processes of all contenders run on one processor. So a figure includes all work that a request needs, in every
 * process and in the kernel, and no idle processor has to wake up.
 */
import { cpus } from "node:os";
import { NetworkNamespace } from "@dp/e2e/topology/namespace.ts";
import { Program } from "@dp/test-kit/program.ts";
import { containerAddress, GAME_PORT } from "./ports.ts";

export const PUBLIC_ADDRESS = "203.0.113.10";
const CLIENT_ADDRESS = "203.0.113.50";
const GATEWAY = "10.1.0.1";

const PROCESSOR = cpus().length - 1;

/** The command, on the processor that all measurements run on. */
export function pinned(command: readonly string[]): string[] {
  return ["taskset", "--cpu-list", `${PROCESSOR}`, ...command];
}

export class World implements AsyncDisposable {
  readonly client: NetworkNamespace;
  readonly host: NetworkNamespace;
  readonly containers: readonly NetworkNamespace[];
  /** The processes of the contender besides the client: the server, and a proxy. */
  readonly processes: Program[] = [];
  /** What the contender makes; removed before the namespaces. */
  readonly made: AsyncDisposableStack;

  private constructor(
    client: NetworkNamespace,
    host: NetworkNamespace,
    containers: readonly NetworkNamespace[],
    made: AsyncDisposableStack,
  ) {
    this.client = client;
    this.host = host;
    this.containers = containers;
    this.made = made;
  }

  /** The client connected to the host; containers without a network. */
  static async create(name: string, containerCount: number): Promise<World> {
    await using made = new AsyncDisposableStack();
    const client = made.use(await NetworkNamespace.create(`${name}-client`));
    const host = made.use(await NetworkNamespace.create(`${name}-host`));
    const containers: NetworkNamespace[] = [];
    for (let index = 0; index < containerCount; index++) {
      containers.push(made.use(await NetworkNamespace.create(`${name}-${index}`, "container")));
    }
    await host.ip(`link add eth0 type veth peer name eth0 netns ${client.name}`);
    await host.ip(`address add ${PUBLIC_ADDRESS}/24 dev eth0`, "link set eth0 up");
    await client.ip(`address add ${CLIENT_ADDRESS}/24 dev eth0`, "link set eth0 up");
    await client.ip(`route add default via ${PUBLIC_ADDRESS}`);
    return new World(client, host, containers, made.move());
  }

  /** Connects every container to the host, which routes. */
  async wire(): Promise<void> {
    await this.host.sysctl("net.ipv4.ip_forward", 1);
    await this.plugInto(this.host);
  }

  /** Connects every container to a namespace. */
  async plugInto(other: NetworkNamespace): Promise<void> {
    for (const [index, container] of this.containers.entries()) {
      const address = containerAddress(index);
      await other.ip(
        `link add v${index} type veth peer name eth0 netns ${container.name}`,
        `address add ${GATEWAY}/32 dev v${index}`,
        `link set v${index} up`,
        `route add ${address}/32 dev v${index}`,
      );
      await container.ip(
        `address add ${address}/32 dev eth0`,
        "link set eth0 up",
        `route add ${GATEWAY}/32 dev eth0`,
        `route add default via ${GATEWAY}`,
      );
    }
  }

  /** Starts the server of all containers: one process that listens in each. */
  async serve(load: string, starter: readonly string[] = []): Promise<void> {
    const paths = this.containers.map(({ path }) => path);
    const command = [load, "serve", `${GAME_PORT}`, ...paths];
    const server = this.#start([...starter, ...pinned(command)]);
    await server.printed("ready");
  }

  /** Starts a process of the contender on the host. */
  work(command: readonly string[]): void {
    this.#start(this.host.inside(pinned(command)));
  }

  #start(command: readonly string[]): Program {
    const program = this.made.use(new Program(command));
    this.processes.push(program);
    return program;
  }

  /** The command of a client of load.c, in the client's namespace or another. */
  load(load: string, what: string, seconds: number, targets: readonly string[], from = this.client): string[] {
    const pids = this.processes.map(({ pid }) => pid).join(",");
    return from.inside(pinned([load, what, `${seconds}`, pids, ...targets]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}
