/** The whole path of a player: from a client through a host into a container, and back. */
import { must, execute } from "@dp/test-kit/program.ts";
import { short } from "../report/numbers.ts";
import { interleaved } from "../rounds.ts";
import { type Figure, ratio } from "../statistics.ts";
import type { Context, Outcome, Row, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { compileLoad } from "./compile-load.ts";
import type { Contender } from "./contender.ts";
import { datapath } from "./datapath.ts";
import { haproxy } from "./haproxy.ts";
import { nftMap, nftRules, routing, wire } from "./kernel.ts";
import { portmap } from "./portmap.ts";
import { choosePorts } from "./ports.ts";
import { World } from "./world.ts";

const CONTENDERS: readonly Contender[] = [wire, routing, nftMap, nftRules, haproxy, portmap, datapath];

/** The measures, one after the other, each with all contenders in turns. */
const MEASURES = ["requests", "connections", "up", "down"] as const;
type Measure = (typeof MEASURES)[number];

/** In seconds. */
type Durations = Readonly<Record<Measure, number>>;

interface Scale {
  readonly portCounts: readonly number[];
  readonly containers: number;
  readonly rounds: number;
  readonly durations: Durations;
}

const WHOLE: Scale = {
  portCounts: [10, 1000, 10_000],
  containers: 10,
  rounds: 15,
  durations: { requests: 0.2, connections: 0.25, up: 0.15, down: 0.15 },
};

const QUICK: Scale = {
  portCounts: [10, 1000],
  containers: 2,
  rounds: 2,
  durations: { requests: 0.02, connections: 0.02, up: 0.02, down: 0.02 },
};

export const path: Suite = { id: "path", title: "The path of a player", run: measureAll };

/** A contender, ready, with one number of ports present. */
interface Cell {
  readonly contender: Contender;
  readonly portCount: number;
  readonly world: World;
  readonly targets: readonly string[];
}

async function measureAll({ quick, log }: Context): Promise<Outcome> {
  const scale = quick ? QUICK : WHOLE;
  await using made = new AsyncDisposableStack();
  const load = made.use(await compileLoad()).path;
  const cells: Cell[] = [];
  for (const [number, contender] of CONTENDERS.entries()) {
    for (const portCount of contender.anyPorts === true ? scale.portCounts.slice(0, 1) : scale.portCounts) {
      log(`prepares ${contender.name} with ${portCount} ports`);
      const world = made.use(await World.create(`b${number}-${portCount}`, scale.containers));
      const targets = await contender.prepare(world, choosePorts(portCount, scale.containers), load);
      await answers(world, load, targets);
      cells.push({ contender, portCount, world, targets });
    }
  }
  const figures = await measure(cells, scale, load, log);
  return {
    tables: tables(scale, figures),
    targets: targets(scale, figures),
    bounds: bounds((contender, what) => figures(contender, scale.portCounts[0] as number, what)),
    versions: Object.fromEntries(
      await Promise.all(CONTENDERS.flatMap(({ version }) => (version === undefined ? [] : [version()]))),
    ),
  };
}

/** Waits until the client reaches every container, so that only working contenders are measured. */
async function answers(world: World, load: string, targets: readonly string[]): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { code, stderr } = await execute(world.load(load, "requests", 0.001, targets));
    if (code === 0) return;
    if (performance.now() > deadline) throw new Error(`${world.host.name}: ${stderr}`);
    await Bun.sleep(50);
  }
}

type Figures = (contender: Contender, portCount: number, what: string) => Figure;

async function measure(
  cells: readonly Cell[],
  { rounds, durations }: Scale,
  load: string,
  log: (line: string) => void,
): Promise<Figures> {
  const measured = await interleaved(
    MEASURES.flatMap((what) =>
      cells.map((cell) => ({
        name: nameOf(cell.contender, cell.portCount, what),
        measure: async () => {
          const command = cell.world.load(load, what, durations[what], cell.targets);
          return JSON.parse(await must(command)) as Record<string, number>;
        },
      })),
    ),
    rounds,
    log,
  );
  return (contender, portCount, figure) => {
    const [what, name] = figure.split(".") as [string, string];
    const count = contender.anyPorts === true ? (cells[0] as Cell).portCount : portCount;
    return measured.get(nameOf(contender, count, what))?.[name] as Figure;
  };
}

function nameOf({ name }: Contender, portCount: number, what: string): string {
  return `${what} ${name} ${portCount}`;
}

const TABLES: readonly (Pick<Table, "id" | "title" | "unit" | "better" | "notes"> & { figure: string })[] = [
  {
    id: "connections",
    title: "New connections from players",
    unit: "connections/s",
    better: "higher",
    figure: "connections.rate",
    notes: [
      "Connect, send a byte, receive a byte, reset; 16 at a time, the containers in rotation. It is the load of " +
        "players who join and of server lists that ping.",
    ],
  },
  {
    id: "requests",
    title: "Requests of players",
    unit: "requests/s",
    better: "higher",
    figure: "requests.rate",
    notes: ["Send a byte, receive a byte; one request at a time, on open connections to ten containers in rotation."],
  },
  {
    id: "p50",
    title: "Time of a player's request: median",
    unit: "µs",
    better: "lower",
    figure: "requests.p50",
    notes: [],
  },
  {
    id: "p99",
    title: "Time of a player's request: 99th percentile",
    unit: "µs",
    better: "lower",
    figure: "requests.p99",
    notes: [],
  },
  {
    id: "up",
    title: "Throughput from a player to a container",
    unit: "Gbit/s",
    better: "higher",
    figure: "up.rate",
    notes: ["One connection, with segmentation offload."],
  },
  {
    id: "down",
    title: "Throughput from a container to a player",
    unit: "Gbit/s",
    better: "higher",
    figure: "down.rate",
    notes: [],
  },
];

function tables({ portCounts }: Scale, figures: Figures): Table[] {
  const shares = CONTENDERS.flatMap((each) =>
    portCounts.flatMap((count) => MEASURES.map((what) => figures(each, count, `${what}.share`).value * 100)),
  );
  const rates =
    "Per second of processor time of the contender's processes, with the client and the server: other load on that " +
    "processor does not count. They had " +
    `${Math.floor(Math.min(...shares))} to ${Math.ceil(Math.max(...shares))} % of it.`;
  return TABLES.map(({ figure, notes, ...table }) => ({
    ...table,
    notes: figure.endsWith(".rate") ? [...notes, rates] : notes,
    axis: "ports present",
    columns: portCounts.map((count) => count.toLocaleString("en-US")),
    rows: CONTENDERS.map((contender): Row => ({
      name: contender.name,
      ...(contender.ours === true ? { ours: true } : {}),
      figures: portCounts.map((count) => figures(contender, count, figure)),
    })),
  }));
}

/** Two measurements of the same thing differ by as much. */
const NOISE = 0.03;
const BEYOND_NOISE = `(by more than ${NOISE * 100} % and more than the rounds differ)`;

function targets({ portCounts }: Scale, figures: Figures): Target[] {
  const connections = "connections.rate";
  const against = (other: Contender) =>
    portCounts.map((count) => ratio(figures(datapath, count, connections), figures(other, count, connections)));
  const [few, many] = [portCounts[0] as number, portCounts.at(-1) as number];
  const growth = TABLES.map(({ title, figure, better }) => {
    const change = ratio(figures(datapath, many, figure), figures(datapath, few, figure));
    return { title, change, worse: isWorse(change, better) };
  });
  return [
    {
      text: "new connections per second at least 1.1 times those of nftables with a map",
      met: against(nftMap).every(({ value }) => value >= 1.1),
      measured: byPorts(portCounts, against(nftMap)),
    },
    {
      text: `new connections per second not below plain routing ${BEYOND_NOISE}`,
      met: against(routing).every((change) => !isWorse(change, "higher")),
      measured: byPorts(portCounts, against(routing)),
    },
    {
      text: `no figure of ours worse with ${many.toLocaleString("en-US")} ports than with ${few} ${BEYOND_NOISE}`,
      met: growth.every(({ worse }) => !worse),
      measured: growth.map(({ title, change }) => `${title.toLowerCase()} ${within(change)} times`).join("; "),
    },
  ];
}

function isWorse({ value, spread: [low, high] }: Figure, better: Table["better"]): boolean {
  return better === "higher" ? value < 1 - NOISE && high < 1 : value > 1 + NOISE && low > 1;
}

function within({ value, spread: [low, high] }: Figure): string {
  return `${short(value)} (${short(low)}–${short(high)})`;
}

function byPorts(portCounts: readonly number[], ratios: readonly Figure[]): string {
  return portCounts
    .map((count, index) => `${short(ratios[index]?.value ?? 0)} times with ${count.toLocaleString("en-US")}`)
    .join(", ");
}
