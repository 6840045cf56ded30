import type { DnatTarget, ServerRecord, SnatTarget, VethPairEntry } from "@dp/core";
import { blockName } from "../server/server.ts";
import { mend, type Problem, serverProblem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/** Whether the map entries of a server whose interface is there are what its record says. */
export function inspectEntries(scene: Scene, record: ServerRecord): Problem[] {
  const { objects } = scene;
  const { hostPeer, podPeer } = record.veth;
  const { index } = hostPeer.iface;
  const found: Problem[] = [];
  const report = (code: string, what: string, run: () => void) =>
    found.push(serverProblem(record, { code, severity: "error", what }, mend(run)));

  if (objects.getHostPeer(podPeer.addr) !== index) {
    report("host-peer-entry", "nothing is let into its container", () => objects.addHostPeer(podPeer.addr, index));
  }
  if (!scene.counted.has(index)) {
    report("counters-missing", "its drops are not counted", () => objects.addCounters(index));
  }

  const { groups } = objects.records;
  const group = groups.find(record.group);
  if (group === undefined) {
    report("group-number", `its group ${record.group} has no number`, () => groups.of(record.group));
    return found;
  }
  const snat: SnatTarget = {
    containerAddress: podPeer.addr,
    hostPeerAddress: hostPeer.addr,
    publicAddress: record.publicAddress,
    publicPort: record.hostPort,
    gamePort: record.gamePort,
    uplink: record.uplink,
    group,
    containerMac: podPeer.iface.mac,
  };
  const snatFound = objects.getSnatTarget(index);
  if (!sameEntry(snatFound, snat)) {
    const what = `the entry that lets its replies out ${snatFound === undefined ? "is missing" : "is another's"}`;
    report("snat-target", what, () => objects.addSnatTarget(index, snat));
  }

  const pair: Omit<VethPairEntry, "flows"> = {
    containerAddress: podPeer.addr,
    containerMac: podPeer.iface.mac,
    hostPeer: index,
    hostPeerAddress: hostPeer.addr,
    gamePort: record.gamePort,
    group,
    netnsCookie: record.netnsCookie,
  };
  const pairFound = objects.getVethPairEntry(podPeer.addr);
  if (!sameEntry(pairFound, pair)) {
    const what = `the entry that sends what it opens to the proxy ${pairFound === undefined ? "is missing" : "is another's"}`;
    report("veth-pair-entry", what, () => objects.addVethPairEntry(record.veth, pair));
  }
  return [...found, ...inspectDoor(scene, record)];
}

/** Players get in by this entry: a frozen server has none. */
function inspectDoor({ objects }: Scene, record: ServerRecord): Problem[] {
  const endpoint = { address: record.publicAddress, port: record.hostPort };
  const { hostPeer, podPeer } = record.veth;
  const dnat: DnatTarget = {
    hostPeer: hostPeer.iface.index,
    containerAddress: podPeer.addr,
    gamePort: record.gamePort,
    containerMac: podPeer.iface.mac,
  };
  const found = objects.getDnatTarget(endpoint);
  if (record.state === "frozen") {
    const blocks = objects.connectionBlocks().filter(({ name }) => name === blockName(record));
    const problems: Problem[] = [];
    if (found !== undefined) {
      const what = "it is frozen, and players get in all the same";
      const cure = mend(() => objects.delDnatTarget(endpoint));
      problems.push(serverProblem(record, { code: "dnat-entry", severity: "error", what }, cure));
    }
    if (blocks.filter(({ cgroupId }) => cgroupId !== 0n).length < 2) {
      const what =
        "it is frozen, and its own connections are not refused: its cgroup is gone, or freezing did not finish";
      const fix = `dp freeze --name ${record.name} again, or dp thaw --name ${record.name}`;
      problems.push(serverProblem(record, { code: "freeze-incomplete", severity: "error", what }, fix));
    }
    return problems;
  }
  if (sameEntry(found, dnat)) return [];
  const what = found === undefined ? "players do not get in: its entry is missing" : "its players are sent elsewhere";
  const cure = mend(() => objects.addDnatTarget(endpoint, dnat));
  return [serverProblem(record, { code: "dnat-entry", severity: "error", what }, cure)];
}

/** Every field of `wanted`; what else an entry has is not compared. */
function sameEntry<T extends object>(found: T | undefined, wanted: Partial<T>): boolean {
  return found !== undefined && Object.entries(wanted).every(([key, value]) => found[key as keyof T] === value);
}
