/** How long operators' scripts wait for commands: a server is added, removed, all servers are listed. */
import { short } from "../report/numbers.ts";
import { type Figure, figure, median, quantile, ratio } from "../statistics.ts";
import type { Context, Outcome, Row, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { cni } from "./cni.ts";
import type { Contender, Host, Spare } from "./contender.ts";
import { anotherBuild, datapath, DatapathHost } from "./datapath.ts";
import { Namespaces } from "./namespaces.ts";
import type { Took } from "./timed.ts";

interface Scale {
  readonly serverCounts: readonly number[];
  readonly rounds: number;
  /** The number of rounds with the plugins, for each server count: they get slower with each server present. */
  readonly cniRounds: readonly number[];
  readonly batch: number;
  readonly batches: number;
}

const WHOLE: Scale = {
  serverCounts: [10, 1000, 10_000],
  rounds: 100,
  cniRounds: [20, 10, 2],
  batch: 1000,
  batches: 3,
};
const QUICK: Scale = { serverCounts: [2, 20], rounds: 2, cniRounds: [1, 1], batch: 10, batches: 1 };

export const control: Suite = { id: "control", title: "Time of commands", run };

/** The measurements of one contender with one number of servers present. */
interface Samples {
  readonly contender: Contender;
  readonly servers: number;
  /** The number of rounds it takes part in. */
  readonly rounds: number;
  readonly add: Took[];
  readonly remove: Took[];
}

/** What is measured of datapath only, with one number of servers present. */
interface Ours {
  readonly servers: number;
  readonly list: readonly Took[];
  readonly version: readonly Took[];
  /** Kernel memory of dp's maps, in bytes. */
  readonly maps: number;
}

async function run({ quick, against, log }: Context): Promise<Outcome> {
  const scale = quick ? QUICK : WHOLE;
  const other = against === undefined ? undefined : anotherBuild(against);
  const contenders = [cni, ...(other === undefined ? [] : [other]), datapath];
  await using made = new AsyncDisposableStack();
  const [spare] = made.use(new Namespaces(1)).all as [Spare];
  // First, while the machine has no other servers.
  const batches: Took[] = [];
  for (let number = 1; number <= scale.batches; number++) {
    log(`batch ${number} of ${scale.batches}`);
    await using host = await DatapathHost.create(scale.batch, spare);
    batches.push(host.batch);
  }
  const all: Samples[] = [];
  const ours: Ours[] = [];
  // One count after the other: all hosts share the kernel, so the servers of one are present for the others.
  for (const [index, servers] of scale.serverCounts.entries()) {
    log(`prepares ${servers} servers`);
    await using host = await DatapathHost.create(servers, spare);
    await using others = new AsyncDisposableStack();
    const hosts = new Map<Contender, Host>([[datapath, host]]);
    for (const contender of contenders) {
      if (contender !== datapath) hosts.set(contender, others.use(await contender.prepare(servers, spare)));
    }
    const list: Took[] = [];
    const version: Took[] = [];
    const samples = contenders.map((contender): Samples => {
      const rounds = contender === cni ? (scale.cniRounds[index] ?? 1) : scale.rounds;
      return { contender, servers, rounds, add: [], remove: [] };
    });
    for (let round = 0; round < scale.rounds; round++) {
      if (round % 20 === 0) log(`round ${round + 1} of ${scale.rounds}`);
      for (const { contender, rounds, add, remove } of round % 2 === 0 ? samples : samples.toReversed()) {
        // Its rounds are spread evenly over all rounds.
        if (Math.floor((round * rounds) / scale.rounds) === Math.floor(((round - 1) * rounds) / scale.rounds)) continue;
        const on = hosts.get(contender) as Host;
        add.push(on.add());
        remove.push(on.remove());
      }
      if (round >= scale.rounds / 2) continue;
      list.push(host.list());
      version.push(host.version());
    }
    all.push(...samples);
    ours.push({ servers, list, version, maps: host.maps() });
  }

  const samplesOf = (contender: Contender, servers: number) =>
    all.find((each) => each.contender === contender && each.servers === servers) as Samples;
  const columns = scale.serverCounts.map((count) => count.toLocaleString("en-US"));
  const shared = { axis: "servers present", columns };
  const rowsOf = (of: (samples: Samples) => Figure): Row[] =>
    contenders.map((contender) => ({
      name: contender.name,
      ...(contender.ours === true ? { ours: true } : {}),
      figures: scale.serverCounts.map((servers) => of(samplesOf(contender, servers))),
    }));
  const addTimes = (servers: number, contender = datapath) =>
    figure(samplesOf(contender, servers).add.map(({ wall }) => wall));
  const batch = figure(batches.map(({ wall }) => wall / 1000));

  const tables: Table[] = [
    {
      id: "add",
      title: "Adding a server: median",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => figure(add.map(({ wall }) => wall))),
      notes: [
        "From the start of the process to its end: `dp add-server`; for CNI the bridge plugin and then the portmap " +
          "plugin, without the time of the engine that runs them.",
        "On datapath's host every server present has its network namespace, veth pair, programs and entries. On the " +
          "plugins' host ten containers are connected, and for the other servers portmap's rules exist.",
      ],
    },
    {
      id: "add-p99",
      title: "Adding a server: 99th percentile",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => tail(add.map(({ wall }) => wall))),
      notes: [TAIL],
    },
    {
      id: "del",
      title: "Removing a server: median",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ remove }) => figure(remove.map(({ wall }) => wall))),
      notes: [],
    },
    {
      id: "del-p99",
      title: "Removing a server: 99th percentile",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ remove }) => tail(remove.map(({ wall }) => wall))),
      notes: [TAIL],
    },
    {
      id: "add-cpu",
      title: "Adding a server: processor time",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => figure(add.map(({ cpu }) => cpu))),
      notes: ["Of all processors, in user mode and in the kernel."],
    },
    {
      id: "list",
      title: "Listing all servers",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: [
        {
          name: "dp list --json",
          ours: true,
          figures: ours.map(({ list }) => figure(list.map(({ wall }) => wall))),
        },
      ],
      notes: [],
    },
    {
      id: "batch",
      title: `Adding ${scale.batch.toLocaleString("en-US")} servers in one process`,
      unit: "s",
      better: "lower",
      columns: [""],
      rows: [{ name: "dp add-server --batch", ours: true, figures: [batch] }],
      notes: ["On a host without servers. The network namespaces exist before."],
    },
    {
      id: "memory",
      title: "Kernel memory of the maps",
      unit: "MB",
      better: "lower",
      ...shared,
      rows: [
        {
          name: "datapath",
          ours: true,
          figures: ours.map(({ maps }) => figure([maps / MEGABYTE])),
        },
      ],
      notes: [
        "The maps have room for 4,096 servers, or for as many as are present. Counters take memory for each " +
          "possible CPU; `packages/core/test/memory.test.ts` computes the memory for 64 CPUs.",
      ],
    },
  ];

  return {
    tables,
    targets: [
      ...targets(scale, addTimes, batch, ours.at(-1)?.list ?? []),
      ...(other === undefined ? [] : scale.serverCounts.map((servers) => costOfChange(servers, addTimes, other))),
    ],
    bounds: bounds({
      version: medianOf(ours[0]?.version ?? [], "wall"),
      list: medianOf(ours[0]?.list ?? [], "wall"),
      add: medianOf(samplesOf(datapath, scale.serverCounts[0] ?? 0).add, "wall"),
      cpu: medianOf(samplesOf(datapath, scale.serverCounts[0] ?? 0).add, "cpu"),
      each: (batch.value * 1000) / scale.batch,
    }),
    versions: Object.fromEntries(
      await Promise.all([cni, datapath].flatMap(({ version }) => (version === undefined ? [] : [version()]))),
    ),
  };
}

function medianOf(took: readonly Took[], what: "wall" | "cpu"): number {
  return median(took.map((each) => each[what]));
}

const MEGABYTE = 1e6;

const TAIL = "In brackets: the 95th percentile and the maximum.";

/** The 99th percentile. The plugins have few rounds: theirs is close to the maximum. */
function tail(rounds: readonly number[]): Figure {
  return { value: quantile(rounds, 0.99), spread: [quantile(rounds, 0.95), Math.max(...rounds)], rounds };
}

const ADD_MS = 40;
const GROWTH = 1.2;
const BATCH_S = 3;
const LIST_MS = 250;

function targets(
  { serverCounts, batch: size }: Scale,
  add: (servers: number) => Figure,
  batch: Figure,
  list: readonly Took[],
): Target[] {
  const [least = 0] = serverCounts;
  const most = serverCounts.at(-1) ?? 0;
  const growth = ratio(add(most), add(least));
  const named = (count: number) => count.toLocaleString("en-US");
  return [
    {
      text: `dp add-server takes at most ${ADD_MS} ms (median) with ${named(least)} servers present`,
      met: add(least).value <= ADD_MS,
      measured: `${short(add(least).value)} ms`,
    },
    {
      text: `dp add-server at most ${GROWTH} times as long with ${named(most)} servers present as with ${named(least)}`,
      met: growth.value <= GROWTH,
      measured: `${growth.value.toFixed(2)} times`,
    },
    {
      text: `dp add-server --batch adds ${named(size)} servers in at most ${BATCH_S} s`,
      met: batch.value <= BATCH_S,
      measured: `${short(batch.value)} s`,
    },
    {
      text: `dp list takes at most ${LIST_MS} ms (median) with ${named(most)} servers`,
      met: medianOf(list, "wall") <= LIST_MS,
      measured: `${short(medianOf(list, "wall"))} ms`,
    },
  ];
}

const CHANGE = 1.1;

function costOfChange(
  servers: number,
  add: (servers: number, contender: Contender) => Figure,
  other: Contender,
): Target {
  const { value, spread } = ratio(add(servers, datapath), add(servers, other));
  const [low, high] = spread.map((each) => each.toFixed(2));
  const present = servers.toLocaleString("en-US");
  return {
    text: `dp add-server at most ${CHANGE} times as long as with another build, with ${present} servers present`,
    met: value <= CHANGE,
    measured: `${value.toFixed(2)} (${low}–${high}) times`,
  };
}
