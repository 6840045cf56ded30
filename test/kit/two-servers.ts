/**
 * A host with two servers, as the maps and the interfaces of a network namespace have them:
 *
 *        players ── uplink (10)                 ┌ peer (20) ── container A, 10.2.0.2      server 5
 *                   203.0.113.10 : 25570 → A    │ 10.1.0.2
 *                                : 25571 → B    └ peer (22) ── container B, 10.2.0.3      server 6
 *                                                 10.1.0.3      stranger (30): no server's
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type DpConfig, HOST_PEER_MAC } from "@dp/bpf";
import { type Fd, openNetns } from "@dp/sys";

export { HOST_PEER_MAC };

/** The interfaces that are not a server's. */
export const UPLINK = { index: 10, mac: "02:aa:00:00:00:01" };
export const STRANGER = { index: 30, mac: "02:aa:00:00:00:02" };
export const PUBLIC_ADDRESS = "203.0.113.10";

/** A server with one forward. See write-server.ts for more of them. */
export interface Server {
  readonly id: number;
  /** ifindex */
  readonly hostPeer: number;
  /** The container peer's. */
  readonly mac: string;
  readonly address: string;
  readonly gateway: string;
  readonly port: number;
  readonly containerPort: number;
  /** Index into dp_traffic. */
  readonly counter: number;
}

/** The two servers. Their containers have the same port, and all host peers have the same MAC address. */
export const A: Server = {
  id: 5,
  hostPeer: 20,
  mac: "02:00:00:00:00:0a",
  address: "10.2.0.2",
  gateway: "10.1.0.2",
  port: 25570,
  containerPort: 25565,
  counter: 11,
};
export const B: Server = {
  id: 6,
  hostPeer: 22,
  mac: "02:00:00:00:00:0b",
  address: "10.2.0.3",
  gateway: "10.1.0.3",
  port: 25571,
  containerPort: 25565,
  counter: 12,
};

/** Addresses of the host besides its host peers': 203.0.113.10 on the uplink, and one on another interface. */
export const HOST_ADDRESSES = [PUBLIC_ADDRESS, "192.0.2.1"];

/** The filter of host addresses (struct dp_config). */
export function hostFilter(addresses: readonly string[]): bigint[] {
  const bytes = addresses.map((address) => Number(address.split(".")[3]));
  return [0, 1, 2, 3].map((word) =>
    bytes.filter((byte) => byte >> 6 === word).reduce((bits, byte) => bits | (1n << BigInt(byte & 63)), 0n),
  );
}

const NO_SUBNET = { addr: "", mask: "" };
/** 10.1.0.0/16 as the maps have it: the mask's first 96 bits cover the ::ffff: of an IPv4 address. */
const subnet = (addr: string) => [{ addr, mask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0" }, NO_SUBNET];

/** The host's entry of dp_configs. */
export const CONFIG: DpConfig = {
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
  hostSubnets: subnet("10.1.0.0"),
  containerSubnets: subnet("10.2.0.0"),
  hostFilter: hostFilter(HOST_ADDRESSES),
  playerKey: 0x9e3779b97f4a7c15n,
  playersFrom: 0,
  heldUntil: 0n,
};

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
