import type { InterfaceProgram, Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { lowerFreeFrom } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import { releasePort } from "../kernel/reserved-ports.ts";
import { attemptAll, messageOf } from "../transaction.ts";
import { findHostPeer } from "./present.ts";
import { serversOnPort } from "./select.ts";
import { blockName, isHostPeer, label } from "./server.ts";
import { tidyRecords } from "./tidy-records.ts";

/**
 * Takes a server out: the DNAT entry first, its record last. It works with whatever is left of the server (half added,
 * half removed, its container gone), and every step is tried whatever becomes of the others.
 *
 * @throws DatapathError `FAILED` with every error in its cause. The record is then still there, as pending, and the
 *   next change tries again.
 */
export function removeServer(objects: Objects, netlink: Netlink, record: ServerRecord, options: HostOptions): void {
  const op = `remove ${label(record)}`;
  const { hostPort, publicAddress } = record;
  const { name } = record.veth.hostPeer.iface;
  const index = hostPeerIndex(netlink, record);
  const { addr: containerAddress } = record.veth.podPeer;
  // The entries under its index are its own, unless the index is another server's host peer by now.
  const owner = index === 0 ? undefined : objects.getSnatTarget(index);
  const ownsIndex = index !== 0 && (owner === undefined || owner.containerAddress === containerAddress);

  // The kernel vouches for the index as long as the interface is the one that was entered.
  const vouched = index !== 0 && objects.getHostPeer(containerAddress) === index;
  // An interface that cannot be deleted keeps its guards.
  let gone = false;
  const detach = (program: InterfaceProgram) => gone && objects.detach(program, name);
  const steps: [step: string, run: () => void][] = [
    ["note the change", () => objects.records.beginChange(containerAddress)],
    ["dnat entry", () => objects.delDnatTarget({ address: publicAddress, port: hostPort })],
    ["record pending", () => objects.addNetData({ ...record, state: "pending" }, "replace")],
    ["snat target", () => ownsIndex && objects.delSnatTarget(index)],
    ["veth pair entry", () => objects.delVethPairEntry(containerAddress)],
    ["allow connections", () => allowConnections(objects, record)],
    [
      "veth pair",
      () => {
        deleteVethPair(netlink, record, vouched);
        gone = true;
      },
    ],
    ["host peer", () => objects.delHostPeer(containerAddress)],
    ["detach tproxy_container", () => detach("tproxy_container")],
    ["detach tproxy_host", () => detach("tproxy_host")],
    ["detach snat", () => detach("snat")],
    ["detach arp", () => detach("arp")],
    ["flows", () => objects.delFlows(containerAddress)],
    ["counters", () => ownsIndex && objects.delCounters(index)],
    ["reserved port", () => record.portReserved && giveUpPort(objects, record)],
  ];
  const failures = attemptAll(
    steps.map(([step, run]) => ({
      step,
      run: () => {
        options.onStep?.(step);
        run();
      },
    })),
  );
  if (failures.length > 0) {
    const what = failures.map(({ step, error }) => `${step} (${messageOf(error)})`).join("; ");
    throw new DatapathError("FAILED", op, `not everything could be removed: ${what}`, {
      cause: new AggregateError(
        failures.map(({ error }) => error),
        "removing a server failed",
      ),
      hint: "what is left is tried again by the next change, or by running the command again",
    });
  }
  options.onStep?.("delete record");
  lowerFreeFrom(objects, record);
  objects.delNetData(containerAddress);
  objects.records.endChange(containerAddress);
}

/** Another server may have the port, on another address: then it keeps it, and gives it up some day. */
function giveUpPort(objects: Objects, record: ServerRecord): void {
  const heir = serversOnPort(objects, record.hostPort).find(
    ({ veth }) => veth.podPeer.addr !== record.veth.podPeer.addr,
  );
  if (heir === undefined) releasePort(record.hostPort);
  else objects.addNetData({ ...heir, portReserved: true }, "replace");
}

/** Of a server that was frozen. */
function allowConnections(objects: Objects, record: ServerRecord): void {
  const name = blockName(record);
  objects.unblockIp4Connections({ name });
  objects.unblockIp6Connections({ name });
}

/** The record's, or that of the interface with its name: killed between making the pair and noting its index. */
function hostPeerIndex(netlink: Netlink, record: ServerRecord): number {
  const noted = record.veth.hostPeer.iface.index;
  return noted === 0 ? (findUnnotedHostPeer(netlink, record)?.index ?? 0) : noted;
}

function findUnnotedHostPeer(netlink: Netlink, record: ServerRecord) {
  const link = netlink.link(record.veth.hostPeer.iface.name);
  return link !== undefined && link.kind === "veth" && link.mac === HOST_PEER_MAC ? link : undefined;
}

/** Both ends go with one. An interface that has the index or the name by now, and is another, stays. */
function deleteVethPair(netlink: Netlink, record: ServerRecord, vouched: boolean): void {
  const noted = record.veth.hostPeer.iface.index;
  const link = noted === 0 ? findUnnotedHostPeer(netlink, record) : netlink.link(noted);
  if (link === undefined || (noted !== 0 && !vouched && !isHostPeer(link, record))) return;
  netlink.deleteLink(link.index);
}

/** What changes left that were killed: see {@link recoverServers}. Takes no longer for more servers. */
export function recoverChanges(objects: Objects, netlink: Netlink, options: HostOptions): void {
  const changing = objects.records.changing();
  if (changing.length === 0) return;
  const records = changing.flatMap((address) => objects.getNetData(address) ?? []);
  recoverServers(objects, netlink, records, options);
  tidyRecords(objects, options);
}

/**
 * Undoes what an earlier change left half done because it was killed; or finishes it, if all that lacks is the DNAT
 * entry. One that can be neither is reported and keeps its port, its addresses and its name.
 */
export function recoverServers(
  objects: Objects,
  netlink: Netlink,
  records: readonly ServerRecord[],
  options: HostOptions,
): void {
  const silent = { ...options, onStep: undefined };
  for (const record of records) {
    try {
      if (record.state === "pending") {
        removeServer(objects, netlink, record, silent);
        options.warn?.(`${label(record)} was left half done by a change that did not finish; it has been removed`);
      } else if (record.state === "active" && finishServer(objects, netlink, record)) {
        options.warn?.(`${label(record)} was left without players by a change that did not finish; it has them now`);
      }
    } catch (error) {
      options.warn?.(messageOf(error));
    }
  }
}

/** False when there was nothing to finish, or no container any more. */
function finishServer(objects: Objects, netlink: Netlink, record: ServerRecord): boolean {
  const endpoint = { address: record.publicAddress, port: record.hostPort };
  const { hostPeer, podPeer } = record.veth;
  if (objects.getDnatTarget(endpoint) !== undefined) return false;
  if (findHostPeer(objects, record, netlink) === undefined) return false;
  objects.addDnatTarget(endpoint, {
    hostPeer: hostPeer.iface.index,
    containerAddress: podPeer.addr,
    gamePort: record.gamePort,
    containerMac: podPeer.iface.mac,
  });
  return true;
}
