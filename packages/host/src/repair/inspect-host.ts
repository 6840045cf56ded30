import { CGROUP_PROGRAMS, programsAt } from "@dp/core";
import type { Link } from "@dp/netlink";
import { LinkFlag } from "@dp/netlink/codec";
import { listed } from "../doctor/check.ts";
import { attachGuard, missingGuards } from "../guard.ts";
import { pinRootOf } from "../host-options.ts";
import { refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface } from "../interfaces/uplink.ts";
import { cgroup2Mount, cgroupFolderById } from "../kernel/cgroup.ts";
import { inspectDefaultPlacement } from "./placements.ts";
import { type Problem, problem, removeBy, repairBy } from "./problem.ts";
import type { View } from "./view.ts";

/** The problems of the parts that all servers share: uplinks, the proxy's cgroup, the host's addresses. */
export function inspectHost(view: View): Problem[] {
  if (view.config === undefined) {
    const what = "the last load, or unload, did not finish";
    return [problem({ code: "load-unfinished", severity: "error", what }, "dp load")];
  }
  return [
    ...inspectUplinks(view),
    ...inspectDefaultPlacement(view),
    ...inspectUplinkEntries(view),
    ...inspectCgroup(view),
    ...inspectGuard(view),
    ...inspectLookup(view),
    ...inspectHostAddresses(view),
  ];
}

function inspectUplinks(view: View): Problem[] {
  if (view.uplinkAttachments.length === 0) {
    const what = "dp_dnat is on no uplink: no player gets in";
    return [problem({ code: "uplink-missing", severity: "error", what }, "dp load")];
  }
  return view.uplinkAttachments.flatMap((each) => inspectUplink(view, each));
}

/** Entries of dp_uplinks for interfaces that are not uplinks. */
function inspectUplinkEntries({ objects, uplinks }: View): Problem[] {
  const known = new Set(uplinks.map(({ index }) => index));
  return objects.uplinks.all().flatMap((ifindex) => {
    if (known.has(ifindex)) return [];
    const what = `orphaned dp_uplinks entry: interface ${ifindex} is not an uplink`;
    const remedy = removeBy(() => objects.uplinks.delete(ifindex));
    return problem({ code: "orphaned-uplink", severity: "error", what }, remedy);
  });
}

function inspectUplink(view: View, { iface, ifindex, programId }: View["uplinkAttachments"][number]): Problem[] {
  const { objects } = view;
  const link = view.link(iface);
  if (link === undefined) {
    const what = `the uplink ${iface} is gone: no player gets in there`;
    return [problem({ code: "uplink-gone", severity: "error", what }, "bring it back, then dp load")];
  }
  const remedy = repairBy(() => {
    for (const { name } of programsAt("uplink")) objects.attachments.attach(name as "dnat", toInterface(link));
    objects.uplinks.set(link.index);
  });
  if (ifindex !== link.index || programId === 0) {
    const what = `dp_dnat is not on the uplink ${iface}: it was deleted and made again, or dp_dnat was detached`;
    return [problem({ code: "program-detached", severity: "error", what }, remedy)];
  }
  if (!objects.uplinks.all().includes(link.index)) {
    const what = `replies may not leave by the uplink ${iface}`;
    return [problem({ code: "missing-uplink-entry", severity: "error", what }, remedy)];
  }
  if (programId === objects.attachments.programId("dnat")) return inspectCarrier(link);
  const what = `the uplink ${iface} runs another dp_dnat than the one that is loaded`;
  return [problem({ code: "program-outdated", severity: "error", what }, remedy)];
}

/** The operator has to repair these. Reads IFF_LOWER_UP: the operational state changes up to a second later. */
function inspectCarrier({ name, up, flags }: Link): Problem[] {
  if (!up) {
    const what = `the uplink ${name} is down: no player gets in there`;
    return [problem({ code: "uplink-down", severity: "error", what }, `ip link set ${name} up`)];
  }
  if ((flags & LinkFlag.IFF_LOWER_UP) !== 0) return [];
  const what = `the uplink ${name} has no carrier: no player gets in there`;
  return [
    problem({ code: "uplink-without-carrier", severity: "warning", what }, "look at its cable, or its other end"),
  ];
}

function inspectCgroup({ objects }: View): Problem[] {
  const attached = objects.attachments.onCgroup();
  const wrong = CGROUP_PROGRAMS.flatMap(({ name: program }) => {
    const found = attached.find((each) => each.program === program);
    if (found === undefined || found.cgroupId === 0n) return { program, code: "program-detached" };
    return found.programId === objects.attachments.programId(program) ? [] : { program, code: "program-outdated" };
  });
  // The remedy attaches both programs.
  const [first] = wrong;
  if (first === undefined) return [];
  const names = wrong.map(({ program }) => `dp_${program}`).join(" and ");
  const what =
    first.code === "program-outdated"
      ? `the proxies' cgroup runs another ${names} than the one that is loaded`
      : `${names} ${wrong.length > 1 ? "are" : "is"} on no cgroup: proxies do not learn the original destinations`;
  const remedy = repairBy(() => {
    const id = attached.find(({ cgroupId }) => cgroupId !== 0n)?.cgroupId;
    const folder = id === undefined ? undefined : cgroupFolderById(id);
    objects.attachments.attachToCgroup(folder ?? cgroup2Mount("attach to the proxies' cgroup"));
  });
  return [problem({ code: first.code, severity: "error", what }, remedy)];
}

function inspectGuard({ objects, options }: View): Problem[] {
  const pinRoot = pinRootOf(options);
  const missing = missingGuards(objects, pinRoot);
  if (missing.length === 0) return [];
  const families = listed(missing.map(({ family }) => (family === "ipv6" ? "IPv6" : "IPv4")));
  const what = `the guard of ${families} is not attached: what comes from containers past dp_snat is not dropped`;
  const cure = repairBy(() => void attachGuard(objects, pinRoot));
  return [problem({ code: "guard-detached", severity: "error", what }, cure)];
}

function inspectLookup({ objects: { attachments } }: View): Problem[] {
  const missing = attachments.onHost().find(({ program, state }) => program === "lookup" && state !== "attached");
  if (missing === undefined) return [];
  const what = "dp_lookup is not attached: the proxy's listeners can be reached from the uplinks";
  const cure = repairBy(() => void attachments.attachToSkLookup());
  return [problem({ code: "lookup-detached", severity: "error", what }, cure)];
}

function inspectHostAddresses({ objects, addresses }: View): Problem[] {
  const text = (list: readonly { address: string }[]) =>
    [...new Set(list.map(({ address }) => address))].sort().join(", ");
  const [known, real] = [text(objects.hostAddresses.all()), text(addresses)];
  if (known === real) return [];
  const what = `the host's addresses are ${real || "none"}, and the programs know ${known || "none"}`;
  const remedy = repairBy(() => refreshHostAddresses(objects, addresses));
  return [problem({ code: "host-addresses", severity: "warning", what }, remedy)];
}
