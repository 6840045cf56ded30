import type { ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { NetlinkError } from "@dp/netlink";
import { Errno } from "@dp/sys";
import { createPair, HOST_PEER_MAC } from "../../interfaces/veth-pair.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import { inspectStrayInterfaces } from "../../repair/stray-interfaces.ts";
import { vouchedHostPeer } from "../present.ts";
import type { Removal, ServerPart } from "./part.ts";

/** Both peers, born down. Their indexes are recorded at once: they tell the pair after its creator was killed. */
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

/** Deletes both peers. An interface that has the index or the name of one, and is another, stays. */
export function deleteVethPair({ objects, host, record }: Removal): void {
  const link = ownHostPeer(host, record, vouchedHostPeer(objects, record));
  if (link !== undefined) host.deleteLink(link.index);
}

/** @param vouched whether the kernel keeps the recorded index for this server */
function ownHostPeer(host: Netlink, { hostPeer }: ServerRecord, vouched: boolean): Link | undefined {
  // Killed between making the pair and recording its index.
  const link = host.link(hostPeer.ifindex === 0 ? hostPeer.name : hostPeer.ifindex);
  if (link === undefined || vouched) return link;
  return link.kind === "veth" && link.mac === HOST_PEER_MAC && link.name === hostPeer.name ? link : undefined;
}

function checkHostPeer(host: Netlink, record: ServerRecord, link: Link): Problem[] {
  const { name, mac } = record.hostPeer;
  const found: Problem[] = [];
  if (link.name !== name) {
    const what = `its host peer ${name} was renamed to ${link.name}`;
    const cure = repairBy(() => rename(host, link, name));
    found.push(serverProblem(record, { code: "host-peer-renamed", severity: "error", what }, cure));
  }
  if (link.mac !== mac) {
    const what = `${link.name} has the MAC ${link.mac} instead of ${mac}: the container sends to the wrong MAC`;
    const cure = repairBy(() => host.setLink(link.index, { mac }));
    found.push(serverProblem(record, { code: "wrong-host-peer-mac", severity: "error", what }, cure));
  }
  return found;
}

/** Kernels before 6.2 rename only an interface that is down. The parts after this one repair what is lost with that. */
function rename(host: Netlink, { index }: Link, name: string): void {
  try {
    host.setLink(index, { name });
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== Errno.EBUSY) throw error;
    host.setLink(index, { up: false });
    host.setLink(index, { name });
  }
}
