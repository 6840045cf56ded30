/**
 * Cost of a packet: each program by BPF_PROG_TEST_RUN, compared with a program that only redirects, in turns.
 *
 * A test run does not restore the packet between its repeats. A small program (bench.bpf.c) restores it and calls the
 * program that is measured. The time of the small program is measured in the same round and subtracted.
 */
import { bytes, BpfObject, type Program, skbContext, u32 } from "@dp/core/libbpf";
import type { Verdict } from "@dp/test-kit/program-runner.ts";
import { findToolchain, compile } from "../../../packages/bpf/src/bpf2ts/clang.ts";
import { short } from "../report/numbers.ts";
import { interleaved } from "../rounds.ts";
import { type Figure, perRound, ratio } from "../statistics.ts";
import type { Context, Outcome, Suite, Table, Target } from "../suite.ts";
import { bounds } from "./bounds.ts";
import { type Contender, contenders } from "./contenders.ts";

const VERDICTS: Readonly<Record<Verdict, number>> = { next: 0xffffffff, pass: 0, drop: 2, redirect: 7 };
const HEADERS = 56;

const BARE = "bpf_redirect_peer alone";
const DNAT = "dp_dnat: a player's packet";
const SNAT = "dp_snat: a reply to a player";
const CONTAINER = "dp_tproxy_container: of a flow";
const HOST = "dp_tproxy_host: of a flow";
const NO_SERVER = ["dp_dnat: TCP of no server", "dp_dnat: UDP of no server"] as const;

const TARGETS: readonly { text: string; rows: readonly string[]; atMost: number }[] = [
  { text: "dp_dnat at most 2.7 times the bare redirect", rows: [DNAT], atMost: 2.7 },
  { text: "dp_snat at most 2.9 times the bare redirect", rows: [SNAT], atMost: 2.9 },
  {
    text: "dp_tproxy_container and dp_tproxy_host, for an established flow, at most 3.5 times the bare redirect",
    rows: [CONTAINER, HOST],
    atMost: 3.5,
  },
  { text: "a packet of no server at most 1.5 times the bare redirect", rows: NO_SERVER, atMost: 1.5 },
];

export const packet: Suite = { id: "packet", title: "Cost of a packet", run };

async function run({ quick, log }: Context): Promise<Outcome> {
  using stack = new DisposableStack();
  const rounds = quick ? 5 : 41;
  const repeat = quick ? 10_000 : 200_000;
  const compiled = compile(findToolchain(), "bench.bpf.c", { directory: import.meta.dirname });
  const object = stack.use(BpfObject.open(compiled.object, { name: "bench" }).load());
  const programs = await contenders(stack);
  const measured = await interleaved(
    [
      { name: "empty", measure: () => ({ ns: duration(object.program("nothing"), programs[0] as Contender, repeat) }) },
      {
        name: "restored",
        measure: () => ({ ns: again(object, object.program("nothing"), programs[0] as Contender, "next", repeat) }),
      },
      {
        name: BARE,
        measure: () => ({
          ns: again(object, object.program("redirect"), programs[0] as Contender, "redirect", repeat),
        }),
      },
      ...programs.map((each) => ({
        name: each.name,
        measure: () => ({ ns: again(object, each.runner.program(each.program), each, each.verdict, repeat) }),
      })),
    ],
    rounds,
    log,
  );
  const raw = (name: string): Figure => measured.get(name)?.ns as Figure;
  /** The time of a program alone. */
  const cost = (name: string): Figure =>
    perRound((whole, restored, empty) => whole - restored + empty, raw(name), raw("restored"), raw("empty"));
  const bare = cost(BARE);
  const names = [BARE, ...programs.map(({ name }) => name)];
  const times = new Map(names.map((name) => [name, ratio(cost(name), bare)]));
  return {
    tables: tables(names, cost, times, raw("empty")),
    targets: TARGETS.map((target) => judge(target, times)),
    bounds: bounds((name) => cost(name).value - raw("empty").value),
    versions: {},
  };
}

function tables(
  names: readonly string[],
  cost: (name: string) => Figure,
  times: Map<string, Figure>,
  empty: Figure,
): Table[] {
  const ours = (name: string) => name.startsWith("dp_");
  return [
    {
      id: "cost",
      title: "Time of a packet",
      unit: "ns",
      better: "lower",
      columns: [""],
      rows: [
        { name: "an empty program", figures: [empty] },
        ...names.map((name) => ({ name, ours: ours(name), figures: [cost(name)] })),
      ],
      notes: [
        "BPF_PROG_TEST_RUN of one program on one processor, with the maps of two servers. Every figure includes the " +
          "loop of the test run, which is all that an empty program takes.",
        "Packets are TCP with 64 bytes of data, unless the row says otherwise. Each repeat begins with the original " +
          "packet: a small program restores the headers and calls the program that is measured. Its own time is " +
          "measured in the same round and subtracted.",
      ],
    },
    {
      id: "ratio",
      title: "Time of a packet, compared with a program that only redirects",
      unit: "times",
      better: "lower",
      columns: [""],
      rows: names.map((name) => ({ name, ours: ours(name), figures: [times.get(name) ?? null] })),
      notes: [],
    },
  ];
}

function judge({ text, rows, atMost }: (typeof TARGETS)[number], times: Map<string, Figure>): Target {
  const figures = rows.map((row) => times.get(row) as Figure);
  return {
    text,
    met: figures.every(({ value }) => value <= atMost),
    measured: figures
      .map(({ value }, index) => `${rows.length > 1 ? `${rows[index]} ` : ""}${short(value)}`)
      .join(", "),
  };
}

/** A test run of `repeat` repeats, each with the original packet. @returns the average, in nanoseconds */
function again(object: BpfObject, program: Program, each: Contender, verdict: Verdict, repeat: number): number {
  object.map("packet", u32, bytes(HEADERS)).set(0, headersOf(each.packet));
  object.map("measured", u32, u32).set(0, program.fd);
  const wanted = each.runner.inside(() => program.testRun({ data: each.packet, ctx: contextOf(each) }));
  const result = each.runner.inside(() =>
    object.program("again").testRun({ data: each.packet, ctx: contextOf(each), repeat }),
  );
  if (result.retval !== VERDICTS[verdict]) throw new Error(`${each.name}: the program returned ${result.retval}`);
  if (!Buffer.from(result.data).equals(wanted.data))
    throw new Error(`${each.name}: the last repeat left another packet than a single run`);
  return result.duration;
}

function duration(program: Program, each: Contender, repeat: number): number {
  return each.runner.inside(() => program.testRun({ data: each.packet, ctx: contextOf(each), repeat })).duration;
}

/** The headers as the value of the map `packet`. */
function headersOf(frame: Uint8Array): Uint8Array {
  const headers = new Uint8Array(HEADERS);
  headers.set(frame.subarray(0, HEADERS));
  return headers;
}

function contextOf({ ifindex }: Contender): Uint8Array {
  return skbContext({ ifindex });
}
