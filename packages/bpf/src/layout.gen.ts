// Written by bpf2ts from layout.c, arp.bpf.c, dnat.bpf.c, guard.bpf.c, snat.bpf.c, sock.bpf.c, tproxy.bpf.c: do not edit.

import * as wire from "./layout/index.ts";

/** enum dp_drop */
export const DpDrop = {
  none: 0,
  unknownInterface: 1,
  truncated: 2,
  malformed: 3,
  vlan: 4,
  arp: 5,
  ipv6: 6,
  notIp: 7,
  spoofedMac: 8,
  spoofedAddress: 9,
  fragment: 10,
  protocol: 11,
  gamePortSyn: 12,
  destination: 13,
  eastWest: 14,
  tcp: 15,
  udp: 16,
  icmp: 17,
  noFlow: 18,
  flows: 19,
  ipOptions: 20,
  notAPlayer: 21,
  around: 22,
  held: 23,
  gone: 24,
  max: 32,
} as const;
export type DpDrop = (typeof DpDrop)[keyof typeof DpDrop];

/** The names of {@link DpDrop}, by number. */
export const dpDropNames: Readonly<Record<number, Exclude<keyof typeof DpDrop, "max">>> = {
  0: "none",
  1: "unknownInterface",
  2: "truncated",
  3: "malformed",
  4: "vlan",
  5: "arp",
  6: "ipv6",
  7: "notIp",
  8: "spoofedMac",
  9: "spoofedAddress",
  10: "fragment",
  11: "protocol",
  12: "gamePortSyn",
  13: "destination",
  14: "eastWest",
  15: "tcp",
  16: "udp",
  17: "icmp",
  18: "noFlow",
  19: "flows",
  20: "ipOptions",
  21: "notAPlayer",
  22: "around",
  23: "held",
  24: "gone",
};

/** enum dp_flow_end */
export const DpFlowEnd = {
  swept: 0,
  timed: 1,
  copied: 2,
} as const;
export type DpFlowEnd = (typeof DpFlowEnd)[keyof typeof DpFlowEnd];

/** The names of {@link DpFlowEnd}, by number. */
export const dpFlowEndNames: Readonly<Record<number, Exclude<keyof typeof DpFlowEnd, "max">>> = {
  0: "swept",
  1: "timed",
  2: "copied",
};

/** enum dp_layout */
export const DpLayout = {
  version: 1,
} as const;
export type DpLayout = (typeof DpLayout)[keyof typeof DpLayout];

/** The names of {@link DpLayout}, by number. */
export const dpLayoutNames: Readonly<Record<number, Exclude<keyof typeof DpLayout, "max">>> = {
  1: "version",
};

/** enum dp_server_state */
export const DpServerState = {
  none: 0,
  pending: 1,
  active: 2,
  frozen: 3,
} as const;
export type DpServerState = (typeof DpServerState)[keyof typeof DpServerState];

/** The names of {@link DpServerState}, by number. */
export const dpServerStateNames: Readonly<Record<number, Exclude<keyof typeof DpServerState, "max">>> = {
  0: "none",
  1: "pending",
  2: "active",
  3: "frozen",
};

/** struct dp_meta */
export interface DpMeta {
  layoutVersion: number;
  loadedAt: bigint;
  build: string;
}

/** struct dp_meta: 48 bytes. */
export const dpMeta: wire.StructLayout<DpMeta> = {
  name: "dp_meta",
  size: 48,
  fields: [
    { name: "layout_version", offset: 0, size: 4, type: "__u32" },
    { name: "pad", offset: 4, size: 4, type: "__u32" },
    { name: "loaded_at", offset: 8, size: 8, type: "__u64" },
    { name: "build", offset: 16, size: 32, type: "char[32]" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 48, "struct dp_meta");
    return {
      layoutVersion: view.getUint32(0, true),
      loadedAt: view.getBigUint64(8, true),
      build: wire.getText(view, 16, 32),
    };
  },
  write(value) {
    const view = wire.blank(48);
    wire.setU32(view, 0, value.layoutVersion, "dp_meta.layout_version");
    wire.setU64(view, 8, value.loadedAt, "dp_meta.loaded_at");
    wire.setText(view, 16, 32, value.build, "dp_meta.build");
    return wire.bytesOf(view);
  },
};

/** struct dp_public_key */
export interface DpPublicKey {
  addr: string;
  port: number;
}

/** struct dp_public_key: 8 bytes. */
export const dpPublicKey: wire.StructLayout<DpPublicKey> = {
  name: "dp_public_key",
  size: 8,
  fields: [
    { name: "addr", offset: 0, size: 4, type: "__be32" },
    { name: "port", offset: 4, size: 2, type: "__be16" },
    { name: "pad", offset: 6, size: 2, type: "__u16" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 8, "struct dp_public_key");
    return {
      addr: wire.getIpv4(view, 0),
      port: view.getUint16(4),
    };
  },
  write(value) {
    const view = wire.blank(8);
    wire.setIpv4(view, 0, value.addr, "dp_public_key.addr");
    wire.setBe16(view, 4, value.port, "dp_public_key.port");
    return wire.bytesOf(view);
  },
};

/** struct dp_traffic */
export interface DpTraffic {
  packets: bigint;
  bytes: bigint;
}

/** struct dp_traffic: 16 bytes. */
export const dpTraffic: wire.StructLayout<DpTraffic> = {
  name: "dp_traffic",
  size: 16,
  fields: [
    { name: "packets", offset: 0, size: 8, type: "__u64" },
    { name: "bytes", offset: 8, size: 8, type: "__u64" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 16, "struct dp_traffic");
    return {
      packets: view.getBigUint64(0, true),
      bytes: view.getBigUint64(8, true),
    };
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.packets, "dp_traffic.packets");
    wire.setU64(view, 8, value.bytes, "dp_traffic.bytes");
    return wire.bytesOf(view);
  },
};

/** struct dp_dnat_target */
export interface DpDnatTarget {
  hostPeer: number;
  addr: string;
  port: number;
  mac: string;
  traffic: DpTraffic;
}

/** struct dp_dnat_target: 32 bytes. */
export const dpDnatTarget: wire.StructLayout<DpDnatTarget> = {
  name: "dp_dnat_target",
  size: 32,
  fields: [
    { name: "host_peer", offset: 0, size: 4, type: "__u32" },
    { name: "addr", offset: 4, size: 4, type: "__be32" },
    { name: "port", offset: 8, size: 2, type: "__be16" },
    { name: "mac", offset: 10, size: 6, type: "__u8[6]" },
    { name: "traffic", offset: 16, size: 16, type: "struct dp_traffic" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 32, "struct dp_dnat_target");
    return {
      hostPeer: view.getUint32(0, true),
      addr: wire.getIpv4(view, 4),
      port: view.getUint16(8),
      mac: wire.getMac(view, 10),
      traffic: dpTraffic.read(wire.partOf(view, 16, 16)),
    };
  },
  write(value) {
    const view = wire.blank(32);
    wire.setU32(view, 0, value.hostPeer, "dp_dnat_target.host_peer");
    wire.setIpv4(view, 4, value.addr, "dp_dnat_target.addr");
    wire.setBe16(view, 8, value.port, "dp_dnat_target.port");
    wire.setMac(view, 10, value.mac, "dp_dnat_target.mac");
    wire.setBytes(view, 16, 16, dpTraffic.write(value.traffic), "dp_dnat_target.traffic");
    return wire.bytesOf(view);
  },
};

/** struct dp_snat_target */
export interface DpSnatTarget {
  addr: string;
  hostAddr: string;
  publicAddr: string;
  publicPort: number;
  gamePort: number;
  uplink: number;
  group: number;
  mac: string;
  traffic: DpTraffic;
}

/** struct dp_snat_target: 48 bytes. */
export const dpSnatTarget: wire.StructLayout<DpSnatTarget> = {
  name: "dp_snat_target",
  size: 48,
  fields: [
    { name: "addr", offset: 0, size: 4, type: "__be32" },
    { name: "host_addr", offset: 4, size: 4, type: "__be32" },
    { name: "public_addr", offset: 8, size: 4, type: "__be32" },
    { name: "public_port", offset: 12, size: 2, type: "__be16" },
    { name: "game_port", offset: 14, size: 2, type: "__be16" },
    { name: "uplink", offset: 16, size: 4, type: "__u32" },
    { name: "group", offset: 20, size: 4, type: "__u32" },
    { name: "mac", offset: 24, size: 6, type: "__u8[6]" },
    { name: "pad", offset: 30, size: 2, type: "__u16" },
    { name: "traffic", offset: 32, size: 16, type: "struct dp_traffic" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 48, "struct dp_snat_target");
    return {
      addr: wire.getIpv4(view, 0),
      hostAddr: wire.getIpv4(view, 4),
      publicAddr: wire.getIpv4(view, 8),
      publicPort: view.getUint16(12),
      gamePort: view.getUint16(14),
      uplink: view.getUint32(16, true),
      group: view.getUint32(20, true),
      mac: wire.getMac(view, 24),
      traffic: dpTraffic.read(wire.partOf(view, 32, 16)),
    };
  },
  write(value) {
    const view = wire.blank(48);
    wire.setIpv4(view, 0, value.addr, "dp_snat_target.addr");
    wire.setIpv4(view, 4, value.hostAddr, "dp_snat_target.host_addr");
    wire.setIpv4(view, 8, value.publicAddr, "dp_snat_target.public_addr");
    wire.setBe16(view, 12, value.publicPort, "dp_snat_target.public_port");
    wire.setBe16(view, 14, value.gamePort, "dp_snat_target.game_port");
    wire.setU32(view, 16, value.uplink, "dp_snat_target.uplink");
    wire.setU32(view, 20, value.group, "dp_snat_target.group");
    wire.setMac(view, 24, value.mac, "dp_snat_target.mac");
    wire.setBytes(view, 32, 16, dpTraffic.write(value.traffic), "dp_snat_target.traffic");
    return wire.bytesOf(view);
  },
};

/** struct dp_veth_peer */
export interface DpVethPeer {
  ifindex: number;
  addr: string;
  mac: string;
  name: string;
}

/** struct dp_veth_peer: 32 bytes. */
export const dpVethPeer: wire.StructLayout<DpVethPeer> = {
  name: "dp_veth_peer",
  size: 32,
  fields: [
    { name: "ifindex", offset: 0, size: 4, type: "__u32" },
    { name: "addr", offset: 4, size: 4, type: "__be32" },
    { name: "mac", offset: 8, size: 6, type: "__u8[6]" },
    { name: "pad", offset: 14, size: 2, type: "__u16" },
    { name: "name", offset: 16, size: 16, type: "char[16]" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 32, "struct dp_veth_peer");
    return {
      ifindex: view.getUint32(0, true),
      addr: wire.getIpv4(view, 4),
      mac: wire.getMac(view, 8),
      name: wire.getText(view, 16, 16),
    };
  },
  write(value) {
    const view = wire.blank(32);
    wire.setU32(view, 0, value.ifindex, "dp_veth_peer.ifindex");
    wire.setIpv4(view, 4, value.addr, "dp_veth_peer.addr");
    wire.setMac(view, 8, value.mac, "dp_veth_peer.mac");
    wire.setText(view, 16, 16, value.name, "dp_veth_peer.name");
    return wire.bytesOf(view);
  },
};

/** struct dp_net_data */
export interface DpNetData {
  state: number;
  publicAddr: string;
  hostPort: number;
  gamePort: number;
  uplink: number;
  createdAt: bigint;
  netnsCookie: bigint;
  netnsInode: bigint;
  hostPeer: DpVethPeer;
  containerPeer: DpVethPeer;
  name: string;
  group: string;
  netns: string;
  portReserved: number;
  mtu: number;
}

/** struct dp_net_data: 368 bytes. */
export const dpNetData: wire.StructLayout<DpNetData> = {
  name: "dp_net_data",
  size: 368,
  fields: [
    { name: "state", offset: 0, size: 4, type: "__u32" },
    { name: "public_addr", offset: 4, size: 4, type: "__be32" },
    { name: "host_port", offset: 8, size: 2, type: "__u16" },
    { name: "game_port", offset: 10, size: 2, type: "__u16" },
    { name: "uplink", offset: 12, size: 4, type: "__u32" },
    { name: "created_at", offset: 16, size: 8, type: "__u64" },
    { name: "netns_cookie", offset: 24, size: 8, type: "__u64" },
    { name: "netns_inode", offset: 32, size: 8, type: "__u64" },
    { name: "host_peer", offset: 40, size: 32, type: "struct dp_veth_peer" },
    { name: "container_peer", offset: 72, size: 32, type: "struct dp_veth_peer" },
    { name: "name", offset: 104, size: 64, type: "char[64]" },
    { name: "group", offset: 168, size: 64, type: "char[64]" },
    { name: "netns", offset: 232, size: 128, type: "char[128]" },
    { name: "port_reserved", offset: 360, size: 4, type: "__u32" },
    { name: "mtu", offset: 364, size: 4, type: "__u32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 368, "struct dp_net_data");
    return {
      state: view.getUint32(0, true),
      publicAddr: wire.getIpv4(view, 4),
      hostPort: view.getUint16(8, true),
      gamePort: view.getUint16(10, true),
      uplink: view.getUint32(12, true),
      createdAt: view.getBigUint64(16, true),
      netnsCookie: view.getBigUint64(24, true),
      netnsInode: view.getBigUint64(32, true),
      hostPeer: dpVethPeer.read(wire.partOf(view, 40, 32)),
      containerPeer: dpVethPeer.read(wire.partOf(view, 72, 32)),
      name: wire.getText(view, 104, 64),
      group: wire.getText(view, 168, 64),
      netns: wire.getText(view, 232, 128),
      portReserved: view.getUint32(360, true),
      mtu: view.getUint32(364, true),
    };
  },
  write(value) {
    const view = wire.blank(368);
    wire.setU32(view, 0, value.state, "dp_net_data.state");
    wire.setIpv4(view, 4, value.publicAddr, "dp_net_data.public_addr");
    wire.setU16(view, 8, value.hostPort, "dp_net_data.host_port");
    wire.setU16(view, 10, value.gamePort, "dp_net_data.game_port");
    wire.setU32(view, 12, value.uplink, "dp_net_data.uplink");
    wire.setU64(view, 16, value.createdAt, "dp_net_data.created_at");
    wire.setU64(view, 24, value.netnsCookie, "dp_net_data.netns_cookie");
    wire.setU64(view, 32, value.netnsInode, "dp_net_data.netns_inode");
    wire.setBytes(view, 40, 32, dpVethPeer.write(value.hostPeer), "dp_net_data.host_peer");
    wire.setBytes(view, 72, 32, dpVethPeer.write(value.containerPeer), "dp_net_data.container_peer");
    wire.setText(view, 104, 64, value.name, "dp_net_data.name");
    wire.setText(view, 168, 64, value.group, "dp_net_data.group");
    wire.setText(view, 232, 128, value.netns, "dp_net_data.netns");
    wire.setU32(view, 360, value.portReserved, "dp_net_data.port_reserved");
    wire.setU32(view, 364, value.mtu, "dp_net_data.mtu");
    return wire.bytesOf(view);
  },
};

/** struct dp_name */
export interface DpName {
  text: string;
}

/** struct dp_name: 64 bytes. */
export const dpName: wire.StructLayout<DpName> = {
  name: "dp_name",
  size: 64,
  fields: [
    { name: "text", offset: 0, size: 64, type: "char[64]" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 64, "struct dp_name");
    return {
      text: wire.getText(view, 0, 64),
    };
  },
  write(value) {
    const view = wire.blank(64);
    wire.setText(view, 0, 64, value.text, "dp_name.text");
    return wire.bytesOf(view);
  },
};

/** struct dp_namespace */
export interface DpNamespace {
  cookie: bigint;
}

/** struct dp_namespace: 8 bytes. */
export const dpNamespace: wire.StructLayout<DpNamespace> = {
  name: "dp_namespace",
  size: 8,
  fields: [
    { name: "cookie", offset: 0, size: 8, type: "__u64" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 8, "struct dp_namespace");
    return {
      cookie: view.getBigUint64(0, true),
    };
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU64(view, 0, value.cookie, "dp_namespace.cookie");
    return wire.bytesOf(view);
  },
};

/** struct dp_change */
export interface DpChange {
  since: bigint;
}

/** struct dp_change: 8 bytes. */
export const dpChange: wire.StructLayout<DpChange> = {
  name: "dp_change",
  size: 8,
  fields: [
    { name: "since", offset: 0, size: 8, type: "__u64" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 8, "struct dp_change");
    return {
      since: view.getBigUint64(0, true),
    };
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU64(view, 0, value.since, "dp_change.since");
    return wire.bytesOf(view);
  },
};

/** struct dp_free */
export interface DpFree {
  index: number;
  port: number;
}

/** struct dp_free: 8 bytes. */
export const dpFree: wire.StructLayout<DpFree> = {
  name: "dp_free",
  size: 8,
  fields: [
    { name: "index", offset: 0, size: 4, type: "__u32" },
    { name: "port", offset: 4, size: 4, type: "__u32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 8, "struct dp_free");
    return {
      index: view.getUint32(0, true),
      port: view.getUint32(4, true),
    };
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU32(view, 0, value.index, "dp_free.index");
    wire.setU32(view, 4, value.port, "dp_free.port");
    return wire.bytesOf(view);
  },
};

/** struct dp_host_addr */
export interface DpHostAddr {
  ifindex: number;
}

/** struct dp_host_addr: 4 bytes. */
export const dpHostAddr: wire.StructLayout<DpHostAddr> = {
  name: "dp_host_addr",
  size: 4,
  fields: [
    { name: "ifindex", offset: 0, size: 4, type: "__u32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 4, "struct dp_host_addr");
    return {
      ifindex: view.getUint32(0, true),
    };
  },
  write(value) {
    const view = wire.blank(4);
    wire.setU32(view, 0, value.ifindex, "dp_host_addr.ifindex");
    return wire.bytesOf(view);
  },
};

/** struct dp_config */
export interface DpConfig {
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
  hostSubnet: string;
  hostMask: string;
  containerSubnet: string;
  containerMask: string;
  portFirst: number;
  portLast: number;
  publicAddr: string;
  uplink: number;
  playersFrom: number;
  hostOctets: readonly bigint[];
  playerKey: bigint;
  heldUntil: bigint;
}

/** struct dp_config: 88 bytes. */
export const dpConfig: wire.StructLayout<DpConfig> = {
  name: "dp_config",
  size: 88,
  fields: [
    { name: "http_port", offset: 0, size: 2, type: "__be16" },
    { name: "dns_port", offset: 2, size: 2, type: "__be16" },
    { name: "tcp_port", offset: 4, size: 2, type: "__be16" },
    { name: "pad", offset: 6, size: 2, type: "__u16" },
    { name: "host_subnet", offset: 8, size: 4, type: "__be32" },
    { name: "host_mask", offset: 12, size: 4, type: "__be32" },
    { name: "container_subnet", offset: 16, size: 4, type: "__be32" },
    { name: "container_mask", offset: 20, size: 4, type: "__be32" },
    { name: "port_first", offset: 24, size: 2, type: "__u16" },
    { name: "port_last", offset: 26, size: 2, type: "__u16" },
    { name: "public_addr", offset: 28, size: 4, type: "__be32" },
    { name: "uplink", offset: 32, size: 4, type: "__u32" },
    { name: "players_from", offset: 36, size: 4, type: "__u32" },
    { name: "host_octets", offset: 40, size: 32, type: "__u64[4]" },
    { name: "player_key", offset: 72, size: 8, type: "__u64" },
    { name: "held_until", offset: 80, size: 8, type: "__u64" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 88, "struct dp_config");
    return {
      httpPort: view.getUint16(0),
      dnsPort: view.getUint16(2),
      tcpPort: view.getUint16(4),
      hostSubnet: wire.getIpv4(view, 8),
      hostMask: wire.getIpv4(view, 12),
      containerSubnet: wire.getIpv4(view, 16),
      containerMask: wire.getIpv4(view, 20),
      portFirst: view.getUint16(24, true),
      portLast: view.getUint16(26, true),
      publicAddr: wire.getIpv4(view, 28),
      uplink: view.getUint32(32, true),
      playersFrom: view.getUint32(36, true),
      hostOctets: wire.getArray(4, (i0) => view.getBigUint64(40 + i0 * 8, true)),
      playerKey: view.getBigUint64(72, true),
      heldUntil: view.getBigUint64(80, true),
    };
  },
  write(value) {
    const view = wire.blank(88);
    wire.setBe16(view, 0, value.httpPort, "dp_config.http_port");
    wire.setBe16(view, 2, value.dnsPort, "dp_config.dns_port");
    wire.setBe16(view, 4, value.tcpPort, "dp_config.tcp_port");
    wire.setIpv4(view, 8, value.hostSubnet, "dp_config.host_subnet");
    wire.setIpv4(view, 12, value.hostMask, "dp_config.host_mask");
    wire.setIpv4(view, 16, value.containerSubnet, "dp_config.container_subnet");
    wire.setIpv4(view, 20, value.containerMask, "dp_config.container_mask");
    wire.setU16(view, 24, value.portFirst, "dp_config.port_first");
    wire.setU16(view, 26, value.portLast, "dp_config.port_last");
    wire.setIpv4(view, 28, value.publicAddr, "dp_config.public_addr");
    wire.setU32(view, 32, value.uplink, "dp_config.uplink");
    wire.setU32(view, 36, value.playersFrom, "dp_config.players_from");
    wire.setArray(4, value.hostOctets, "dp_config.host_octets", (element0, i0, what0) => wire.setU64(view, 40 + i0 * 8, element0, what0));
    wire.setU64(view, 72, value.playerKey, "dp_config.player_key");
    wire.setU64(view, 80, value.heldUntil, "dp_config.held_until");
    return wire.bytesOf(view);
  },
};

/** struct dp_fragment_key */
export interface DpFragmentKey {
  src: string;
  dst: string;
  id: number;
}

/** struct dp_fragment_key: 12 bytes. */
export const dpFragmentKey: wire.StructLayout<DpFragmentKey> = {
  name: "dp_fragment_key",
  size: 12,
  fields: [
    { name: "src", offset: 0, size: 4, type: "__be32" },
    { name: "dst", offset: 4, size: 4, type: "__be32" },
    { name: "id", offset: 8, size: 2, type: "__be16" },
    { name: "pad", offset: 10, size: 2, type: "__u16" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 12, "struct dp_fragment_key");
    return {
      src: wire.getIpv4(view, 0),
      dst: wire.getIpv4(view, 4),
      id: view.getUint16(8),
    };
  },
  write(value) {
    const view = wire.blank(12);
    wire.setIpv4(view, 0, value.src, "dp_fragment_key.src");
    wire.setIpv4(view, 4, value.dst, "dp_fragment_key.dst");
    wire.setBe16(view, 8, value.id, "dp_fragment_key.id");
    return wire.bytesOf(view);
  },
};

/** struct dp_fragment */
export interface DpFragment {
  port: number;
}

/** struct dp_fragment: 4 bytes. */
export const dpFragment: wire.StructLayout<DpFragment> = {
  name: "dp_fragment",
  size: 4,
  fields: [
    { name: "port", offset: 0, size: 2, type: "__be16" },
    { name: "pad", offset: 2, size: 2, type: "__u16" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 4, "struct dp_fragment");
    return {
      port: view.getUint16(0),
    };
  },
  write(value) {
    const view = wire.blank(4);
    wire.setBe16(view, 0, value.port, "dp_fragment.port");
    return wire.bytesOf(view);
  },
};

/** struct dp_drops */
export interface DpDrops {
  packets: readonly bigint[];
}

/** struct dp_drops: 256 bytes. */
export const dpDrops: wire.StructLayout<DpDrops> = {
  name: "dp_drops",
  size: 256,
  fields: [
    { name: "packets", offset: 0, size: 256, type: "__u64[32]" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 256, "struct dp_drops");
    return {
      packets: wire.getArray(32, (i0) => view.getBigUint64(i0 * 8, true)),
    };
  },
  write(value) {
    const view = wire.blank(256);
    wire.setArray(32, value.packets, "dp_drops.packets", (element0, i0, what0) => wire.setU64(view, i0 * 8, element0, what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_veth_pair */
export interface DpVethPair {
  netnsCookie: bigint;
  hostPeer: number;
  hostAddr: string;
  gamePort: number;
  group: number;
  mac: string;
  flows: number;
}

/** struct dp_veth_pair: 40 bytes. */
export const dpVethPair: wire.StructLayout<DpVethPair> = {
  name: "dp_veth_pair",
  size: 40,
  fields: [
    { name: "netns_cookie", offset: 0, size: 8, type: "__u64" },
    { name: "host_peer", offset: 8, size: 4, type: "__u32" },
    { name: "host_addr", offset: 12, size: 4, type: "__be32" },
    { name: "game_port", offset: 16, size: 2, type: "__be16" },
    { name: "pad", offset: 18, size: 2, type: "__u16" },
    { name: "group", offset: 20, size: 4, type: "__u32" },
    { name: "mac", offset: 24, size: 6, type: "__u8[6]" },
    { name: "pad2", offset: 30, size: 2, type: "__u16" },
    { name: "flows", offset: 32, size: 4, type: "__s32" },
    { name: "pad3", offset: 36, size: 4, type: "__u32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 40, "struct dp_veth_pair");
    return {
      netnsCookie: view.getBigUint64(0, true),
      hostPeer: view.getUint32(8, true),
      hostAddr: wire.getIpv4(view, 12),
      gamePort: view.getUint16(16),
      group: view.getUint32(20, true),
      mac: wire.getMac(view, 24),
      flows: view.getInt32(32, true),
    };
  },
  write(value) {
    const view = wire.blank(40);
    wire.setU64(view, 0, value.netnsCookie, "dp_veth_pair.netns_cookie");
    wire.setU32(view, 8, value.hostPeer, "dp_veth_pair.host_peer");
    wire.setIpv4(view, 12, value.hostAddr, "dp_veth_pair.host_addr");
    wire.setBe16(view, 16, value.gamePort, "dp_veth_pair.game_port");
    wire.setU32(view, 20, value.group, "dp_veth_pair.group");
    wire.setMac(view, 24, value.mac, "dp_veth_pair.mac");
    wire.setS32(view, 32, value.flows, "dp_veth_pair.flows");
    return wire.bytesOf(view);
  },
};

/** struct dp_flow_key */
export interface DpFlowKey {
  container: string;
  dst: string;
  sport: number;
  dport: number;
  protocol: number;
}

/** struct dp_flow_key: 16 bytes. */
export const dpFlowKey: wire.StructLayout<DpFlowKey> = {
  name: "dp_flow_key",
  size: 16,
  fields: [
    { name: "container", offset: 0, size: 4, type: "__be32" },
    { name: "dst", offset: 4, size: 4, type: "__be32" },
    { name: "sport", offset: 8, size: 2, type: "__be16" },
    { name: "dport", offset: 10, size: 2, type: "__be16" },
    { name: "protocol", offset: 12, size: 1, type: "__u8" },
    { name: "pad", offset: 13, size: 3, type: "__u8[3]" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 16, "struct dp_flow_key");
    return {
      container: wire.getIpv4(view, 0),
      dst: wire.getIpv4(view, 4),
      sport: view.getUint16(8),
      dport: view.getUint16(10),
      protocol: view.getUint8(12),
    };
  },
  write(value) {
    const view = wire.blank(16);
    wire.setIpv4(view, 0, value.container, "dp_flow_key.container");
    wire.setIpv4(view, 4, value.dst, "dp_flow_key.dst");
    wire.setBe16(view, 8, value.sport, "dp_flow_key.sport");
    wire.setBe16(view, 10, value.dport, "dp_flow_key.dport");
    wire.setU8(view, 12, value.protocol, "dp_flow_key.protocol");
    return wire.bytesOf(view);
  },
};

/** struct dp_flow */
export interface DpFlow {
  sport: number;
  listener: number;
}

/** struct dp_flow: 4 bytes. */
export const dpFlow: wire.StructLayout<DpFlow> = {
  name: "dp_flow",
  size: 4,
  fields: [
    { name: "sport", offset: 0, size: 2, type: "__be16" },
    { name: "listener", offset: 2, size: 2, type: "__be16" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 4, "struct dp_flow");
    return {
      sport: view.getUint16(0),
      listener: view.getUint16(2),
    };
  },
  write(value) {
    const view = wire.blank(4);
    wire.setBe16(view, 0, value.sport, "dp_flow.sport");
    wire.setBe16(view, 2, value.listener, "dp_flow.listener");
    return wire.bytesOf(view);
  },
};

/** struct dp_origin_key */
export interface DpOriginKey {
  container: string;
  sport: number;
  protocol: number;
}

/** struct dp_origin_key: 8 bytes. */
export const dpOriginKey: wire.StructLayout<DpOriginKey> = {
  name: "dp_origin_key",
  size: 8,
  fields: [
    { name: "container", offset: 0, size: 4, type: "__be32" },
    { name: "sport", offset: 4, size: 2, type: "__be16" },
    { name: "protocol", offset: 6, size: 1, type: "__u8" },
    { name: "pad", offset: 7, size: 1, type: "__u8" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 8, "struct dp_origin_key");
    return {
      container: wire.getIpv4(view, 0),
      sport: view.getUint16(4),
      protocol: view.getUint8(6),
    };
  },
  write(value) {
    const view = wire.blank(8);
    wire.setIpv4(view, 0, value.container, "dp_origin_key.container");
    wire.setBe16(view, 4, value.sport, "dp_origin_key.sport");
    wire.setU8(view, 6, value.protocol, "dp_origin_key.protocol");
    return wire.bytesOf(view);
  },
};

/** struct dp_origin */
export interface DpOrigin {
  dst: string;
  dport: number;
  sport: number;
  listener: number;
  end: number;
  expires: bigint;
}

/** struct dp_origin: 40 bytes. */
export const dpOrigin: wire.StructLayout<DpOrigin> = {
  name: "dp_origin",
  size: 40,
  fields: [
    { name: "dst", offset: 0, size: 4, type: "__be32" },
    { name: "dport", offset: 4, size: 2, type: "__be16" },
    { name: "sport", offset: 6, size: 2, type: "__be16" },
    { name: "listener", offset: 8, size: 2, type: "__be16" },
    { name: "pad", offset: 10, size: 2, type: "__u16" },
    { name: "end", offset: 12, size: 4, type: "__u32" },
    { name: "expires", offset: 16, size: 8, type: "__u64" },
    { name: "timer", offset: 24, size: 16, type: "struct bpf_timer" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 40, "struct dp_origin");
    return {
      dst: wire.getIpv4(view, 0),
      dport: view.getUint16(4),
      sport: view.getUint16(6),
      listener: view.getUint16(8),
      end: view.getUint32(12, true),
      expires: view.getBigUint64(16, true),
    };
  },
  write(value) {
    const view = wire.blank(40);
    wire.setIpv4(view, 0, value.dst, "dp_origin.dst");
    wire.setBe16(view, 4, value.dport, "dp_origin.dport");
    wire.setBe16(view, 6, value.sport, "dp_origin.sport");
    wire.setBe16(view, 8, value.listener, "dp_origin.listener");
    wire.setU32(view, 12, value.end, "dp_origin.end");
    wire.setU64(view, 16, value.expires, "dp_origin.expires");
    return wire.bytesOf(view);
  },
};

/** struct dp_sweep */
export interface DpSweep {
  armed: number;
}

/** struct dp_sweep: 24 bytes. */
export const dpSweep: wire.StructLayout<DpSweep> = {
  name: "dp_sweep",
  size: 24,
  fields: [
    { name: "timer", offset: 0, size: 16, type: "struct bpf_timer" },
    { name: "armed", offset: 16, size: 4, type: "__u32" },
    { name: "pad", offset: 20, size: 4, type: "__u32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 24, "struct dp_sweep");
    return {
      armed: view.getUint32(16, true),
    };
  },
  write(value) {
    const view = wire.blank(24);
    wire.setU32(view, 16, value.armed, "dp_sweep.armed");
    return wire.bytesOf(view);
  },
};

/** struct dp_answer_source */
export interface DpAnswerSource {
  addr: string;
}

/** struct dp_answer_source: 4 bytes. */
export const dpAnswerSource: wire.StructLayout<DpAnswerSource> = {
  name: "dp_answer_source",
  size: 4,
  fields: [
    { name: "addr", offset: 0, size: 4, type: "__be32" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 4, "struct dp_answer_source");
    return {
      addr: wire.getIpv4(view, 0),
    };
  },
  write(value) {
    const view = wire.blank(4);
    wire.setIpv4(view, 0, value.addr, "dp_answer_source.addr");
    return wire.bytesOf(view);
  },
};

/** struct dp_sock_counts */
export interface DpSockCounts {
  destroyed: bigint;
  refused: bigint;
}

/** struct dp_sock_counts: 16 bytes. */
export const dpSockCounts: wire.StructLayout<DpSockCounts> = {
  name: "dp_sock_counts",
  size: 16,
  fields: [
    { name: "destroyed", offset: 0, size: 8, type: "__u64" },
    { name: "refused", offset: 8, size: 8, type: "__u64" },
  ],
  read(bytes) {
    const view = wire.viewOf(bytes, 16, "struct dp_sock_counts");
    return {
      destroyed: view.getBigUint64(0, true),
      refused: view.getBigUint64(8, true),
    };
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.destroyed, "dp_sock_counts.destroyed");
    wire.setU64(view, 8, value.refused, "dp_sock_counts.refused");
    return wire.bytesOf(view);
  },
};

/** All structs, each after those it contains. */
export const structLayouts = [
  dpMeta,
  dpPublicKey,
  dpTraffic,
  dpDnatTarget,
  dpSnatTarget,
  dpVethPeer,
  dpNetData,
  dpName,
  dpNamespace,
  dpChange,
  dpFree,
  dpHostAddr,
  dpConfig,
  dpFragmentKey,
  dpFragment,
  dpDrops,
  dpVethPair,
  dpFlowKey,
  dpFlow,
  dpOriginKey,
  dpOrigin,
  dpSweep,
  dpAnswerSource,
  dpSockCounts,
] as const;

/** The maps, by their names in the kernel. */
export const mapLayouts = {
  dp_answer_frags: {
    name: "dp_answer_frags",
    type: 9,
    maxEntries: 4096,
    flags: 0,
    keyType: "struct dp_fragment_key",
    key: dpFragmentKey,
    valueType: "struct dp_answer_source",
    value: dpAnswerSource,
  } as const satisfies wire.MapLayout<DpFragmentKey, DpAnswerSource>,
  dp_changes: {
    name: "dp_changes",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "__be32",
    key: wire.be32,
    valueType: "struct dp_change",
    value: dpChange,
  } as const satisfies wire.MapLayout<string, DpChange>,
  dp_configs: {
    name: "dp_configs",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_config",
    value: dpConfig,
  } as const satisfies wire.MapLayout<number, DpConfig>,
  dp_dnat_targets: {
    name: "dp_dnat_targets",
    type: 5,
    maxEntries: 65536,
    flags: 1,
    keyType: "struct dp_public_key",
    key: dpPublicKey,
    valueType: "struct dp_dnat_target",
    value: dpDnatTarget,
  } as const satisfies wire.MapLayout<DpPublicKey, DpDnatTarget>,
  dp_drop_counts: {
    name: "dp_drop_counts",
    type: 5,
    maxEntries: 65536,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_drops",
    value: dpDrops,
  } as const satisfies wire.MapLayout<number, DpDrops>,
  dp_endpoints: {
    name: "dp_endpoints",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "struct dp_public_key",
    key: dpPublicKey,
    valueType: "__be32",
    value: wire.be32,
  } as const satisfies wire.MapLayout<DpPublicKey, string>,
  dp_flows: {
    name: "dp_flows",
    type: 1,
    maxEntries: 262144,
    flags: 1,
    keyType: "struct dp_flow_key",
    key: dpFlowKey,
    valueType: "struct dp_flow",
    value: dpFlow,
  } as const satisfies wire.MapLayout<DpFlowKey, DpFlow>,
  dp_fragments: {
    name: "dp_fragments",
    type: 9,
    maxEntries: 4096,
    flags: 0,
    keyType: "struct dp_fragment_key",
    key: dpFragmentKey,
    valueType: "struct dp_fragment",
    value: dpFragment,
  } as const satisfies wire.MapLayout<DpFragmentKey, DpFragment>,
  dp_free: {
    name: "dp_free",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_free",
    value: dpFree,
  } as const satisfies wire.MapLayout<number, DpFree>,
  dp_groups: {
    name: "dp_groups",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_name",
    value: dpName,
  } as const satisfies wire.MapLayout<number, DpName>,
  dp_host_addrs: {
    name: "dp_host_addrs",
    type: 1,
    maxEntries: 4096,
    flags: 1,
    keyType: "__be32",
    key: wire.be32,
    valueType: "struct dp_host_addr",
    value: dpHostAddr,
  } as const satisfies wire.MapLayout<string, DpHostAddr>,
  dp_host_peers: {
    name: "dp_host_peers",
    type: 25,
    maxEntries: 65536,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<number, number>,
  dp_meta: {
    name: "dp_meta",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_meta",
    value: dpMeta,
  } as const satisfies wire.MapLayout<number, DpMeta>,
  dp_names: {
    name: "dp_names",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "struct dp_name",
    key: dpName,
    valueType: "__be32",
    value: wire.be32,
  } as const satisfies wire.MapLayout<DpName, string>,
  dp_namespaces: {
    name: "dp_namespaces",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "struct dp_namespace",
    key: dpNamespace,
    valueType: "__be32",
    value: wire.be32,
  } as const satisfies wire.MapLayout<DpNamespace, string>,
  dp_net_records: {
    name: "dp_net_records",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "__be32",
    key: wire.be32,
    valueType: "struct dp_net_data",
    value: dpNetData,
  } as const satisfies wire.MapLayout<string, DpNetData>,
  dp_origins: {
    name: "dp_origins",
    type: 1,
    maxEntries: 262144,
    flags: 1,
    keyType: "struct dp_origin_key",
    key: dpOriginKey,
    valueType: "struct dp_origin",
    value: dpOrigin,
  } as const satisfies wire.MapLayout<DpOriginKey, DpOrigin>,
  dp_players: {
    name: "dp_players",
    type: 2,
    maxEntries: 4194304,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<number, number>,
  dp_snat_targets: {
    name: "dp_snat_targets",
    type: 5,
    maxEntries: 65536,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_snat_target",
    value: dpSnatTarget,
  } as const satisfies wire.MapLayout<number, DpSnatTarget>,
  dp_sweeps: {
    name: "dp_sweeps",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_sweep",
    value: dpSweep,
  } as const satisfies wire.MapLayout<number, DpSweep>,
  dp_uplinks: {
    name: "dp_uplinks",
    type: 25,
    maxEntries: 256,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<number, number>,
  dp_veth_pairs: {
    name: "dp_veth_pairs",
    type: 1,
    maxEntries: 65536,
    flags: 1,
    keyType: "__be32",
    key: wire.be32,
    valueType: "struct dp_veth_pair",
    value: dpVethPair,
  } as const satisfies wire.MapLayout<string, DpVethPair>,
} as const;

/** The programs, by their names in C. */
export const programLayouts = {
  dp_arp: { name: "dp_arp", section: "tc" } satisfies wire.ProgramLayout,
  dp_block_connect4: { name: "dp_block_connect4", section: "cgroup/connect4" } satisfies wire.ProgramLayout,
  dp_block_connect6: { name: "dp_block_connect6", section: "cgroup/connect6" } satisfies wire.ProgramLayout,
  dp_destroy_tcp: { name: "dp_destroy_tcp", section: "iter/tcp" } satisfies wire.ProgramLayout,
  dp_destroy_udp: { name: "dp_destroy_udp", section: "iter/udp" } satisfies wire.ProgramLayout,
  dp_dnat: { name: "dp_dnat", section: "tc" } satisfies wire.ProgramLayout,
  dp_getsockopt: { name: "dp_getsockopt", section: "cgroup/getsockopt" } satisfies wire.ProgramLayout,
  dp_guard: { name: "dp_guard", section: "netfilter" } satisfies wire.ProgramLayout,
  dp_snat: { name: "dp_snat", section: "tc" } satisfies wire.ProgramLayout,
  dp_sockops: { name: "dp_sockops", section: "sockops" } satisfies wire.ProgramLayout,
  dp_start_players: { name: "dp_start_players", section: "tc" } satisfies wire.ProgramLayout,
  dp_start_sweep: { name: "dp_start_sweep", section: "tc" } satisfies wire.ProgramLayout,
  dp_tproxy_container: { name: "dp_tproxy_container", section: "tc" } satisfies wire.ProgramLayout,
  dp_tproxy_host: { name: "dp_tproxy_host", section: "tc" } satisfies wire.ProgramLayout,
} as const;

/** Global variables, by their names in C. */
export const variableLayouts = {
  dp_closing_ns: { name: "dp_closing_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_host_netns: { name: "dp_host_netns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_host_peer_mac: {
    name: "dp_host_peer_mac",
    section: ".rodata",
    type: "__u8[6]",
    codec: wire.codec<string>(
      6,
      "dp_host_peer_mac",
      (view) => wire.getMac(view, 0),
      (view, value) => wire.setMac(view, 0, value, "dp_host_peer_mac"),
    ),
  } satisfies wire.VariableLayout<string>,
  dp_max_flows: {
    name: "dp_max_flows",
    section: ".rodata",
    type: "__s32",
    codec: wire.codec<number>(
      4,
      "dp_max_flows",
      (view) => view.getInt32(0, true),
      (view, value) => wire.setS32(view, 0, value, "dp_max_flows"),
    ),
  } satisfies wire.VariableLayout<number>,
  dp_netns_cookie: { name: "dp_netns_cookie", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_opening_ns: { name: "dp_opening_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_player_steps: { name: "dp_player_steps", section: ".rodata", type: "__u32", codec: wire.u32 } satisfies wire.VariableLayout<number>,
  dp_sock_counts: { name: "dp_sock_counts", section: ".bss", type: "struct dp_sock_counts", codec: dpSockCounts } satisfies wire.VariableLayout<DpSockCounts>,
  dp_sweep_ns: { name: "dp_sweep_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_udp_ns: { name: "dp_udp_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
} as const;
