/** What a container opens itself: through the redirect and a proxy of the host's, to a server outside. */
import { must, Program, execute } from "@dp/test-kit/program.ts";
import { compileLoad } from "../path/compile-load.ts";
import { pinned, World } from "../path/world.ts";
import { interleaved } from "../rounds.ts";
import { type Figure, ratio } from "../statistics.ts";
import type { Context, Outcome, Row, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { type Contender } from "./contender.ts";
import { CONTENDERS, PAIRS } from "./contenders.ts";

/** Not the container port, which a container reaches only of its own group's servers, and not HTTP's. */
const PORT = 7000;

/** Servers outside, all of one machine: a proxy's connections to one of them end in TIME-WAIT and take up its ports. */
const ADDRESSES = Array.from({ length: 20 }, (_, index) => `203.0.113.${100 + index}`);

const MEASURES = ["requests", "connections", "up", "down"] as const;
type Measure = (typeof MEASURES)[number];

interface Scale {
  readonly rounds: number;
  /** In seconds. */
  readonly durations: Readonly<Record<Measure, number>>;
}

const WHOLE: Scale = { rounds: 15, durations: { requests: 0.5, connections: 0.5, up: 0.5, down: 0.5 } };
const QUICK: Scale = { rounds: 2, durations: { requests: 0.02, connections: 0.02, up: 0.02, down: 0.02 } };

export const egress: Suite = { id: "egress", title: "What a container opens", run };

async function run({ quick, log }: Context): Promise<Outcome> {
  const { rounds, durations } = quick ? QUICK : WHOLE;
  await using made = new AsyncDisposableStack();
  const load = made.use(await compileLoad()).path;
  const worlds = new Map<Contender, World>();
  for (const [number, contender] of CONTENDERS.entries()) {
    log(`prepares ${contender.name}`);
    const world = made.use(await World.create(`e${number}`, 1));
    await outside(world, load);
    await contender.prepare(world);
    await answers(world, load);
    worlds.set(contender, world);
  }
  const measured = await interleaved(
    MEASURES.flatMap((what) =>
      CONTENDERS.map((contender) => ({
        name: `${what} ${contender.name}`,
        measure: async () => {
          const command = client(worlds.get(contender) as World, load, what, durations[what]);
          return JSON.parse(await must(command)) as Record<string, number>;
        },
      })),
    ),
    rounds,
    log,
  );
  const figureOf = (contender: Contender, figure: string): Figure => {
    const [what = "", name = ""] = figure.split(".");
    return measured.get(`${what} ${contender.name}`)?.[name] as Figure;
  };
  return {
    tables: tables(figureOf),
    targets: targets(figureOf),
    bounds: bounds(figureOf),
    versions: Object.fromEntries(
      await Promise.all(PAIRS.flatMap(({ proxy: { version } }) => (version === undefined ? [] : [version()]))),
    ),
  };
}

/**
 * Smallest, first, largest; in bytes. Where a packet takes no time the kernel finds out by chance how much room a
 * receiver needs, and throughput depends on that: so all have the same from the first byte on.
 */
const RECEIVE_BUFFER = "4096 4194304 6291456";

/** Gives the outside its addresses, and starts its server. */
async function outside(world: World, load: string): Promise<void> {
  const { client: internet, host, containers, made, processes } = world;
  await internet.ip(...ADDRESSES.map((address) => `address add ${address}/24 dev eth0`));
  for (const namespace of [internet, host, ...containers]) {
    await namespace.sysctl("net.ipv4.tcp_tw_reuse", 1);
    await namespace.sysctl("net.ipv4.tcp_rmem", RECEIVE_BUFFER);
  }
  const server = made.use(new Program(pinned([load, "serve", `${PORT}`, internet.path])));
  processes.push(server);
  await server.printed("ready");
}

/** What runs the container's client. */
function client(world: World, load: string, what: Measure, seconds: number): string[] {
  const targets = ADDRESSES.map((address) => `${address}:${PORT}`);
  return world.load(load, what, seconds, targets, world.containers[0]);
}

/** Waits until the container reaches the outside. */
async function answers(world: World, load: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { code, stderr } = await execute(client(world, load, "requests", 0.001));
    if (code === 0) return;
    if (performance.now() > deadline) throw new Error(`${world.host.name}: ${stderr}`);
    await Bun.sleep(50);
  }
}

type FigureOf = (contender: Contender, figure: string) => Figure;

const TABLES: readonly (Pick<Table, "id" | "title" | "unit" | "better" | "notes"> & { figure: string })[] = [
  {
    id: "connections",
    title: "New connections",
    unit: "connections/s",
    better: "higher",
    figure: "connections.rate",
    notes: [
      "Connect, send a byte, get a byte, reset; 16 at a time, to twenty addresses in rotation. Each is two connections for a proxy, " +
        "which logs it. The proxies are as they are run behind dp: `dp proxy`, whose own code is run without a datapath behind nftables, " +
        "and haproxy with the file of `examples/`.",
      "Per second of processor time that the client, the proxy and the server had, which share one processor; of a process it is its " +
        "first thread's.",
    ],
  },
  {
    id: "requests",
    title: "Time of a request, the median",
    unit: "µs",
    better: "lower",
    figure: "requests.p50",
    notes: ["A byte there and a byte back, one at a time, on connections that are open."],
  },
  {
    id: "up",
    title: "Throughput out",
    unit: "Gbit/s",
    better: "higher",
    figure: "up.rate",
    notes: ["One connection."],
  },
  { id: "down", title: "Throughput in", unit: "Gbit/s", better: "higher", figure: "down.rate", notes: [] },
];

function tables(figureOf: FigureOf): Table[] {
  return TABLES.map(({ figure, ...table }) => ({
    ...table,
    columns: [""],
    rows: CONTENDERS.map((contender): Row => ({
      name: contender.name,
      ...(contender.ours === true ? { ours: true } : {}),
      figures: [figureOf(contender, figure)],
    })),
  }));
}

/** By how much two figures of the same thing may differ: the machine's noise. */
const NOISE = 0.05;

function targets(figureOf: FigureOf): Target[] {
  return PAIRS.flatMap(({ proxy, nftables, datapath }) =>
    TABLES.filter(({ better }) => better === "higher").map(({ title, figure }): Target => {
      const { value } = ratio(figureOf(datapath, figure), figureOf(nftables, figure));
      return {
        text: `${title} through ${proxy.name}: as much behind dp's redirect as behind nftables'`,
        met: value >= 1 - NOISE,
        measured: `${value.toFixed(2)} times`,
      };
    }),
  );
}
