/** Connections that a container opens: by the redirect and a proxy on the host, to a server outside. */
import { must, Program, execute } from "@dp/test-kit/program.ts";
import { compileLoad } from "../path/compile-load.ts";
import { pinned, World } from "../path/world.ts";
import { interleaved } from "../rounds.ts";
import { type Figure, ratio } from "../statistics.ts";
import type { Context, Outcome, Row, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { type Contender } from "./contender.ts";
import { CONTENDERS, PAIRS } from "./contenders.ts";

/** Neither the container port of a server nor the port of HTTP. */
const PORT = 7000;

/** Addresses of the server outside. One would not do: connections in TIME-WAIT take up the proxy's ports to it. */
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

export const egress: Suite = { id: "egress", title: "Connections that containers open", run };

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
 * Minimum, default and maximum of a receiver's buffer, in bytes. With a round trip of microseconds the kernel chooses
 * the size by chance, and throughput depends on it: so all receivers have a large buffer from the first byte on.
 */
const RECEIVE_BUFFER = "4096 4194304 6291456";

/** Gives the client namespace the outside addresses, and starts the server there. */
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

/** The command of the client in the container. */
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
    title: "New connections from a container",
    unit: "connections/s",
    better: "higher",
    figure: "connections.rate",
    notes: [
      "Connect, send a byte, receive a byte, reset; 16 at a time, to twenty addresses in rotation. A proxy makes a " +
        "second connection for each and logs it. The proxies are `dp proxy` (behind nftables its code runs without a " +
        "datapath) and haproxy with the configuration in `examples/`.",
      "Per second of processor time of the client, the proxy and the server, which share one processor. Only the " +
        "first thread of a process counts.",
    ],
  },
  {
    id: "requests",
    title: "Time of a request from a container: median",
    unit: "µs",
    better: "lower",
    figure: "requests.p50",
    notes: ["Send a byte, receive a byte; one request at a time, on open connections."],
  },
  {
    id: "up",
    title: "Throughput from a container",
    unit: "Gbit/s",
    better: "higher",
    figure: "up.rate",
    notes: ["One connection."],
  },
  {
    id: "down",
    title: "Throughput to a container",
    unit: "Gbit/s",
    better: "higher",
    figure: "down.rate",
    notes: [],
  },
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

/** Two measurements of the same thing differ by as much. */
const NOISE = 0.05;

function targets(figureOf: FigureOf): Target[] {
  return PAIRS.flatMap(({ proxy, nftables, datapath }) =>
    TABLES.filter(({ better }) => better === "higher").map(({ title, figure }): Target => {
      const { value } = ratio(figureOf(datapath, figure), figureOf(nftables, figure));
      return {
        text: `${title}, ${proxy.name}: behind dp's redirect as much as behind nftables' (less ${NOISE * 100} %)`,
        met: value >= 1 - NOISE,
        measured: `${value.toFixed(2)} times`,
      };
    }),
  );
}
