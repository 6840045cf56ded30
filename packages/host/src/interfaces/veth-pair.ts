import type { Link, Netlink } from "@dp/netlink";
import { DatapathError, type Fd, withNetns, withOwnProc } from "@dp/sys";
import { writeSysctlIfThere } from "../kernel/sysctl.ts";

/** Every host peer's: a container's gateway is the same to all of them, wherever it moves. */
export const HOST_PEER_MAC = "7e:90:c4:ed:df:d0";

/**
 * Of the server on a port: dp25565; of another one with that port, on another address: dp25565-2, and so on. At most as
 * long as the kernel allows.
 */
export function hostPeerName(port: number, isTaken: (name: string) => boolean = () => false): string {
  const plain = `dp${port}`;
  for (let count = 1; ; count++) {
    const name = count === 1 ? plain : `${plain}-${count}`;
    if (!isTaken(name)) return name;
  }
}

function isHostPeerName(name: string): boolean {
  return /^dp\d{1,5}(-\d+)?$/.test(name);
}

/** Whether an interface is made as servers' are, of whatever pin root. */
export function looksLikeHostPeer({ name, kind, mac }: Link): boolean {
  return kind === "veth" && mac === HOST_PEER_MAC && isHostPeerName(name);
}

/** As many as the kernel would use; it makes others, too, unless told. */
const QUEUES = 1;

/** Everything about a veth pair that is to be made. */
export interface VethPlan {
  hostName: string;
  hostAddress: string;
  /** Open, the container's. */
  netns: Fd;
  containerName: string;
  containerMac: string;
  containerAddress: string;
  mtu: number;
}

/** Makes the pair, both ends down, in one request; from then on deleting the host peer undoes everything here. */
export function createPair(host: Netlink, inside: Netlink, plan: VethPlan): { hostPeer: Link; containerPeer: Link } {
  const { hostName, containerName, containerMac, mtu, netns } = plan;
  host.createVeth({
    name: hostName,
    mac: HOST_PEER_MAC,
    mtu,
    queues: QUEUES,
    peer: { name: containerName, mac: containerMac, mtu, queues: QUEUES, netns },
  });
  const hostPeer = host.link(hostName);
  const containerPeer = inside.link(containerName);
  if (hostPeer === undefined || containerPeer === undefined) {
    if (hostPeer !== undefined) host.deleteLink(hostPeer.index);
    throw new DatapathError("FAILED", `create veth pair ${hostName}`, "it was gone the moment it was made", {
      hint: "does something on this host remove interfaces it does not know (NetworkManager, a CNI plugin)?",
    });
  }
  return { hostPeer, containerPeer };
}

/**
 * What the host's stack makes of packets that came around the programs on a host peer: no IPv6, no ARP, nothing that is
 * not from the container's address, and nothing to send on. The rest is dp_guard's.
 */
const STRICT = {
  "ipv6/conf/NAME/disable_ipv6": "1",
  "ipv4/conf/NAME/arp_ignore": "8",
  "ipv4/conf/NAME/rp_filter": "1",
  "ipv4/conf/NAME/forwarding": "0",
} as const;

/** The host's end, still down: its address, and how the host's stack is to take what comes in by it. */
export function prepareHostPeer(host: Netlink, hostPeer: Link, plan: VethPlan): void {
  for (const [name, value] of Object.entries(STRICT)) writeSysctlIfThere(name.replace("NAME", plan.hostName), value);
  // Scope "link": the host never takes it as its own address on another interface.
  host.addAddress({ ifindex: hostPeer.index, address: plan.hostAddress, prefix: 32, scope: "link" });
}

/**
 * The host's end goes up, last of all: until then nothing of the container gets out. The neighbour is permanent, so the
 * host never asks the container who it is.
 */
export function raiseHostPeer(host: Netlink, hostPeer: Link, plan: VethPlan): void {
  host.setLink(hostPeer.index, { up: true });
  host.addRoute({
    destination: `${plan.containerAddress}/32`,
    ifindex: hostPeer.index,
    scope: "link",
    source: plan.hostAddress,
  });
  host.setNeighbour({ ifindex: hostPeer.index, address: plan.containerAddress, mac: plan.containerMac });
}

/** Servers expect 127.0.0.1 to work. Returns lo if it was down. */
export function raiseLoopback(inside: Netlink): Link | undefined {
  const loopback = inside.link("lo");
  if (loopback === undefined || loopback.up) return undefined;
  inside.setLink(loopback.index, { up: true });
  return loopback;
}

/** The container's end: no IPv6, its address, up, and everything by way of the host peer. */
export function raiseContainerPeer(inside: Netlink, containerPeer: Link, plan: VethPlan): void {
  withOwnProc((proc) =>
    withNetns(plan.netns, () => writeSysctlIfThere(`ipv6/conf/${plan.containerName}/disable_ipv6`, "1", proc)),
  );
  const ifindex = containerPeer.index;
  inside.addAddress({ ifindex, address: plan.containerAddress, prefix: 32 });
  inside.setLink(ifindex, { up: true });
  inside.addRoute({ destination: `${plan.hostAddress}/32`, ifindex, scope: "link" });
  inside.addRoute({ destination: "default", gateway: plan.hostAddress, ifindex, onlink: true });
}
