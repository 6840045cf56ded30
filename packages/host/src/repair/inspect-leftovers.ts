import type { ServerRecord } from "@dp/core";
import { blockName } from "../server/server.ts";
import { collect, type Problem, problem } from "./problem.ts";
import type { Scene } from "./scene.ts";
import { inspectStrayInterfaces } from "./stray-interfaces.ts";

/** What belongs to no server there is a record of: entries, pins, interfaces. */
export function inspectLeftovers(scene: Scene): Problem[] {
  const { objects, records } = scene;
  const endpoints = new Set(records.map(({ publicAddress, hostPort }) => `${publicAddress}:${hostPort}`));
  const hostPeers = new Set(records.map(({ veth }) => veth.hostPeer.iface.index));
  const containers = new Set(records.map(({ veth }) => veth.podPeer.addr));
  const names = new Set(records.map(({ veth }) => veth.hostPeer.iface.name));
  const found: Problem[] = [];
  const report = (code: string, severity: "error" | "warning", what: string, run: () => void) =>
    found.push(problem({ code, severity, what }, collect(run)));

  for (const { address, port } of objects.dnatTargets()) {
    if (endpoints.has(`${address}:${port}`)) continue;
    const what = `players of ${address}:${port}, which is no server's, are sent to a container`;
    report("orphaned-dnat-entry", "error", what, () => objects.delDnatTarget({ address, port }));
  }
  for (const { hostPeer } of objects.snatTargets()) {
    if (hostPeers.has(hostPeer)) continue;
    const what = `there is an entry that lets replies out for interface ${hostPeer}, which is no server's`;
    report("orphaned-snat-target", "error", what, () => objects.delSnatTarget(hostPeer));
  }
  for (const { containerAddress, hostPeer } of objects.hostPeers()) {
    if (containers.has(containerAddress)) continue;
    const what = `packets for ${containerAddress}, which is no server's, are let into interface ${hostPeer}`;
    report("orphaned-host-peer-entry", "error", what, () => objects.delHostPeer(containerAddress));
  }
  const uplinks = new Set(scene.uplinks.map(({ index }) => index));
  for (const ifindex of objects.uplinks()) {
    if (uplinks.has(ifindex)) continue;
    const what = `replies may leave by interface ${ifindex}, which is no uplink`;
    report("orphaned-uplink", "error", what, () => objects.delUplink(ifindex));
  }
  for (const { containerAddress } of objects.vethPairEntries()) {
    if (containers.has(containerAddress)) continue;
    const what = `there is an entry for the container address ${containerAddress}, which is no server's`;
    report("orphaned-veth-pair-entry", "error", what, () => objects.delVethPairEntry(containerAddress));
  }
  // After the entries of their containers: a container with an entry goes on counting its flows.
  for (const address of new Set(objects.flows().map(({ containerAddress }) => containerAddress))) {
    if (containers.has(address)) continue;
    const what = `there are flows of the container address ${address}, which is no server's`;
    report("orphaned-flows", "warning", what, () => objects.delFlows(address));
  }
  for (const hostPeer of scene.counted) {
    if (hostPeers.has(hostPeer)) continue;
    const what = `there are counters for interface ${hostPeer}, which is no server's`;
    report("orphaned-counters", "warning", what, () => objects.delCounters(hostPeer));
  }
  for (const { program, iface, path } of scene.attachments) {
    if (program === "dnat" || names.has(iface)) continue;
    const what = `${path} is pinned for ${iface}, which is no server's`;
    report("orphaned-attachment", "warning", what, () => objects.detach(program, iface));
  }
  for (const { name, ipVersion, path } of objects.connectionBlocks()) {
    if (records.some((record) => isBlocked(record, name))) continue;
    const what = `${path} refuses connections of no frozen server`;
    report("orphaned-block", "error", what, () =>
      ipVersion === 4 ? objects.unblockIp4Connections({ name }) : objects.unblockIp6Connections({ name }),
    );
  }
  return [...found, ...inspectStrayInterfaces(scene.netlink, scene.links, records)];
}

/** One that is half added or half removed takes its blocks along when it is collected. */
function isBlocked(record: ServerRecord, name: string): boolean {
  return record.state !== "active" && blockName(record) === name;
}
