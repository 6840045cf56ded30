import { type AddressPair, type ContainerPeerProgram, programsAt, type ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { type Fd, withNetns, withOwnProc } from "@dp/sys";
import { openServerNetns } from "../../container/processes.ts";
import { writeSysctlIfThere } from "../../kernel/sysctl.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import { messageOf } from "../../transaction.ts";
import { addressPairs } from "../addresses.ts";
import type { ServerPart } from "./part.ts";
import { interfaceOf } from "./programs.ts";

/**
 * What the container has on the container peer: no IPv6, its addresses, a default route through the gateway, and a
 * permanent neighbour for the gateway. It goes with the interface.
 *
 * The neighbour table of the kernel is one for all network namespaces. A permanent entry has no part in its limit
 * (gc_thresh3): a container that fills the table does not cut off the others.
 */
export const containerNetwork: ServerPart = {
  name: "container network",
  add({ inside, netns, record }) {
    const { ifindex, name } = record.containerPeer;
    withOwnProc((proc) => withNetns(netns, () => writeSysctlIfThere(`ipv6/conf/${name}/disable_ipv6`, "1", proc)));
    for (const pair of addressPairs(record)) addAddress(inside, ifindex, pair);
    inside.setLink(ifindex, { up: true });
    for (const pair of addressPairs(record)) addRoutes(inside, ifindex, pair);
    for (const pair of addressPairs(record)) setNeighbour(inside, record, pair);
  },
  check(view, record) {
    if (view.options.inside === false) return [];
    let netns: Fd;
    try {
      netns = openServerNetns(record);
    } catch (error) {
      const { name } = record.containerPeer;
      const what = `its network namespace cannot be entered to look at ${name}: ${messageOf(error)}`;
      const fix = `give the namespace a name again, or run a process in it: it was ${record.netns.path}`;
      return [serverProblem(record, { code: "namespace-unreachable", severity: "warning", what }, fix)];
    }
    using _netns = netns;
    using inside = Netlink.open({ netns });
    return inspect(view, record, inside, netns);
  },
};

function inspect(
  { objects }: Parameters<NonNullable<ServerPart["check"]>>[0],
  record: ServerRecord,
  inside: Netlink,
  netns: Fd,
) {
  const { hostPeer, containerPeer } = record;
  const { ifindex, name, mac } = containerPeer;
  const link = inside.link(ifindex);
  if (link === undefined || link.kind !== "veth" || link.peerIndex !== hostPeer.ifindex) {
    const what = `its container peer ${name} is no longer in its network namespace: it was moved to another namespace`;
    const fix = `dp del-server ${record.name}, then add it again`;
    return [serverProblem(record, { code: "container-peer-moved", severity: "error", what }, fix)];
  }
  const found: Problem[] = [];
  const report = (code: string, what: string, run: (within: Netlink, there: Fd) => void) =>
    found.push(
      serverProblem(
        record,
        { code, severity: "error", what },
        repairBy(() => enter(record, run)),
      ),
    );
  const hostPeerName = hostPeer.name;
  for (const row of programsAt("container peer")) {
    const program = row.name as ContainerPeerProgram;
    const running = objects.attachments.programAt(program, interfaceOf(containerPeer), { netns, hostPeerName });
    if (running === objects.attachments.programId(program)) continue;
    const [code, what] =
      running === 0
        ? ["container-program-detached", `dp_${program} is not attached to ${name} in the container`]
        : ["container-program-outdated", `${name} in the container runs another dp_${program} than the loaded one`];
    report(code, what, (_, there) =>
      objects.attachments.attach(program, interfaceOf(containerPeer), { netns: there, hostPeerName }),
    );
  }
  if (link.mac !== mac) {
    const what = `${name} in the container has the MAC ${link.mac} instead of ${mac}: what it sends is dropped`;
    report("wrong-container-peer-mac", what, (within) => within.setLink(ifindex, { mac }));
  }
  const addresses = inside.addresses({ ifindex, family: "inet" });
  for (const pair of addressPairs(record)) {
    if (addresses.some(({ address }) => address === pair.container)) continue;
    report(
      "missing-container-address",
      `${name} in the container does not have its address ${pair.container}`,
      (within) => addAddress(within, ifindex, pair),
    );
  }
  if (!link.up) {
    report("container-peer-down", `${name} in the container is down`, (within) =>
      within.setLink(ifindex, { up: true }),
    );
  }
  const routes = inside.routes({ ifindex, family: "inet" });
  for (const pair of addressPairs(record)) {
    const hasDefault = routes.some(({ destination, gateway }) => destination === "default" && gateway === pair.gateway);
    if (hasDefault && routes.some(({ destination }) => destination === `${pair.gateway}/32`)) continue;
    report("missing-container-route", `the container has no default route through ${pair.gateway}`, (within) =>
      addRoutes(within, ifindex, pair),
    );
  }
  const neighbours = inside.neighbours({ ifindex, family: "inet" });
  for (const pair of addressPairs(record)) {
    const neighbour = neighbours.find(({ address }) => address === pair.gateway);
    if (neighbour?.mac === hostPeer.mac && neighbour.state === "permanent") continue;
    const what = `the container has no permanent neighbour ${pair.gateway} with the MAC ${hostPeer.mac}`;
    report("missing-container-neighbour", what, (within) => setNeighbour(within, record, pair));
  }
  return found;
}

/** The codes of what only a look into the container shows. */
const INSIDE = /^(container|namespace|missing-container-(address|neighbour|route)|wrong-container-peer)/;

/** Whether a finding needs a look into the container. */
export function isInside({ code }: { code: string }): boolean {
  return INSIDE.test(code);
}

function addAddress(inside: Netlink, ifindex: number, { container }: AddressPair): void {
  inside.addAddress({ ifindex, address: container, prefix: 32 });
}

function addRoutes(inside: Netlink, ifindex: number, { gateway }: AddressPair): void {
  inside.addRoute({ destination: `${gateway}/32`, ifindex, scope: "link", mode: "replace" });
  inside.addRoute({ destination: "default", gateway, ifindex, onlink: true, mode: "replace" });
}

function setNeighbour(inside: Netlink, { hostPeer, containerPeer }: ServerRecord, { gateway }: AddressPair): void {
  inside.setNeighbour({ ifindex: containerPeer.ifindex, address: gateway, mac: hostPeer.mac });
}

function enter(record: ServerRecord, run: (inside: Netlink, netns: Fd) => void): void {
  using netns = openServerNetns(record);
  using inside = Netlink.open({ netns });
  run(inside, netns);
}
