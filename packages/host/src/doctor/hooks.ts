/** Programs and filters of others where datapath's stand. */
import type { Attachment, InterfaceProgram, ServerRecord } from "@dp/core";
import { type Direction, Link as BpfLink, Program, queryTcx } from "@dp/core/libbpf";
import { type Filter, Netlink } from "@dp/netlink";
import { withNetns } from "@dp/sys";
import { openServerNetns } from "../container/processes.ts";
import type { Finding } from "../repair/finding.ts";
import { label } from "../server/server.ts";
import { error, type Verdict, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

/** One side of one interface, with what is datapath's there. */
interface Hook {
  ifindex: number;
  iface: string;
  /** " in the container of server 25570 (lobby)" */
  where: string;
  direction: Direction;
  ours: readonly Attachment[];
  /** What another program in front of ours could do. */
  danger: string;
}

const DANGER = {
  uplink: "players' packets may never get to a server",
  host: "what a container sends may get past the guard",
  back: "what the proxy answers may not get back to the container",
  container: "what the container opens may not get to the proxy",
};

export function checkHooks(patient: Patient): Verdict {
  if (patient.objects === undefined) return "nothing is attached";
  const findings = [...hostHooks(patient)].flatMap((hook) => inspect(hook, patient.netlink));
  for (const record of patient.records) findings.push(...inspectContainer(patient, record));
  // Some kinds of filters come with a table of their own, listed like a filter.
  const distinct = [...new Map(findings.map((finding) => [finding.what, finding])).values()];
  return distinct.length > 0 ? distinct : "nobody else's programs are where ours stand";
}

function* hostHooks({ attachments, uplinks, records }: Patient): Generator<Hook> {
  const on = (ifindex: number, ...programs: InterfaceProgram[]) =>
    attachments.filter((each) => each.ifindex === ifindex && programs.includes(each.program));
  for (const { index: ifindex, name: iface } of uplinks) {
    yield { ifindex, iface, where: "", direction: "ingress", ours: on(ifindex, "dnat"), danger: DANGER.uplink };
  }
  for (const record of records) {
    const { index: ifindex, name: iface } = record.veth.hostPeer.iface;
    const guard = on(ifindex, "arp", "snat");
    const back = on(ifindex, "tproxy_host");
    const where = ` of ${label(record)}`;
    if (guard.length > 0) yield { ifindex, iface, where, direction: "ingress", ours: guard, danger: DANGER.host };
    if (back.length > 0) yield { ifindex, iface, where, direction: "egress", ours: back, danger: DANGER.back };
  }
}

function inspectContainer({ attachments, objects }: Patient, record: ServerRecord): Finding[] {
  const { hostPeer, podPeer } = record.veth;
  const ours = attachments.filter(
    ({ program, iface }) => program === "tproxy_container" && iface === hostPeer.iface.name,
  );
  const own = ours.map((each) => ({ ...each, programId: objects?.programId(each.program) }));
  const { index: ifindex, name: iface } = podPeer.iface;
  const where = ` in the container of ${label(record)}`;
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    const hook: Hook = { ifindex, iface, where, direction: "egress", ours: own, danger: DANGER.container };
    return withNetns(netns, () => inspect(hook, inside));
  } catch {
    // The container is gone, which dp status tells.
    return [];
  }
}

function inspect(hook: Hook, netlink: Netlink): Finding[] {
  const { ifindex, direction, ours } = hook;
  const filters = netlink.filters({ ifindex, direction });
  if (ours.some(({ mechanism }) => mechanism === "clsact")) return judgeFilters(hook, filters);
  // TCX programs run before all filters.
  return [...inspectTcx(hook), ...filters.map((filter) => afterOurs(hook, describe(filter), filterFix(hook)))];
}

function inspectTcx(hook: Hook): Finding[] {
  const links = new Set(hook.ours.map(({ path }) => linkId(path)));
  const { entries } = queryTcx(hook.ifindex, hook.direction);
  const isOurs = entries.map(({ linkId: id }) => id !== undefined && links.has(id));
  const last = isOurs.lastIndexOf(true);
  return entries.flatMap(({ programId, linkId: id }, at) => {
    if (isOurs[at] === true) return [];
    const what = `the program ${nameOf(programId)} (id ${programId})`;
    const fix =
      id === undefined
        ? `take it off: bpftool net detach tcx_${hook.direction} dev ${hook.iface}`
        : `stop what attached it, or: bpftool link detach id ${id}`;
    return [at < last ? beforeOurs(hook, what, fix) : afterOurs(hook, what, fix)];
  });
}

function linkId(path: string): number {
  using link = BpfLink.fromPin(path);
  return link.info().id;
}

/** Filters run by priority; those of one priority in an order that nobody promises. */
export function judgeFilters(
  hook: Pick<Hook, "iface" | "where" | "direction" | "danger"> & {
    ours: readonly { programId?: number | undefined }[];
  },
  filters: readonly Filter[],
): Finding[] {
  const ids = new Set(hook.ours.map(({ programId }) => programId));
  const own = filters.filter(({ program }) => program !== undefined && ids.has(program.id));
  const last = Math.max(0, ...own.map(({ priority }) => priority));
  const judge = (filter: Filter) => (filter.priority <= last ? beforeOurs : afterOurs);
  return filters
    .filter((filter) => !own.includes(filter))
    .map((filter) => judge(filter)(hook, describe(filter), filterFix(hook)));
}

type Place = Pick<Hook, "iface" | "where" | "direction" | "danger">;

function beforeOurs({ iface, where, direction, danger }: Place, what: string, fix: string): Finding {
  return error("foreign-program", `${what} is before ours on the ${direction} of ${iface}${where}: ${danger}`, fix);
}

function afterOurs({ iface, where, direction }: Place, what: string, fix: string): Finding {
  const sees = "it sees only what ours let pass";
  return warning("foreign-program-after", `${what} is on the ${direction} of ${iface}${where}: ${sees}`, fix);
}

function describe({ kind, priority, program }: Filter): string {
  const name = program === undefined ? "" : ` ${program.name} (id ${program.id})`;
  return `a ${kind} filter${name} of priority ${priority}`;
}

function filterFix({ iface, direction }: Place): string {
  return `see whose it is: tc filter show dev ${iface} ${direction}; take it away: tc filter delete`;
}

function nameOf(programId: number): string {
  try {
    using program = Program.fromId(programId);
    return program.name;
  } catch {
    return "that is gone by now";
  }
}
