import type { DnatTarget, HostConfig, ServerRecord, SnatTarget } from "../../src/index.ts";

/** A host. */
export const CONFIG: HostConfig = {
  publicAddress: "203.0.113.10",
  uplink: 2,
  hostSubnet: "10.1.0.0/16",
  containerSubnet: "10.2.0.0/16",
  portRange: [25565, 30564],
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
};

/** A server on it. */
export const LOBBY: ServerRecord = {
  state: "active",
  hostPort: 25570,
  publicAddress: CONFIG.publicAddress,
  gamePort: 25565,
  uplink: CONFIG.uplink,
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  netnsCookie: 77n,
  netnsInode: 4026532000n,
  name: "lobby",
  group: "größe",
  netns: "/run/netns/lobby",
  portReserved: true,
  mtu: 1400,
  veth: {
    hostPeer: { iface: { index: 7, name: "dp25570", mac: "7e:90:c4:ed:df:d0" }, addr: "10.1.0.2" },
    podPeer: { iface: { index: 2, name: "eth0", mac: "02:00:00:00:00:01" }, addr: "10.2.0.2" },
  },
};

/** What the maps have of it. */
export const ENDPOINT = { address: LOBBY.publicAddress, port: LOBBY.hostPort };
export const DNAT: DnatTarget = {
  hostPeer: LOBBY.veth.hostPeer.iface.index,
  containerAddress: LOBBY.veth.podPeer.addr,
  gamePort: LOBBY.gamePort,
  containerMac: LOBBY.veth.podPeer.iface.mac,
};
export const SNAT: SnatTarget = {
  containerAddress: LOBBY.veth.podPeer.addr,
  hostPeerAddress: LOBBY.veth.hostPeer.addr,
  publicAddress: LOBBY.publicAddress,
  publicPort: LOBBY.hostPort,
  gamePort: LOBBY.gamePort,
  uplink: LOBBY.uplink,
  group: 9,
  containerMac: LOBBY.veth.podPeer.iface.mac,
};
