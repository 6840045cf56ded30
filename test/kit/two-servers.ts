/**
 * A host with two servers, as the maps and the interfaces of a network namespace have them:
 *
 *        players ── uplink (10)                 ┌ peer (20) ── container A, 10.2.0.2
 *                   203.0.113.10 : 25570 → A    │ 10.1.0.2
 *                                : 25571 → B    └ peer (22) ── container B, 10.2.0.3
 *                                                 10.1.0.3      stranger (30): no server's
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { DpConfig, DpVethPair } from "@dp/bpf";
import { type Fd, openNetns } from "@dp/sys";

/** The interfaces that are not a server's. */
export const UPLINK = { index: 10, mac: "02:aa:00:00:00:01" };
export const STRANGER = { index: 30, mac: "02:aa:00:00:00:02" };
export const HOST_PEER_MAC = "7e:90:c4:ed:df:d0";
export const PUBLIC_ADDRESS = "203.0.113.10";

/** The two servers. Their containers have the same game port, and all host peers have the same MAC address. */
export const A = {
  hostPeer: 20,
  mac: "02:00:00:00:00:0a",
  address: "10.2.0.2",
  hostAddress: "10.1.0.2",
  gamePort: 25565,
  publicPort: 25570,
};
export const B = {
  hostPeer: 22,
  mac: "02:00:00:00:00:0b",
  address: "10.2.0.3",
  hostAddress: "10.1.0.3",
  gamePort: 25565,
  publicPort: 25571,
};

export type Server = typeof A;

/** An address as a key of dp_host_peers. */
export function addressNumber(address: string): number {
  return address.split(".").reduce((bits, octet) => bits * 256 + Number(octet), 0);
}

/** A server's key of dp_dnat_targets. */
export function publicKey(server: Server): { addr: string; port: number } {
  return { addr: PUBLIC_ADDRESS, port: server.publicPort };
}

/** Addresses of the host besides its host peers': 203.0.113.10 on the uplink, and one on another interface. */
export const HOST_ADDRESSES = [PUBLIC_ADDRESS, "192.0.2.1"];

/** The host's entry of dp_configs. */
export const CONFIG: DpConfig = {
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
  hostSubnet: "10.1.0.0",
  hostMask: "255.255.0.0",
  containerSubnet: "10.2.0.0",
  containerMask: "255.255.0.0",
  portFirst: 25565,
  portLast: 30564,
  publicAddr: PUBLIC_ADDRESS,
  uplink: UPLINK.index,
  hostOctets: [0n, 0n, 0n, 0n].map((_, word) =>
    HOST_ADDRESSES.map((address) => Number(address.split(".")[3]))
      .filter((octet) => octet >> 6 === word)
      .reduce((bits, octet) => bits | (1n << BigInt(octet & 63)), 0n),
  ),
  playerKey: 0x9e3779b97f4a7c15n,
  playersFrom: 0,
  heldUntil: 0n,
};

/** A server's entry of dp_veth_pairs, which the program on the container's side reads. */
export function vethPairOf(server: Server, netnsCookie = 0n): DpVethPair {
  return {
    hostPeer: server.hostPeer,
    hostAddr: server.hostAddress,
    gamePort: server.gamePort,
    group: 0,
    mac: server.mac,
    flows: 0,
    netnsCookie,
  };
}

/**
 * Makes a network namespace with the interfaces of the drawing. It has no name: it goes when the returned descriptor
 * is closed, or the process ends.
 */
export async function makeTwoServersNamespace(): Promise<Fd> {
  const commands = [
    // Otherwise the kernel sends IPv6 packets of its own on every interface.
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
    "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",
    `ip link add uplink index ${UPLINK.index} address ${UPLINK.mac} type veth peer name player index 11`,
    `ip link add peer-a index ${A.hostPeer} address ${HOST_PEER_MAC} type veth` +
      ` peer name in-a index 21 address ${A.mac}`,
    `ip link add peer-b index ${B.hostPeer} address ${HOST_PEER_MAC} type veth` +
      ` peer name in-b index 23 address ${B.mac}`,
    `ip link add stranger index ${STRANGER.index} address ${STRANGER.mac} type veth peer name far index 31`,
    "for name in uplink player peer-a in-a peer-b in-b stranger; do ip link set $name mtu 9000 up; done",
    "echo ready",
    "read _",
  ];
  const child = spawn("unshare", ["--net", "sh", "-ec", commands.join("\n")], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  for await (const chunk of child.stdout) {
    stdout += String(chunk);
    if (stdout.includes("ready")) break;
  }
  if (!stdout.includes("ready")) throw new Error(`cannot make a network namespace: ${stderr.trim()}`);
  const namespace = openNetns(`/proc/${child.pid}/ns/net`);
  child.stdin.end("\n");
  await ended;
  return namespace;
}
