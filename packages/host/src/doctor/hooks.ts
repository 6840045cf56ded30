/** Other programs and filters on the hooks of datapath's programs. */
import { type Attachment, type InterfaceProgram, serverLabel, type ServerRecord } from "@dp/core";
import { type Direction, Link as BpfLink, Program, queryTcx } from "@dp/core/libbpf";
import { type Filter, Netlink } from "@dp/netlink";
import { withNetns } from "@dp/sys";
import { openServerNetns } from "../container/processes.ts";
import type { Finding } from "../repair/finding.ts";
import { error, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** One direction of one interface, with datapath's attachments there. */
interface Hook {
  ifindex: number;
  iface: string;
  /** " in the container of server lobby (id 7)" */
  where: string;
  direction: Direction;
  ours: readonly Attachment[];
  /** What a program that runs before ours could do. */
  danger: string;
}

const DANGER = {
  uplink: "players' packets may never get to a server",
  host: "what a container sends may get past the guard",
  back: "what the proxy answers may not get back to the container",
  container: "what the container opens may not get to the proxy",
};

export function checkHooks(view: HostView): Verdict {
  if (view.objects === undefined) return "nothing is attached";
  const findings = [...hostHooks(view)].flatMap((hook) => inspect(hook, view.netlink));
  for (const record of view.records) findings.push(...inspectContainer(view, record));
  // Some kinds of filters have a table, which is listed like a filter.
  const distinct = [...new Map(findings.map((finding) => [finding.what, finding])).values()];
  return distinct.length > 0 ? distinct : "no other programs are on our hooks";
}

function* hostHooks({ attachments, uplinks, records }: HostView): Generator<Hook> {
  const on = (ifindex: number, ...programs: InterfaceProgram[]) =>
    attachments.filter((each) => each.ifindex === ifindex && programs.includes(each.program));
  for (const { index: ifindex, name: iface } of uplinks) {
    yield { ifindex, iface, where: "", direction: "ingress", ours: on(ifindex, "dnat"), danger: DANGER.uplink };
  }
  for (const record of records) {
    const { ifindex, name: iface } = record.hostPeer;
    const guard = on(ifindex, "arp", "snat");
    const back = on(ifindex, "tproxy_host");
    const where = ` of ${serverLabel(record)}`;
    if (guard.length > 0) yield { ifindex, iface, where, direction: "ingress", ours: guard, danger: DANGER.host };
    if (back.length > 0) yield { ifindex, iface, where, direction: "egress", ours: back, danger: DANGER.back };
  }
}

function inspectContainer({ attachments, objects }: HostView, record: ServerRecord): Finding[] {
  const { hostPeer, containerPeer } = record;
  const ours = attachments.filter(({ program, iface }) => program === "tproxy_container" && iface === hostPeer.name);
  const own = ours.map((each) => ({ ...each, programId: objects?.attachments.programId("tproxy_container") }));
  const { ifindex, name: iface } = containerPeer;
  const where = ` in the container of ${serverLabel(record)}`;
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    const hook: Hook = { ifindex, iface, where, direction: "egress", ours: own, danger: DANGER.container };
    return withNetns(netns, () => inspect(hook, inside));
  } catch {
    // The container is gone: dp status reports that.
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
        ? `detach it: bpftool net detach tcx_${hook.direction} dev ${hook.iface}`
        : `stop the program that attached it, or: bpftool link detach id ${id}`;
    return [at < last ? beforeOurs(hook, what, fix) : afterOurs(hook, what, fix)];
  });
}

function linkId(path: string): number {
  using link = BpfLink.fromPin(path);
  return link.info().id;
}

/** Filters run by priority. The order of filters with the same priority is not defined. */
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
  return error("foreign-program", `${what} runs before ours on the ${direction} of ${iface}${where}: ${danger}`, fix);
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
  return `find out which program made it: tc filter show dev ${iface} ${direction}; remove it: tc filter delete`;
}

function nameOf(programId: number): string {
  try {
    using program = Program.fromId(programId);
    return program.name;
  } catch {
    return "that is already gone";
  }
}
