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

/** Port of the first server present. The others have the ports after it; the server that is added has the next one. */
const FIRST_PORT = 20_000;

/** What \`dp load\` makes room for unless it is told otherwise. */
const DEFAULT_MAX = 4096;

export const datapath: Contender = {
  name: "datapath",
  ours: true,
  prepare: (servers, spare) => DatapathHost.create(servers, spare),
};

/** Another build of the executable. */
export function anotherBuild(executable: string): Contender {
  return {
    name: "datapath, another build",
    prepare: (servers, spare) => DatapathHost.create(servers, spare, executable),
  };
}

interface Parts {
  readonly executable: string;
  readonly netns: Fd;
  readonly pinRoot: string;
  /** Of the servers present. */
  readonly crowd: Namespaces;
  readonly spare: Spare;
  readonly made: AsyncDisposableStack;
}

export class DatapathHost implements Host {
  readonly #executable: string;
  readonly #netns: Fd;
  readonly #pinRoot: string;
  readonly #servers: number;
  readonly #spare: Spare;
  readonly #made: AsyncDisposableStack;
  /** How long it took to add all servers present, in one process. */
  readonly batch: Took;

  private constructor({ executable, netns, pinRoot, crowd, spare, made }: Parts) {
    this.#executable = executable;
    this.#netns = netns;
    this.#pinRoot = pinRoot;
    this.#servers = crowd.all.length;
    this.#spare = spare;
    this.batch = this.#addAll(crowd);
    this.#made = made;
  }

  static async create(servers: number, spare: Spare, executable = DP): Promise<DatapathHost> {
    await using made = new AsyncDisposableStack();
    const crowd = made.use(new Namespaces(servers));
    const world = made.use(await World.create(`${executable === DP ? "c" : "o"}${servers}`, 0));
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
    await new Dp(world.host, pinRoot, executable).must(...load);
    const netns = made.use(openNetns(world.host.path));
    return new DatapathHost({ executable, netns, pinRoot, crowd, spare, made: made.move() });
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

  /** A command that does nothing but start. */
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

  /** Kernel memory of the maps, in bytes. */
  maps(): number {
    return mapMemory(this.#pinRoot);
  }

  #dp(...args: string[]): Took {
    return timed(this.#netns, { words: [this.#executable, ...args], env: { DP_PIN_ROOT: this.#pinRoot } });
  }

  /** The kernel goes on deleting namespaces after this, with the lock of the network configuration held. */
  async [Symbol.asyncDispose](): Promise<void> {
    using _expedited = expediteGracePeriods();
    await this.#made.disposeAsync();
    await Bun.sleep(1000 + this.#servers);
  }
}
