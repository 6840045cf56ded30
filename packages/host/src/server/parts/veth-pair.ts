import type { ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { NetlinkError } from "@dp/netlink";
import { Errno } from "@dp/sys";
import { createPair } from "../../interfaces/veth-pair.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import { inspectStrayInterfaces } from "../../repair/stray-interfaces.ts";
import { hasHostPeerEntry, isAsCreated } from "../present.ts";
import type { Removal, ServerPart } from "./part.ts";

/**
 * Both peers, created down. Their indexes are recorded at once, so that the next command finds the pair after a kill.
 */
export const vethPair: ServerPart = {
  name: "veth pair",
  add(addition) {
    const { objects, host, inside, netns, mtu, record } = addition;
    const { hostPeer, containerPeer } = createPair(host, inside, { ...record, netns, mtu });
    addition.record = {
      ...record,
      hostPeer: { ...record.hostPeer, ifindex: hostPeer.index },
      containerPeer: { ...record.containerPeer, ifindex: containerPeer.index },
    };
    objects.records.set(addition.record, "replace");
  },
  remove: deleteVethPair,
  check(view, record) {
    const link = view.link(record.hostPeer.ifindex);
    return link === undefined ? [] : checkHostPeer(view.netlink, record, link);
  },
  orphans: (view) => inspectStrayInterfaces(view.netlink, view.links, view.records),
};

/** Deletes both peers. Another interface that has the index or the name of the host peer stays. */
export function deleteVethPair({ objects, host, record }: Removal): void {
  const { ifindex, name } = record.hostPeer;
  // Without an index: the command was killed after it had created the pair and before it recorded the index.
  const link = host.link(ifindex === 0 ? name : ifindex);
  if (link === undefined) return;
  if (hasHostPeerEntry(objects, record) || isAsCreated(link, record)) host.deleteLink(link.index);
}

function checkHostPeer(host: Netlink, record: ServerRecord, link: Link): Problem[] {
  const { name, mac } = record.hostPeer;
  const found: Problem[] = [];
  if (link.name !== name) {
    const what = `its host peer ${name} was renamed to ${link.name}`;
    const remedy = repairBy(() => rename(host, link, name));
    found.push(serverProblem(record, { code: "host-peer-renamed", severity: "error", what }, remedy));
  }
  if (link.mac !== mac) {
    const what = `${link.name} has the MAC ${link.mac} instead of ${mac}: the container sends to the wrong MAC`;
    const remedy = repairBy(() => host.setLink(link.index, { mac }));
    found.push(serverProblem(record, { code: "wrong-host-peer-mac", severity: "error", what }, remedy));
  }
  return found;
}

/**
 * Kernels before 6.2 rename only an interface that is down. The parts after this one restore what it loses when down.
 */
function rename(host: Netlink, { index }: Link, name: string): void {
  try {
    host.setLink(index, { name });
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== Errno.EBUSY) throw error;
    host.setLink(index, { up: false });
    host.setLink(index, { name });
  }
}
