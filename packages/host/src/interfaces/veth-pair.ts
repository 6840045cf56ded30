import { HOST_PEER_MAC, type ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { DatapathError, type Fd } from "@dp/sys";
import { writeSysctlIfThere } from "../kernel/sysctl.ts";

export { HOST_PEER_MAC };

/** Whether an interface looks like a host peer, of any pin root. */
export function looksLikeHostPeer({ name, kind, mac }: Link): boolean {
  return kind === "veth" && mac === HOST_PEER_MAC && /^dp[1-9]\d*$/.test(name);
}

/** The MAC of a container peer: 0a:58, then the server's id as four bytes. */
export function containerMac(id: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => (id >>> shift) & 0xff);
  return ["0a", "58", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/** One queue in each direction. By default the kernel creates more than it uses. */
const QUEUES = 1;

/** A veth pair that is to be created, with the names and MACs of the record. */
export interface VethPlan extends Pick<ServerRecord, "hostPeer" | "containerPeer"> {
  /** The container's network namespace. */
  netns: Fd;
  mtu: number;
}

/**
 * Creates the pair in one request, both peers down and with their MACs: udev changes a MAC that is not in this request.
 * Deleting the host peer deletes both.
 */
export function createPair(host: Netlink, inside: Netlink, plan: VethPlan): { hostPeer: Link; containerPeer: Link } {
  const { mtu, netns } = plan;
  const { name, mac } = plan.hostPeer;
  const peer = { name: plan.containerPeer.name, mac: plan.containerPeer.mac, mtu, queues: QUEUES, netns };
  host.createVeth({ name, mac, mtu, queues: QUEUES, peer });
  const hostPeer = host.link(name);
  const containerPeer = inside.link(peer.name);
  if (hostPeer === undefined || containerPeer === undefined) {
    if (hostPeer !== undefined) host.deleteLink(hostPeer.index);
    throw new DatapathError("FAILED", `create veth pair ${name}`, "it was deleted right after it was made", {
      hint: "does another program on this host delete interfaces (NetworkManager, a CNI plugin)?",
    });
  }
  return { hostPeer, containerPeer };
}

/**
 * Sysctls for packets that bypass the programs on a host peer: no IPv6, no ARP, only the container's own source
 * address, and no forwarding. dp_guard drops all other such packets.
 */
const RESTRICTIONS = {
  "ipv6/conf/NAME/disable_ipv6": "1",
  "ipv4/conf/NAME/arp_ignore": "8",
  "ipv4/conf/NAME/rp_filter": "1",
  "ipv4/conf/NAME/forwarding": "0",
} as const;

/** Sets the sysctls of a host peer that is still down. */
export function restrictHostPeer(hostPeerName: string): void {
  for (const [name, value] of Object.entries(RESTRICTIONS)) {
    writeSysctlIfThere(name.replace("NAME", hostPeerName), value);
  }
}
