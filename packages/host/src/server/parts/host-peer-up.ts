import type { AddressPair, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import { addressPairs } from "../addresses.ts";
import type { ServerPart } from "./part.ts";
import { deleteVethPair } from "./veth-pair.ts";

/**
 * Sets the host peer up: from now on packets pass. A route and a permanent neighbour entry lead to the container, so
 * the host never asks the container for its MAC. Removing deletes the veth pair here already, before its programs and
 * entries are removed.
 */
export const hostPeerUp: ServerPart = {
  name: "host peer up",
  add({ host, record }) {
    host.setLink(record.hostPeer.ifindex, { up: true });
    for (const pair of addressPairs(record)) {
      addRoute(host, record, pair);
      setNeighbour(host, record, pair);
    }
  },
  remove: deleteVethPair,
  check(view, record) {
    const { netlink } = view;
    const { ifindex } = record.hostPeer;
    const link = view.link(ifindex);
    const found: Problem[] = [];
    const report = (code: string, what: string, run: () => void) =>
      found.push(serverProblem(record, { code, severity: "error", what }, repairBy(run)));
    if (link !== undefined && !link.up) {
      report("host-peer-down", `${link.name} is down`, () => netlink.setLink(ifindex, { up: true }));
    }
    for (const pair of addressPairs(record)) {
      const { container, gateway } = pair;
      const route = view.routesOf(ifindex).find(({ destination }) => destination === `${container}/32`);
      if (route === undefined || route.gateway !== undefined || route.source !== gateway) {
        report("missing-route", `the host has no route to ${container} through the host peer`, () =>
          addRoute(netlink, record, pair),
        );
      }
      const neighbour = view.neighboursOf(ifindex).find(({ address }) => address === container);
      if (neighbour?.mac !== record.containerPeer.mac || neighbour.state !== "permanent") {
        const what = `the host has no permanent neighbour ${container} with the MAC ${record.containerPeer.mac}`;
        report("missing-neighbour", what, () => setNeighbour(netlink, record, pair));
      }
    }
    return found;
  },
};

function addRoute(host: Netlink, { hostPeer }: ServerRecord, { container, gateway }: AddressPair): void {
  const destination = `${container}/32`;
  host.addRoute({ destination, ifindex: hostPeer.ifindex, scope: "link", source: gateway, mode: "replace" });
}

function setNeighbour(host: Netlink, { hostPeer, containerPeer }: ServerRecord, { container }: AddressPair): void {
  host.setNeighbour({ ifindex: hostPeer.ifindex, address: container, mac: containerPeer.mac });
}
