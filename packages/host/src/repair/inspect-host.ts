import type { CgroupProgram } from "@dp/core";
import type { Link } from "@dp/netlink";
import { LinkFlag } from "@dp/netlink/codec";
import { refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface } from "../interfaces/uplink.ts";
import { cgroup2Mount, cgroupFolderById } from "../kernel/cgroup.ts";
import { inspectDefaultPublicAddress } from "./inspect-public-address.ts";
import { mend, type Problem, problem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/** What is wrong with what all servers share: uplinks, the proxies' cgroup, the host's own addresses. */
export function inspectHost(scene: Scene): Problem[] {
  if (scene.config === undefined) {
    const what = "the last load, or unload, did not finish";
    return [problem({ code: "load-unfinished", severity: "error", what }, "dp load")];
  }
  return [
    ...inspectUplinks(scene),
    ...inspectDefaultPublicAddress(scene),
    ...inspectCgroup(scene),
    ...inspectHostAddresses(scene),
  ];
}

function inspectUplinks(scene: Scene): Problem[] {
  if (scene.uplinkAttachments.length === 0) {
    const what = "dp_dnat is on no uplink: no player gets in";
    return [problem({ code: "uplink-missing", severity: "error", what }, "dp load")];
  }
  return scene.uplinkAttachments.flatMap((each) => inspectUplink(scene, each));
}

function inspectUplink(scene: Scene, { iface, ifindex, programId }: Scene["uplinkAttachments"][number]): Problem[] {
  const { objects } = scene;
  const link = scene.link(iface);
  if (link === undefined) {
    const what = `the uplink ${iface} is gone: no player gets in there`;
    return [problem({ code: "uplink-gone", severity: "error", what }, "bring it back, then dp load")];
  }
  const cure = mend(() => {
    objects.attachAndPinDnat(toInterface(link));
    objects.addUplink(link.index);
  });
  if (ifindex !== link.index || programId === 0) {
    const what = `dp_dnat is not on the uplink ${iface}: it was deleted and made again, or dp_dnat was detached`;
    return [problem({ code: "program-detached", severity: "error", what }, cure)];
  }
  if (!objects.uplinks().includes(link.index)) {
    const what = `replies may not leave by the uplink ${iface}`;
    return [problem({ code: "uplink-entry-missing", severity: "error", what }, cure)];
  }
  if (programId === objects.programId("dnat")) return inspectCarrier(link);
  const what = `the uplink ${iface} runs another dp_dnat than the one that is loaded`;
  return [problem({ code: "program-outdated", severity: "error", what }, cure)];
}

/** For the operator to put right. Reads the flag: the operational state follows it up to a second later. */
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

function inspectCgroup({ objects }: Scene): Problem[] {
  const attached = objects.cgroupAttachments();
  const wrong = (["getsockopt", "sockops"] as const).flatMap((program: CgroupProgram) => {
    const found = attached.find((each) => each.program === program);
    if (found === undefined || found.cgroupId === 0n) return { program, code: "program-detached" };
    return found.programId === objects.programId(program) ? [] : { program, code: "program-outdated" };
  });
  // One attaches both.
  const [first] = wrong;
  if (first === undefined) return [];
  const names = wrong.map(({ program }) => `dp_${program}`).join(" and ");
  const what =
    first.code === "program-outdated"
      ? `the proxies' cgroup runs another ${names} than the one that is loaded`
      : `${names} ${wrong.length > 1 ? "are" : "is"} on no cgroup: proxies do not learn where connections were going`;
  const cure = mend(() => {
    const id = attached.find(({ cgroupId }) => cgroupId !== 0n)?.cgroupId;
    const folder = id === undefined ? undefined : cgroupFolderById(id);
    objects.attachAndPinGetsockopt(folder ?? cgroup2Mount("attach to the proxies' cgroup"));
  });
  return [problem({ code: first.code, severity: "error", what }, cure)];
}

function inspectHostAddresses({ objects, addresses }: Scene): Problem[] {
  const text = (those: readonly { address: string }[]) =>
    [...new Set(those.map(({ address }) => address))].sort().join(", ");
  const [known, real] = [text(objects.hostAddresses()), text(addresses)];
  if (known === real) return [];
  const what = `the host's addresses are ${real || "none"}, and the programs know ${known || "none"}`;
  const cure = mend(() => refreshHostAddresses(objects, addresses));
  return [problem({ code: "host-addresses", severity: "warning", what }, cure)];
}
