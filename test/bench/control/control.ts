/** What an operator's scripts wait for: a server added, one removed, all of them listed. */
import { short } from "../report/numbers.ts";
import { type Figure, figure, median, quantile, ratio } from "../statistics.ts";
import type { Context, Outcome, Row, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { cni } from "./cni.ts";
import type { Contender, Host, Spare } from "./contender.ts";
import { datapath, DatapathHost } from "./datapath.ts";
import { Namespaces } from "./namespaces.ts";
import type { Took } from "./timed.ts";

interface Scale {
  readonly serverCounts: readonly number[];
  readonly rounds: number;
  /** In how many of the rounds the plugins take part: they take long, the more so the more servers there are. */
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

export const control: Suite = { id: "control", title: "What a script waits for", run };

/** What was measured on a host. */
interface Samples {
  readonly contender: Contender;
  readonly servers: number;
  /** In how many rounds it takes part. */
  readonly rounds: number;
  readonly add: Took[];
  readonly remove: Took[];
}

/** What was measured on ours alone. */
interface Ours {
  readonly servers: number;
  readonly list: readonly Took[];
  readonly version: readonly Took[];
  /** Bytes of the kernel's. */
  readonly maps: number;
}

async function run({ quick, log }: Context): Promise<Outcome> {
  const scale = quick ? QUICK : WHOLE;
  await using made = new AsyncDisposableStack();
  const [spare] = made.use(new Namespaces(1)).all as [Spare];
  // While the machine has no other servers.
  const batches: Took[] = [];
  for (let number = 1; number <= scale.batches; number++) {
    log(`batch ${number} of ${scale.batches}`);
    await using host = await DatapathHost.create(scale.batch, spare);
    batches.push(host.batch);
  }
  const all: Samples[] = [];
  const ours: Ours[] = [];
  // One after the other: what is present is present on the whole machine, whose kernel they share.
  for (const [index, servers] of scale.serverCounts.entries()) {
    log(`prepares ${servers} servers`);
    await using host = await DatapathHost.create(servers, spare);
    await using other = await cni.prepare(servers, spare);
    const list: Took[] = [];
    const version: Took[] = [];
    const pair: Samples[] = [
      { contender: datapath, servers, rounds: scale.rounds, add: [], remove: [] },
      { contender: cni, servers, rounds: scale.cniRounds[index] ?? 1, add: [], remove: [] },
    ];
    for (let round = 0; round < scale.rounds; round++) {
      if (round % 20 === 0) log(`round ${round + 1} of ${scale.rounds}`);
      for (const { contender, rounds, add, remove } of round % 2 === 0 ? pair : pair.toReversed()) {
        // Evenly spread over all rounds.
        if (Math.floor((round * rounds) / scale.rounds) === Math.floor(((round - 1) * rounds) / scale.rounds)) continue;
        const on: Host = contender === datapath ? host : other;
        add.push(on.add());
        remove.push(on.remove());
      }
      if (round >= scale.rounds / 2) continue;
      list.push(host.list());
      version.push(host.version());
    }
    all.push(...pair);
    ours.push({ servers, list, version, maps: host.maps() });
  }

  const samplesOf = (contender: Contender, servers: number) =>
    all.find((each) => each.contender === contender && each.servers === servers) as Samples;
  const columns = scale.serverCounts.map((count) => count.toLocaleString("en-US"));
  const shared = { axis: "servers present", columns };
  const rowsOf = (of: (samples: Samples) => Figure): Row[] =>
    [cni, datapath].map((contender) => ({
      name: contender.name,
      ...(contender.ours === true ? { ours: true } : {}),
      figures: scale.serverCounts.map((servers) => of(samplesOf(contender, servers))),
    }));
  const addTimes = (servers: number) => figure(samplesOf(datapath, servers).add.map(({ wall }) => wall));
  const batch = figure(batches.map(({ wall }) => wall / 1000));

  const tables: Table[] = [
    {
      id: "add",
      title: "Adding a server, the median",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => figure(add.map(({ wall }) => wall))),
      notes: [
        "One process, from before it is started until it has ended: `dp add-server`. Of CNI it is two, one after the other, the " +
          "bridge and the portmap plugin; they are given what they need at once, as an engine that takes no time would.",
        "Our servers are all there: each has its namespace, its veth pair, its programs attached, its entries. The plugins' hosts have " +
          "ten containers, and portmap's rules for all the others.",
      ],
    },
    {
      id: "add-p99",
      title: "Adding a server, 99 of 100",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => tail(add.map(({ wall }) => wall))),
      notes: [TAIL],
    },
    {
      id: "del",
      title: "Removing a server, the median",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ remove }) => figure(remove.map(({ wall }) => wall))),
      notes: [],
    },
    {
      id: "del-p99",
      title: "Removing a server, 99 of 100",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ remove }) => tail(remove.map(({ wall }) => wall))),
      notes: [TAIL],
    },
    {
      id: "add-cpu",
      title: "Processor time of adding a server",
      unit: "ms",
      better: "lower",
      ...shared,
      rows: rowsOf(({ add }) => figure(add.map(({ cpu }) => cpu))),
      notes: ["Of all processors, the kernel's for it included. What is missing from the time it takes is waited for."],
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
      title: `${scale.batch.toLocaleString("en-US")} servers in one process`,
      unit: "s",
      better: "lower",
      columns: [""],
      rows: [{ name: "dp add-server --batch", ours: true, figures: [batch] }],
      notes: ["On a host that has none; their namespaces are there already."],
    },
    {
      id: "memory",
      title: "Memory",
      unit: "MB",
      better: "lower",
      ...shared,
      rows: [
        {
          name: "the kernel, for dp's maps",
          ours: true,
          figures: ours.map(({ maps }) => figure([maps / MEGABYTE])),
        },
      ],
      notes: ["The maps are made for 65,536 servers unless `dp load` is told otherwise."],
    },
  ];

  return {
    tables,
    targets: targets(scale, addTimes, batch),
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

const TAIL = "In brackets: 95 of 100, and the longest.";

/** One that is longer than 99 of 100 others; the plugins' are few, so theirs is about the longest. */
function tail(rounds: readonly number[]): Figure {
  return { value: quantile(rounds, 0.99), spread: [quantile(rounds, 0.95), Math.max(...rounds)], rounds };
}

const ADD_MS = 40;
const GROWTH = 1.2;
const BATCH_S = 3;

function targets({ serverCounts, batch: size }: Scale, add: (servers: number) => Figure, batch: Figure): Target[] {
  const [least = 0] = serverCounts;
  const most = serverCounts.at(-1) ?? 0;
  const growth = ratio(add(most), add(least));
  const named = (count: number) => count.toLocaleString("en-US");
  return [
    {
      text: `dp add-server takes at most ${ADD_MS} ms, the median, with ${named(least)} servers present`,
      met: add(least).value <= ADD_MS,
      measured: `${short(add(least).value)} ms`,
    },
    {
      text: `and with ${named(most)} present at most a fifth longer`,
      met: growth.value <= GROWTH,
      measured: `${growth.value.toFixed(2)} times as long`,
    },
    {
      text: `${named(size)} servers are added in one process in at most ${BATCH_S} s`,
      met: batch.value <= BATCH_S,
      measured: `${short(batch.value)} s`,
    },
  ];
}
