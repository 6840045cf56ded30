import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Dp, DP } from "@dp/e2e/topology/dp.ts";
import { expediteGracePeriods, type Fd, openNetns } from "@dp/sys";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import { execute } from "@dp/test-kit/program.ts";
import { World } from "../path/world.ts";
import type { Contender, Host, Spare } from "./contender.ts";
import { mapMemory } from "./map-memory.ts";
import { Namespaces } from "./namespaces.ts";
import { timed, type Took } from "./timed.ts";

/** Of the servers that are present, one after the other; the one that is added and removed comes after the last. */
const FIRST_PORT = 20_000;

/** What \`dp load\` makes room for unless it is told otherwise. */
const DEFAULT_MAX = 4096;

export const datapath: Contender = {
  name: "datapath",
  ours: true,
  prepare: (servers, spare) => DatapathHost.create(servers, spare),
};

export class DatapathHost implements Host {
  readonly #netns: Fd;
  readonly #pinRoot: string;
  readonly #servers: number;
  readonly #spare: Spare;
  readonly #made: AsyncDisposableStack;
  /** What it took to connect them all, in one process. */
  readonly batch: Took;

  private constructor(netns: Fd, pinRoot: string, crowd: Namespaces, spare: Spare, made: AsyncDisposableStack) {
    this.#netns = netns;
    this.#pinRoot = pinRoot;
    this.#servers = crowd.all.length;
    this.#spare = spare;
    this.batch = this.#addAll(crowd);
    this.#made = made;
  }

  static async create(servers: number, spare: Spare): Promise<DatapathHost> {
    await using made = new AsyncDisposableStack();
    const crowd = made.use(new Namespaces(servers));
    const world = made.use(await World.create(`c${servers}`, 0));
    const cgroup = new Cgroup().path;
    made.defer(() => removeCgroup(cgroup));
    const pinRoot = mkdtempSync(join(tmpdir(), "pins-"));
    made.defer(async () => {
      await execute(["umount", pinRoot]);
      rmSync(pinRoot, { recursive: true });
    });
    const load = [
      "load",
      "--iface",
      "eth0",
      "--cgroup",
      cgroup,
      "--max-servers",
      `${Math.max(servers + 1, DEFAULT_MAX)}`,
    ];
    await new Dp(world.host, pinRoot).must(...load);
    const netns = made.use(openNetns(world.host.path));
    return new DatapathHost(netns, pinRoot, crowd, spare, made.move());
  }

  add(): Took {
    return this.#dp("add-server", "--port", this.#port, "--netns", this.#spare.path);
  }

  remove(): Took {
    return this.#dp("del-server", "--port", this.#port);
  }

  get #port(): string {
    return `${FIRST_PORT + this.#servers}`;
  }

  /** A command that does nothing: what every one takes to start. */
  version(): Took {
    return this.#dp("--version");
  }

  list(): Took {
    const took = this.#dp("list", "--json");
    const { length } = JSON.parse(took.stdout) as unknown[];
    if (length !== this.#servers) throw new Error(`${length} servers are listed, not ${this.#servers}`);
    return took;
  }

  #addAll({ all }: Namespaces): Took {
    const file = join(tmpdir(), `batch-${process.pid}.jsonl`);
    const lines = all.map(({ path }, index) => JSON.stringify({ port: FIRST_PORT + index, netns: path }));
    writeFileSync(file, lines.join("\n"));
    try {
      return this.#dp("add-server", "--batch", file);
    } finally {
      rmSync(file);
    }
  }

  /** What the kernel keeps for its maps, in bytes. */
  maps(): number {
    return mapMemory(this.#pinRoot);
  }

  #dp(...args: string[]): Took {
    return timed(this.#netns, { words: [DP, ...args], env: { DP_PIN_ROOT: this.#pinRoot } });
  }

  /** The kernel goes on with it for long after, with its lock of all network configuration held. */
  async [Symbol.asyncDispose](): Promise<void> {
    using _expedited = expediteGracePeriods();
    await this.#made.disposeAsync();
    await Bun.sleep(1000 + this.#servers);
  }
}
