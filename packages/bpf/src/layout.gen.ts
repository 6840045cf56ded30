// Written by bpf2ts from layout.c, arp.bpf.c, control.bpf.c, dnat.bpf.c, freeze.bpf.c, guard.bpf.c, lookup.bpf.c, proxy_socket.bpf.c, snat.bpf.c, tproxy.bpf.c: do not edit.

import * as wire from "./layout/index.ts";

/** enum dp_change_kind */
export const DpChangeKind = {
  running: 0,
  removed: 1,
} as const;
export type DpChangeKind = (typeof DpChangeKind)[keyof typeof DpChangeKind];

/** The names of {@link DpChangeKind}, by number. */
export const dpChangeKindNames: Readonly<Record<number, Exclude<keyof typeof DpChangeKind, "max">>> = {
  0: "running",
  1: "removed",
};

/** enum dp_drop_reason */
export const DpDropReason = {
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
  forwardSyn: 12,
  destination: 13,
  eastWest: 14,
  tcp: 15,
  udp: 16,
  icmp: 17,
  noFlow: 18,
  flows: 19,
  ipOptions: 20,
  notAPlayer: 21,
  bypass: 22,
  held: 23,
  gone: 24,
  segments: 25,
  rate: 26,
  max: 32,
} as const;
export type DpDropReason = (typeof DpDropReason)[keyof typeof DpDropReason];

/** The names of {@link DpDropReason}, by number. */
export const dpDropReasonNames: Readonly<Record<number, Exclude<keyof typeof DpDropReason, "max">>> = {
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
  12: "forwardSyn",
  13: "destination",
  14: "eastWest",
  15: "tcp",
  16: "udp",
  17: "icmp",
  18: "noFlow",
  19: "flows",
  20: "ipOptions",
  21: "notAPlayer",
  22: "bypass",
  23: "held",
  24: "gone",
  25: "segments",
  26: "rate",
};

/** enum dp_family */
export const DpFamily = {
  ipv4: 0,
  ipv6: 1,
  families: 2,
} as const;
export type DpFamily = (typeof DpFamily)[keyof typeof DpFamily];

/** The names of {@link DpFamily}, by number. */
export const dpFamilyNames: Readonly<Record<number, Exclude<keyof typeof DpFamily, "max">>> = {
  0: "ipv4",
  1: "ipv6",
  2: "families",
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
  version: 2,
} as const;
export type DpLayout = (typeof DpLayout)[keyof typeof DpLayout];

/** The names of {@link DpLayout}, by number. */
export const dpLayoutNames: Readonly<Record<number, Exclude<keyof typeof DpLayout, "max">>> = {
  2: "version",
};

/** enum dp_network */
export const DpNetwork = {
  own: 0,
  keep: 1,
} as const;
export type DpNetwork = (typeof DpNetwork)[keyof typeof DpNetwork];

/** The names of {@link DpNetwork}, by number. */
export const dpNetworkNames: Readonly<Record<number, Exclude<keyof typeof DpNetwork, "max">>> = {
  0: "own",
  1: "keep",
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

/** struct dp_proxy_budget */
export interface DpProxyBudget {
  connections: bigint;
  datagrams: bigint;
}

function readDpProxyBudget(view: DataView, at: number): DpProxyBudget {
  return {
    connections: view.getBigUint64(at, true),
    datagrams: view.getBigUint64(at + 8, true),
  };
}

/** struct dp_proxy_budget: 16 bytes. */
export const dpProxyBudget: wire.StructLayout<DpProxyBudget> = {
  name: "dp_proxy_budget",
  size: 16,
  fields: [
    { name: "connections", offset: 0, size: 8, type: "__u64" },
    { name: "datagrams", offset: 8, size: 8, type: "__u64" },
  ],
  read(bytes) {
    return readDpProxyBudget(wire.viewOf(bytes, 16, "struct dp_proxy_budget"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.connections, "dp_proxy_budget.connections");
    wire.setU64(view, 8, value.datagrams, "dp_proxy_budget.datagrams");
    return wire.bytesOf(view);
  },
};

/** struct dp_meta */
export interface DpMeta {
  layoutVersion: number;
  loadedAt: bigint;
  build: string;
}

function readDpMeta(view: DataView, at: number): DpMeta {
  return {
    layoutVersion: view.getUint32(at, true),
    loadedAt: view.getBigUint64(at + 8, true),
    build: wire.getText(view, at + 16, 32),
  };
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
    return readDpMeta(wire.viewOf(bytes, 48, "struct dp_meta"), 0);
  },
  write(value) {
    const view = wire.blank(48);
    wire.setU32(view, 0, value.layoutVersion, "dp_meta.layout_version");
    wire.setU64(view, 8, value.loadedAt, "dp_meta.loaded_at");
    wire.setText(view, 16, 32, value.build, "dp_meta.build");
    return wire.bytesOf(view);
  },
};

/** struct dp_veth_peer */
export interface DpVethPeer {
  ifindex: number;
  mac: string;
  name: string;
}

function readDpVethPeer(view: DataView, at: number): DpVethPeer {
  return {
    ifindex: view.getUint32(at, true),
    mac: wire.getMac(view, at + 4),
    name: wire.getText(view, at + 12, 16),
  };
}

/** struct dp_veth_peer: 28 bytes. */
export const dpVethPeer: wire.StructLayout<DpVethPeer> = {
  name: "dp_veth_peer",
  size: 28,
  fields: [
    { name: "ifindex", offset: 0, size: 4, type: "__u32" },
    { name: "mac", offset: 4, size: 6, type: "__u8[6]" },
    { name: "pad", offset: 10, size: 2, type: "__u16" },
    { name: "name", offset: 12, size: 16, type: "char[16]" },
  ],
  read(bytes) {
    return readDpVethPeer(wire.viewOf(bytes, 28, "struct dp_veth_peer"), 0);
  },
  write(value) {
    const view = wire.blank(28);
    wire.setU32(view, 0, value.ifindex, "dp_veth_peer.ifindex");
    wire.setMac(view, 4, value.mac, "dp_veth_peer.mac");
    wire.setText(view, 12, 16, value.name, "dp_veth_peer.name");
    return wire.bytesOf(view);
  },
};

/** struct dp_address_pair */
export interface DpAddressPair {
  container: string;
  gateway: string;
}

function readDpAddressPair(view: DataView, at: number): DpAddressPair {
  return {
    container: wire.getAddress(view, at),
    gateway: wire.getAddress(view, at + 16),
  };
}

/** struct dp_address_pair: 32 bytes. */
export const dpAddressPair: wire.StructLayout<DpAddressPair> = {
  name: "dp_address_pair",
  size: 32,
  fields: [
    { name: "container", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "gateway", offset: 16, size: 16, type: "struct dp_addr" },
  ],
  read(bytes) {
    return readDpAddressPair(wire.viewOf(bytes, 32, "struct dp_address_pair"), 0);
  },
  write(value) {
    const view = wire.blank(32);
    wire.setAddress(view, 0, value.container, "dp_address_pair.container");
    wire.setAddress(view, 16, value.gateway, "dp_address_pair.gateway");
    return wire.bytesOf(view);
  },
};

/** struct dp_container_ref */
export interface DpContainerRef {
  engine: string;
  socket: string;
  name: string;
}

function readDpContainerRef(view: DataView, at: number): DpContainerRef {
  return {
    engine: wire.getText(view, at, 16),
    socket: wire.getText(view, at + 16, 128),
    name: wire.getText(view, at + 144, 128),
  };
}

/** struct dp_container_ref: 272 bytes. */
export const dpContainerRef: wire.StructLayout<DpContainerRef> = {
  name: "dp_container_ref",
  size: 272,
  fields: [
    { name: "engine", offset: 0, size: 16, type: "char[16]" },
    { name: "socket", offset: 16, size: 128, type: "char[128]" },
    { name: "name", offset: 144, size: 128, type: "char[128]" },
  ],
  read(bytes) {
    return readDpContainerRef(wire.viewOf(bytes, 272, "struct dp_container_ref"), 0);
  },
  write(value) {
    const view = wire.blank(272);
    wire.setText(view, 0, 16, value.engine, "dp_container_ref.engine");
    wire.setText(view, 16, 128, value.socket, "dp_container_ref.socket");
    wire.setText(view, 144, 128, value.name, "dp_container_ref.name");
    return wire.bytesOf(view);
  },
};

/** struct dp_record_forward */
export interface DpRecordForward {
  publicAddr: string;
  publicFirst: number;
  count: number;
  containerFirst: number;
  protocol: number;
  family: number;
  uplink: number;
  mtu: number;
  counter: number;
}

function readDpRecordForward(view: DataView, at: number): DpRecordForward {
  return {
    publicAddr: wire.getAddress(view, at),
    publicFirst: view.getUint16(at + 16, true),
    count: view.getUint16(at + 18, true),
    containerFirst: view.getUint16(at + 20, true),
    protocol: view.getUint8(at + 22),
    family: view.getUint8(at + 23),
    uplink: view.getUint32(at + 24, true),
    mtu: view.getUint32(at + 28, true),
    counter: view.getUint32(at + 32, true),
  };
}

/** struct dp_record_forward: 36 bytes. */
export const dpRecordForward: wire.StructLayout<DpRecordForward> = {
  name: "dp_record_forward",
  size: 36,
  fields: [
    { name: "public_addr", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "public_first", offset: 16, size: 2, type: "__u16" },
    { name: "count", offset: 18, size: 2, type: "__u16" },
    { name: "container_first", offset: 20, size: 2, type: "__u16" },
    { name: "protocol", offset: 22, size: 1, type: "__u8" },
    { name: "family", offset: 23, size: 1, type: "__u8" },
    { name: "uplink", offset: 24, size: 4, type: "__u32" },
    { name: "mtu", offset: 28, size: 4, type: "__u32" },
    { name: "counter", offset: 32, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpRecordForward(wire.viewOf(bytes, 36, "struct dp_record_forward"), 0);
  },
  write(value) {
    const view = wire.blank(36);
    wire.setAddress(view, 0, value.publicAddr, "dp_record_forward.public_addr");
    wire.setU16(view, 16, value.publicFirst, "dp_record_forward.public_first");
    wire.setU16(view, 18, value.count, "dp_record_forward.count");
    wire.setU16(view, 20, value.containerFirst, "dp_record_forward.container_first");
    wire.setU8(view, 22, value.protocol, "dp_record_forward.protocol");
    wire.setU8(view, 23, value.family, "dp_record_forward.family");
    wire.setU32(view, 24, value.uplink, "dp_record_forward.uplink");
    wire.setU32(view, 28, value.mtu, "dp_record_forward.mtu");
    wire.setU32(view, 32, value.counter, "dp_record_forward.counter");
    return wire.bytesOf(view);
  },
};

/** struct dp_record */
export interface DpRecord {
  state: number;
  network: number;
  trusted: number;
  createdAt: bigint;
  netnsCookie: bigint;
  netnsInode: bigint;
  mtu: number;
  hostPeer: DpVethPeer;
  containerPeer: DpVethPeer;
  addresses: readonly DpAddressPair[];
  name: string;
  group: string;
  owner: string;
  netns: string;
  container: DpContainerRef;
  forwards: readonly DpRecordForward[];
}

function readDpRecord(view: DataView, at: number): DpRecord {
  return {
    state: view.getUint32(at, true),
    network: view.getUint16(at + 4, true),
    trusted: view.getUint16(at + 6, true),
    createdAt: view.getBigUint64(at + 8, true),
    netnsCookie: view.getBigUint64(at + 16, true),
    netnsInode: view.getBigUint64(at + 24, true),
    mtu: view.getUint32(at + 32, true),
    hostPeer: readDpVethPeer(view, at + 40),
    containerPeer: readDpVethPeer(view, at + 68),
    addresses: wire.getArray(2, (i0) => readDpAddressPair(view, at + 96 + i0 * 32)),
    name: wire.getText(view, at + 160, 64),
    group: wire.getText(view, at + 224, 64),
    owner: wire.getText(view, at + 288, 96),
    netns: wire.getText(view, at + 384, 128),
    container: readDpContainerRef(view, at + 512),
    forwards: wire.getArray(Math.min(view.getUint32(at + 36, true), 32), (i0) => readDpRecordForward(view, at + 784 + i0 * 36)),
  };
}

/** struct dp_record: 1936 bytes. */
export const dpRecord: wire.StructLayout<DpRecord> = {
  name: "dp_record",
  size: 1936,
  fields: [
    { name: "state", offset: 0, size: 4, type: "__u32" },
    { name: "network", offset: 4, size: 2, type: "__u16" },
    { name: "trusted", offset: 6, size: 2, type: "__u16" },
    { name: "created_at", offset: 8, size: 8, type: "__u64" },
    { name: "netns_cookie", offset: 16, size: 8, type: "__u64" },
    { name: "netns_inode", offset: 24, size: 8, type: "__u64" },
    { name: "mtu", offset: 32, size: 4, type: "__u32" },
    { name: "forward_count", offset: 36, size: 4, type: "__u32" },
    { name: "host_peer", offset: 40, size: 28, type: "struct dp_veth_peer" },
    { name: "container_peer", offset: 68, size: 28, type: "struct dp_veth_peer" },
    { name: "addresses", offset: 96, size: 64, type: "struct dp_address_pair[2]" },
    { name: "name", offset: 160, size: 64, type: "char[64]" },
    { name: "group", offset: 224, size: 64, type: "char[64]" },
    { name: "owner", offset: 288, size: 96, type: "char[96]" },
    { name: "netns", offset: 384, size: 128, type: "char[128]" },
    { name: "container", offset: 512, size: 272, type: "struct dp_container_ref" },
    { name: "forwards", offset: 784, size: 1152, type: "struct dp_record_forward[32]" },
  ],
  read(bytes) {
    return readDpRecord(wire.viewOf(bytes, 1936, "struct dp_record"), 0);
  },
  write(value) {
    const view = wire.blank(1936);
    wire.setU32(view, 0, value.state, "dp_record.state");
    wire.setU16(view, 4, value.network, "dp_record.network");
    wire.setU16(view, 6, value.trusted, "dp_record.trusted");
    wire.setU64(view, 8, value.createdAt, "dp_record.created_at");
    wire.setU64(view, 16, value.netnsCookie, "dp_record.netns_cookie");
    wire.setU64(view, 24, value.netnsInode, "dp_record.netns_inode");
    wire.setU32(view, 32, value.mtu, "dp_record.mtu");
    wire.setU32(view, 36, value.forwards.length, "dp_record.forward_count");
    wire.setBytes(view, 40, 28, dpVethPeer.write(value.hostPeer), "dp_record.host_peer");
    wire.setBytes(view, 68, 28, dpVethPeer.write(value.containerPeer), "dp_record.container_peer");
    wire.setArray(2, value.addresses, "dp_record.addresses", (element0, i0, what0) => wire.setBytes(view, 96 + i0 * 32, 32, dpAddressPair.write(element0), what0));
    wire.setText(view, 160, 64, value.name, "dp_record.name");
    wire.setText(view, 224, 64, value.group, "dp_record.group");
    wire.setText(view, 288, 96, value.owner, "dp_record.owner");
    wire.setText(view, 384, 128, value.netns, "dp_record.netns");
    wire.setBytes(view, 512, 272, dpContainerRef.write(value.container), "dp_record.container");
    wire.setPartOfArray(32, value.forwards, "dp_record.forwards", (element0, i0, what0) => wire.setBytes(view, 784 + i0 * 36, 36, dpRecordForward.write(element0), what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_name */
export interface DpName {
  text: string;
}

function readDpName(view: DataView, at: number): DpName {
  return {
    text: wire.getText(view, at, 64),
  };
}

/** struct dp_name: 64 bytes. */
export const dpName: wire.StructLayout<DpName> = {
  name: "dp_name",
  size: 64,
  fields: [
    { name: "text", offset: 0, size: 64, type: "char[64]" },
  ],
  read(bytes) {
    return readDpName(wire.viewOf(bytes, 64, "struct dp_name"), 0);
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

function readDpNamespace(view: DataView, at: number): DpNamespace {
  return {
    cookie: view.getBigUint64(at, true),
  };
}

/** struct dp_namespace: 8 bytes. */
export const dpNamespace: wire.StructLayout<DpNamespace> = {
  name: "dp_namespace",
  size: 8,
  fields: [
    { name: "cookie", offset: 0, size: 8, type: "__u64" },
  ],
  read(bytes) {
    return readDpNamespace(wire.viewOf(bytes, 8, "struct dp_namespace"), 0);
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
  kind: number;
}

function readDpChange(view: DataView, at: number): DpChange {
  return {
    since: view.getBigUint64(at, true),
    kind: view.getUint32(at + 8, true),
  };
}

/** struct dp_change: 16 bytes. */
export const dpChange: wire.StructLayout<DpChange> = {
  name: "dp_change",
  size: 16,
  fields: [
    { name: "since", offset: 0, size: 8, type: "__u64" },
    { name: "kind", offset: 8, size: 4, type: "__u32" },
    { name: "pad", offset: 12, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpChange(wire.viewOf(bytes, 16, "struct dp_change"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.since, "dp_change.since");
    wire.setU32(view, 8, value.kind, "dp_change.kind");
    return wire.bytesOf(view);
  },
};

/** struct dp_free */
export interface DpFree {
  id: number;
  address: number;
  port: number;
  counter: number;
}

function readDpFree(view: DataView, at: number): DpFree {
  return {
    id: view.getUint32(at, true),
    address: view.getUint32(at + 4, true),
    port: view.getUint32(at + 8, true),
    counter: view.getUint32(at + 12, true),
  };
}

/** struct dp_free: 16 bytes. */
export const dpFree: wire.StructLayout<DpFree> = {
  name: "dp_free",
  size: 16,
  fields: [
    { name: "id", offset: 0, size: 4, type: "__u32" },
    { name: "address", offset: 4, size: 4, type: "__u32" },
    { name: "port", offset: 8, size: 4, type: "__u32" },
    { name: "counter", offset: 12, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpFree(wire.viewOf(bytes, 16, "struct dp_free"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU32(view, 0, value.id, "dp_free.id");
    wire.setU32(view, 4, value.address, "dp_free.address");
    wire.setU32(view, 8, value.port, "dp_free.port");
    wire.setU32(view, 12, value.counter, "dp_free.counter");
    return wire.bytesOf(view);
  },
};

/** struct dp_reserved_ports */
export interface DpReservedPorts {
  ports: readonly bigint[];
}

function readDpReservedPorts(view: DataView, at: number): DpReservedPorts {
  return {
    ports: wire.getArray(1024, (i0) => view.getBigUint64(at + i0 * 8, true)),
  };
}

/** struct dp_reserved_ports: 8192 bytes. */
export const dpReservedPorts: wire.StructLayout<DpReservedPorts> = {
  name: "dp_reserved_ports",
  size: 8192,
  fields: [
    { name: "ports", offset: 0, size: 8192, type: "__u64[1024]" },
  ],
  read(bytes) {
    return readDpReservedPorts(wire.viewOf(bytes, 8192, "struct dp_reserved_ports"), 0);
  },
  write(value) {
    const view = wire.blank(8192);
    wire.setArray(1024, value.ports, "dp_reserved_ports.ports", (element0, i0, what0) => wire.setU64(view, i0 * 8, element0, what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_settings */
export interface DpSettings {
  portFirst: number;
  portLast: number;
  uplink: number;
  publicAddrs: readonly string[];
}

function readDpSettings(view: DataView, at: number): DpSettings {
  return {
    portFirst: view.getUint16(at, true),
    portLast: view.getUint16(at + 2, true),
    uplink: view.getUint32(at + 4, true),
    publicAddrs: wire.getArray(2, (i0) => wire.getAddress(view, at + 8 + i0 * 16)),
  };
}

/** struct dp_settings: 40 bytes. */
export const dpSettings: wire.StructLayout<DpSettings> = {
  name: "dp_settings",
  size: 40,
  fields: [
    { name: "port_first", offset: 0, size: 2, type: "__u16" },
    { name: "port_last", offset: 2, size: 2, type: "__u16" },
    { name: "uplink", offset: 4, size: 4, type: "__u32" },
    { name: "public_addrs", offset: 8, size: 32, type: "struct dp_addr[2]" },
  ],
  read(bytes) {
    return readDpSettings(wire.viewOf(bytes, 40, "struct dp_settings"), 0);
  },
  write(value) {
    const view = wire.blank(40);
    wire.setU16(view, 0, value.portFirst, "dp_settings.port_first");
    wire.setU16(view, 2, value.portLast, "dp_settings.port_last");
    wire.setU32(view, 4, value.uplink, "dp_settings.uplink");
    wire.setArray(2, value.publicAddrs, "dp_settings.public_addrs", (element0, i0, what0) => wire.setAddress(view, 8 + i0 * 16, element0, what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_drops */
export interface DpDrops {
  packets: readonly bigint[];
}

function readDpDrops(view: DataView, at: number): DpDrops {
  return {
    packets: wire.getArray(32, (i0) => view.getBigUint64(at + i0 * 8, true)),
  };
}

/** struct dp_drops: 256 bytes. */
export const dpDrops: wire.StructLayout<DpDrops> = {
  name: "dp_drops",
  size: 256,
  fields: [
    { name: "packets", offset: 0, size: 256, type: "__u64[32]" },
  ],
  read(bytes) {
    return readDpDrops(wire.viewOf(bytes, 256, "struct dp_drops"), 0);
  },
  write(value) {
    const view = wire.blank(256);
    wire.setArray(32, value.packets, "dp_drops.packets", (element0, i0, what0) => wire.setU64(view, i0 * 8, element0, what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_endpoint_key */
export interface DpEndpointKey {
  addr: string;
  port: number;
  protocol: number;
  family: number;
}

function readDpEndpointKey(view: DataView, at: number): DpEndpointKey {
  return {
    addr: wire.getAddress(view, at),
    port: view.getUint16(at + 16),
    protocol: view.getUint8(at + 18),
    family: view.getUint8(at + 19),
  };
}

/** struct dp_endpoint_key: 24 bytes. */
export const dpEndpointKey: wire.StructLayout<DpEndpointKey> = {
  name: "dp_endpoint_key",
  size: 24,
  fields: [
    { name: "addr", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "port", offset: 16, size: 2, type: "__be16" },
    { name: "protocol", offset: 18, size: 1, type: "__u8" },
    { name: "family", offset: 19, size: 1, type: "__u8" },
    { name: "pad", offset: 20, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpEndpointKey(wire.viewOf(bytes, 24, "struct dp_endpoint_key"), 0);
  },
  write(value) {
    const view = wire.blank(24);
    wire.setAddress(view, 0, value.addr, "dp_endpoint_key.addr");
    wire.setBe16(view, 16, value.port, "dp_endpoint_key.port");
    wire.setU8(view, 18, value.protocol, "dp_endpoint_key.protocol");
    wire.setU8(view, 19, value.family, "dp_endpoint_key.family");
    return wire.bytesOf(view);
  },
};

/** struct dp_endpoint */
export interface DpEndpoint {
  server: number;
  counter: number;
  container: string;
  port: number;
  mac: string;
  open: number;
}

function readDpEndpoint(view: DataView, at: number): DpEndpoint {
  return {
    server: view.getUint32(at, true),
    counter: view.getUint32(at + 4, true),
    container: wire.getAddress(view, at + 8),
    port: view.getUint16(at + 24),
    mac: wire.getMac(view, at + 26),
    open: view.getUint32(at + 32, true),
  };
}

/** struct dp_endpoint: 36 bytes. */
export const dpEndpoint: wire.StructLayout<DpEndpoint> = {
  name: "dp_endpoint",
  size: 36,
  fields: [
    { name: "server", offset: 0, size: 4, type: "__u32" },
    { name: "counter", offset: 4, size: 4, type: "__u32" },
    { name: "container", offset: 8, size: 16, type: "struct dp_addr" },
    { name: "port", offset: 24, size: 2, type: "__be16" },
    { name: "mac", offset: 26, size: 6, type: "__u8[6]" },
    { name: "open", offset: 32, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpEndpoint(wire.viewOf(bytes, 36, "struct dp_endpoint"), 0);
  },
  write(value) {
    const view = wire.blank(36);
    wire.setU32(view, 0, value.server, "dp_endpoint.server");
    wire.setU32(view, 4, value.counter, "dp_endpoint.counter");
    wire.setAddress(view, 8, value.container, "dp_endpoint.container");
    wire.setBe16(view, 24, value.port, "dp_endpoint.port");
    wire.setMac(view, 26, value.mac, "dp_endpoint.mac");
    wire.setU32(view, 32, value.open, "dp_endpoint.open");
    return wire.bytesOf(view);
  },
};

/** struct dp_flow_key */
export interface DpFlowKey {
  dst: string;
  sport: number;
  dport: number;
  protocol: number;
  family: number;
  server: number;
}

function readDpFlowKey(view: DataView, at: number): DpFlowKey {
  return {
    dst: wire.getAddress(view, at),
    sport: view.getUint16(at + 16),
    dport: view.getUint16(at + 18),
    protocol: view.getUint8(at + 20),
    family: view.getUint8(at + 21),
    server: view.getUint32(at + 24, true),
  };
}

/** struct dp_flow_key: 28 bytes. */
export const dpFlowKey: wire.StructLayout<DpFlowKey> = {
  name: "dp_flow_key",
  size: 28,
  fields: [
    { name: "dst", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "sport", offset: 16, size: 2, type: "__be16" },
    { name: "dport", offset: 18, size: 2, type: "__be16" },
    { name: "protocol", offset: 20, size: 1, type: "__u8" },
    { name: "family", offset: 21, size: 1, type: "__u8" },
    { name: "pad", offset: 22, size: 2, type: "__u16" },
    { name: "server", offset: 24, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpFlowKey(wire.viewOf(bytes, 28, "struct dp_flow_key"), 0);
  },
  write(value) {
    const view = wire.blank(28);
    wire.setAddress(view, 0, value.dst, "dp_flow_key.dst");
    wire.setBe16(view, 16, value.sport, "dp_flow_key.sport");
    wire.setBe16(view, 18, value.dport, "dp_flow_key.dport");
    wire.setU8(view, 20, value.protocol, "dp_flow_key.protocol");
    wire.setU8(view, 21, value.family, "dp_flow_key.family");
    wire.setU32(view, 24, value.server, "dp_flow_key.server");
    return wire.bytesOf(view);
  },
};

/** struct dp_flow */
export interface DpFlow {
  sport: number;
  listener: number;
}

function readDpFlow(view: DataView, at: number): DpFlow {
  return {
    sport: view.getUint16(at),
    listener: view.getUint16(at + 2),
  };
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
    return readDpFlow(wire.viewOf(bytes, 4, "struct dp_flow"), 0);
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
  server: number;
  sport: number;
  protocol: number;
  family: number;
}

function readDpOriginKey(view: DataView, at: number): DpOriginKey {
  return {
    server: view.getUint32(at, true),
    sport: view.getUint16(at + 4),
    protocol: view.getUint8(at + 6),
    family: view.getUint8(at + 7),
  };
}

/** struct dp_origin_key: 8 bytes. */
export const dpOriginKey: wire.StructLayout<DpOriginKey> = {
  name: "dp_origin_key",
  size: 8,
  fields: [
    { name: "server", offset: 0, size: 4, type: "__u32" },
    { name: "sport", offset: 4, size: 2, type: "__be16" },
    { name: "protocol", offset: 6, size: 1, type: "__u8" },
    { name: "family", offset: 7, size: 1, type: "__u8" },
  ],
  read(bytes) {
    return readDpOriginKey(wire.viewOf(bytes, 8, "struct dp_origin_key"), 0);
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU32(view, 0, value.server, "dp_origin_key.server");
    wire.setBe16(view, 4, value.sport, "dp_origin_key.sport");
    wire.setU8(view, 6, value.protocol, "dp_origin_key.protocol");
    wire.setU8(view, 7, value.family, "dp_origin_key.family");
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

function readDpOrigin(view: DataView, at: number): DpOrigin {
  return {
    dst: wire.getAddress(view, at),
    dport: view.getUint16(at + 16),
    sport: view.getUint16(at + 18),
    listener: view.getUint16(at + 20),
    end: view.getUint32(at + 24, true),
    expires: view.getBigUint64(at + 32, true),
  };
}

/** struct dp_origin: 56 bytes. */
export const dpOrigin: wire.StructLayout<DpOrigin> = {
  name: "dp_origin",
  size: 56,
  fields: [
    { name: "dst", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "dport", offset: 16, size: 2, type: "__be16" },
    { name: "sport", offset: 18, size: 2, type: "__be16" },
    { name: "listener", offset: 20, size: 2, type: "__be16" },
    { name: "pad", offset: 22, size: 2, type: "__u16" },
    { name: "end", offset: 24, size: 4, type: "__u32" },
    { name: "pad2", offset: 28, size: 4, type: "__u32" },
    { name: "expires", offset: 32, size: 8, type: "__u64" },
    { name: "timer", offset: 40, size: 16, type: "struct bpf_timer" },
  ],
  read(bytes) {
    return readDpOrigin(wire.viewOf(bytes, 56, "struct dp_origin"), 0);
  },
  write(value) {
    const view = wire.blank(56);
    wire.setAddress(view, 0, value.dst, "dp_origin.dst");
    wire.setBe16(view, 16, value.dport, "dp_origin.dport");
    wire.setBe16(view, 18, value.sport, "dp_origin.sport");
    wire.setBe16(view, 20, value.listener, "dp_origin.listener");
    wire.setU32(view, 24, value.end, "dp_origin.end");
    wire.setU64(view, 32, value.expires, "dp_origin.expires");
    return wire.bytesOf(view);
  },
};

/** struct dp_flow_count */
export interface DpFlowCount {
  flows: number;
}

function readDpFlowCount(view: DataView, at: number): DpFlowCount {
  return {
    flows: view.getInt32(at, true),
  };
}

/** struct dp_flow_count: 4 bytes. */
export const dpFlowCount: wire.StructLayout<DpFlowCount> = {
  name: "dp_flow_count",
  size: 4,
  fields: [
    { name: "flows", offset: 0, size: 4, type: "__s32" },
  ],
  read(bytes) {
    return readDpFlowCount(wire.viewOf(bytes, 4, "struct dp_flow_count"), 0);
  },
  write(value) {
    const view = wire.blank(4);
    wire.setS32(view, 0, value.flows, "dp_flow_count.flows");
    return wire.bytesOf(view);
  },
};

/** struct dp_sweep */
export interface DpSweep {
  armed: number;
}

function readDpSweep(view: DataView, at: number): DpSweep {
  return {
    armed: view.getUint32(at + 16, true),
  };
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
    return readDpSweep(wire.viewOf(bytes, 24, "struct dp_sweep"), 0);
  },
  write(value) {
    const view = wire.blank(24);
    wire.setU32(view, 16, value.armed, "dp_sweep.armed");
    return wire.bytesOf(view);
  },
};

/** struct dp_fragment_key */
export interface DpFragmentKey {
  src: string;
  dst: string;
  id: number;
  protocol: number;
  family: number;
}

function readDpFragmentKey(view: DataView, at: number): DpFragmentKey {
  return {
    src: wire.getAddress(view, at),
    dst: wire.getAddress(view, at + 16),
    id: view.getUint32(at + 32, true),
    protocol: view.getUint8(at + 36),
    family: view.getUint8(at + 37),
  };
}

/** struct dp_fragment_key: 40 bytes. */
export const dpFragmentKey: wire.StructLayout<DpFragmentKey> = {
  name: "dp_fragment_key",
  size: 40,
  fields: [
    { name: "src", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "dst", offset: 16, size: 16, type: "struct dp_addr" },
    { name: "id", offset: 32, size: 4, type: "__u32" },
    { name: "protocol", offset: 36, size: 1, type: "__u8" },
    { name: "family", offset: 37, size: 1, type: "__u8" },
    { name: "pad", offset: 38, size: 2, type: "__u16" },
  ],
  read(bytes) {
    return readDpFragmentKey(wire.viewOf(bytes, 40, "struct dp_fragment_key"), 0);
  },
  write(value) {
    const view = wire.blank(40);
    wire.setAddress(view, 0, value.src, "dp_fragment_key.src");
    wire.setAddress(view, 16, value.dst, "dp_fragment_key.dst");
    wire.setU32(view, 32, value.id, "dp_fragment_key.id");
    wire.setU8(view, 36, value.protocol, "dp_fragment_key.protocol");
    wire.setU8(view, 37, value.family, "dp_fragment_key.family");
    return wire.bytesOf(view);
  },
};

/** struct dp_fragment */
export interface DpFragment {
  at: bigint;
  server: number;
  port: number;
}

function readDpFragment(view: DataView, at: number): DpFragment {
  return {
    at: view.getBigUint64(at, true),
    server: view.getUint32(at + 8, true),
    port: view.getUint16(at + 12),
  };
}

/** struct dp_fragment: 16 bytes. */
export const dpFragment: wire.StructLayout<DpFragment> = {
  name: "dp_fragment",
  size: 16,
  fields: [
    { name: "at", offset: 0, size: 8, type: "__u64" },
    { name: "server", offset: 8, size: 4, type: "__u32" },
    { name: "port", offset: 12, size: 2, type: "__be16" },
    { name: "pad", offset: 14, size: 2, type: "__u16" },
  ],
  read(bytes) {
    return readDpFragment(wire.viewOf(bytes, 16, "struct dp_fragment"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.at, "dp_fragment.at");
    wire.setU32(view, 8, value.server, "dp_fragment.server");
    wire.setBe16(view, 12, value.port, "dp_fragment.port");
    return wire.bytesOf(view);
  },
};

/** struct dp_answer_source */
export interface DpAnswerSource {
  addr: string;
}

function readDpAnswerSource(view: DataView, at: number): DpAnswerSource {
  return {
    addr: wire.getAddress(view, at),
  };
}

/** struct dp_answer_source: 16 bytes. */
export const dpAnswerSource: wire.StructLayout<DpAnswerSource> = {
  name: "dp_answer_source",
  size: 16,
  fields: [
    { name: "addr", offset: 0, size: 16, type: "struct dp_addr" },
  ],
  read(bytes) {
    return readDpAnswerSource(wire.viewOf(bytes, 16, "struct dp_answer_source"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setAddress(view, 0, value.addr, "dp_answer_source.addr");
    return wire.bytesOf(view);
  },
};

/** struct dp_subnet */
export interface DpSubnet {
  addr: string;
  mask: string;
}

function readDpSubnet(view: DataView, at: number): DpSubnet {
  return {
    addr: wire.getAddress(view, at),
    mask: wire.getAddress(view, at + 16),
  };
}

/** struct dp_subnet: 32 bytes. */
export const dpSubnet: wire.StructLayout<DpSubnet> = {
  name: "dp_subnet",
  size: 32,
  fields: [
    { name: "addr", offset: 0, size: 16, type: "struct dp_addr" },
    { name: "mask", offset: 16, size: 16, type: "struct dp_addr" },
  ],
  read(bytes) {
    return readDpSubnet(wire.viewOf(bytes, 32, "struct dp_subnet"), 0);
  },
  write(value) {
    const view = wire.blank(32);
    wire.setAddress(view, 0, value.addr, "dp_subnet.addr");
    wire.setAddress(view, 16, value.mask, "dp_subnet.mask");
    return wire.bytesOf(view);
  },
};

/** struct dp_config */
export interface DpConfig {
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
  playersFrom: number;
  playerKey: bigint;
  heldUntil: bigint;
  hostFilter: readonly bigint[];
  hostSubnets: readonly DpSubnet[];
  containerSubnets: readonly DpSubnet[];
}

function readDpConfig(view: DataView, at: number): DpConfig {
  return {
    httpPort: view.getUint16(at),
    dnsPort: view.getUint16(at + 2),
    tcpPort: view.getUint16(at + 4),
    playersFrom: view.getUint32(at + 8, true),
    playerKey: view.getBigUint64(at + 16, true),
    heldUntil: view.getBigUint64(at + 24, true),
    hostFilter: wire.getArray(4, (i0) => view.getBigUint64(at + 32 + i0 * 8, true)),
    hostSubnets: wire.getArray(2, (i0) => readDpSubnet(view, at + 64 + i0 * 32)),
    containerSubnets: wire.getArray(2, (i0) => readDpSubnet(view, at + 128 + i0 * 32)),
  };
}

/** struct dp_config: 192 bytes. */
export const dpConfig: wire.StructLayout<DpConfig> = {
  name: "dp_config",
  size: 192,
  fields: [
    { name: "http_port", offset: 0, size: 2, type: "__be16" },
    { name: "dns_port", offset: 2, size: 2, type: "__be16" },
    { name: "tcp_port", offset: 4, size: 2, type: "__be16" },
    { name: "pad", offset: 6, size: 2, type: "__u16" },
    { name: "players_from", offset: 8, size: 4, type: "__u32" },
    { name: "pad2", offset: 12, size: 4, type: "__u32" },
    { name: "player_key", offset: 16, size: 8, type: "__u64" },
    { name: "held_until", offset: 24, size: 8, type: "__u64" },
    { name: "host_filter", offset: 32, size: 32, type: "__u64[4]" },
    { name: "host_subnets", offset: 64, size: 64, type: "struct dp_subnet[2]" },
    { name: "container_subnets", offset: 128, size: 64, type: "struct dp_subnet[2]" },
  ],
  read(bytes) {
    return readDpConfig(wire.viewOf(bytes, 192, "struct dp_config"), 0);
  },
  write(value) {
    const view = wire.blank(192);
    wire.setBe16(view, 0, value.httpPort, "dp_config.http_port");
    wire.setBe16(view, 2, value.dnsPort, "dp_config.dns_port");
    wire.setBe16(view, 4, value.tcpPort, "dp_config.tcp_port");
    wire.setU32(view, 8, value.playersFrom, "dp_config.players_from");
    wire.setU64(view, 16, value.playerKey, "dp_config.player_key");
    wire.setU64(view, 24, value.heldUntil, "dp_config.held_until");
    wire.setArray(4, value.hostFilter, "dp_config.host_filter", (element0, i0, what0) => wire.setU64(view, 32 + i0 * 8, element0, what0));
    wire.setArray(2, value.hostSubnets, "dp_config.host_subnets", (element0, i0, what0) => wire.setBytes(view, 64 + i0 * 32, 32, dpSubnet.write(element0), what0));
    wire.setArray(2, value.containerSubnets, "dp_config.container_subnets", (element0, i0, what0) => wire.setBytes(view, 128 + i0 * 32, 32, dpSubnet.write(element0), what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_host_addr */
export interface DpHostAddr {
  ifindex: number;
}

function readDpHostAddr(view: DataView, at: number): DpHostAddr {
  return {
    ifindex: view.getUint32(at, true),
  };
}

/** struct dp_host_addr: 4 bytes. */
export const dpHostAddr: wire.StructLayout<DpHostAddr> = {
  name: "dp_host_addr",
  size: 4,
  fields: [
    { name: "ifindex", offset: 0, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpHostAddr(wire.viewOf(bytes, 4, "struct dp_host_addr"), 0);
  },
  write(value) {
    const view = wire.blank(4);
    wire.setU32(view, 0, value.ifindex, "dp_host_addr.ifindex");
    return wire.bytesOf(view);
  },
};

/** struct dp_forward */
export interface DpForward {
  first: number;
  count: number;
  publicFirst: number;
  protocol: number;
  family: number;
  uplink: number;
  counter: number;
  publicAddr: string;
}

function readDpForward(view: DataView, at: number): DpForward {
  return {
    first: view.getUint16(at, true),
    count: view.getUint16(at + 2, true),
    publicFirst: view.getUint16(at + 4, true),
    protocol: view.getUint8(at + 6),
    family: view.getUint8(at + 7),
    uplink: view.getUint32(at + 8, true),
    counter: view.getUint32(at + 12, true),
    publicAddr: wire.getAddress(view, at + 16),
  };
}

/** struct dp_forward: 32 bytes. */
export const dpForward: wire.StructLayout<DpForward> = {
  name: "dp_forward",
  size: 32,
  fields: [
    { name: "first", offset: 0, size: 2, type: "__u16" },
    { name: "count", offset: 2, size: 2, type: "__u16" },
    { name: "public_first", offset: 4, size: 2, type: "__u16" },
    { name: "protocol", offset: 6, size: 1, type: "__u8" },
    { name: "family", offset: 7, size: 1, type: "__u8" },
    { name: "uplink", offset: 8, size: 4, type: "__u32" },
    { name: "counter", offset: 12, size: 4, type: "__u32" },
    { name: "public_addr", offset: 16, size: 16, type: "struct dp_addr" },
  ],
  read(bytes) {
    return readDpForward(wire.viewOf(bytes, 32, "struct dp_forward"), 0);
  },
  write(value) {
    const view = wire.blank(32);
    wire.setU16(view, 0, value.first, "dp_forward.first");
    wire.setU16(view, 2, value.count, "dp_forward.count");
    wire.setU16(view, 4, value.publicFirst, "dp_forward.public_first");
    wire.setU8(view, 6, value.protocol, "dp_forward.protocol");
    wire.setU8(view, 7, value.family, "dp_forward.family");
    wire.setU32(view, 8, value.uplink, "dp_forward.uplink");
    wire.setU32(view, 12, value.counter, "dp_forward.counter");
    wire.setAddress(view, 16, value.publicAddr, "dp_forward.public_addr");
    return wire.bytesOf(view);
  },
};

/** struct dp_server */
export interface DpServer {
  id: number;
  group: number;
  netnsCookie: bigint;
  addr: readonly string[];
  gateway: readonly string[];
  mac: string;
  forwards: readonly DpForward[];
}

function readDpServer(view: DataView, at: number): DpServer {
  return {
    id: view.getUint32(at, true),
    group: view.getUint32(at + 4, true),
    netnsCookie: view.getBigUint64(at + 8, true),
    addr: wire.getArray(2, (i0) => wire.getAddress(view, at + 16 + i0 * 16)),
    gateway: wire.getArray(2, (i0) => wire.getAddress(view, at + 48 + i0 * 16)),
    mac: wire.getMac(view, at + 80),
    forwards: wire.getArray(Math.min(view.getUint16(at + 86, true), 32), (i0) => readDpForward(view, at + 88 + i0 * 32)),
  };
}

/** struct dp_server: 1112 bytes. */
export const dpServer: wire.StructLayout<DpServer> = {
  name: "dp_server",
  size: 1112,
  fields: [
    { name: "id", offset: 0, size: 4, type: "__u32" },
    { name: "group", offset: 4, size: 4, type: "__u32" },
    { name: "netns_cookie", offset: 8, size: 8, type: "__u64" },
    { name: "addr", offset: 16, size: 32, type: "struct dp_addr[2]" },
    { name: "gateway", offset: 48, size: 32, type: "struct dp_addr[2]" },
    { name: "mac", offset: 80, size: 6, type: "__u8[6]" },
    { name: "forward_count", offset: 86, size: 2, type: "__u16" },
    { name: "forwards", offset: 88, size: 1024, type: "struct dp_forward[32]" },
  ],
  read(bytes) {
    return readDpServer(wire.viewOf(bytes, 1112, "struct dp_server"), 0);
  },
  write(value) {
    const view = wire.blank(1112);
    wire.setU32(view, 0, value.id, "dp_server.id");
    wire.setU32(view, 4, value.group, "dp_server.group");
    wire.setU64(view, 8, value.netnsCookie, "dp_server.netns_cookie");
    wire.setArray(2, value.addr, "dp_server.addr", (element0, i0, what0) => wire.setAddress(view, 16 + i0 * 16, element0, what0));
    wire.setArray(2, value.gateway, "dp_server.gateway", (element0, i0, what0) => wire.setAddress(view, 48 + i0 * 16, element0, what0));
    wire.setMac(view, 80, value.mac, "dp_server.mac");
    wire.setU16(view, 86, value.forwards.length, "dp_server.forward_count");
    wire.setPartOfArray(32, value.forwards, "dp_server.forwards", (element0, i0, what0) => wire.setBytes(view, 88 + i0 * 32, 32, dpForward.write(element0), what0));
    return wire.bytesOf(view);
  },
};

/** struct dp_container */
export interface DpContainer {
  server: number;
  hostPeer: number;
}

function readDpContainer(view: DataView, at: number): DpContainer {
  return {
    server: view.getUint32(at, true),
    hostPeer: view.getUint32(at + 4, true),
  };
}

/** struct dp_container: 8 bytes. */
export const dpContainer: wire.StructLayout<DpContainer> = {
  name: "dp_container",
  size: 8,
  fields: [
    { name: "server", offset: 0, size: 4, type: "__u32" },
    { name: "host_peer", offset: 4, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpContainer(wire.viewOf(bytes, 8, "struct dp_container"), 0);
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU32(view, 0, value.server, "dp_container.server");
    wire.setU32(view, 4, value.hostPeer, "dp_container.host_peer");
    return wire.bytesOf(view);
  },
};

/** struct dp_traffic */
export interface DpTraffic {
  packets: bigint;
  bytes: bigint;
}

function readDpTraffic(view: DataView, at: number): DpTraffic {
  return {
    packets: view.getBigUint64(at, true),
    bytes: view.getBigUint64(at + 8, true),
  };
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
    return readDpTraffic(wire.viewOf(bytes, 16, "struct dp_traffic"), 0);
  },
  write(value) {
    const view = wire.blank(16);
    wire.setU64(view, 0, value.packets, "dp_traffic.packets");
    wire.setU64(view, 8, value.bytes, "dp_traffic.bytes");
    return wire.bytesOf(view);
  },
};

/** struct dp_forward_traffic */
export interface DpForwardTraffic {
  in: DpTraffic;
  out: DpTraffic;
}

function readDpForwardTraffic(view: DataView, at: number): DpForwardTraffic {
  return {
    in: readDpTraffic(view, at),
    out: readDpTraffic(view, at + 16),
  };
}

/** struct dp_forward_traffic: 32 bytes. */
export const dpForwardTraffic: wire.StructLayout<DpForwardTraffic> = {
  name: "dp_forward_traffic",
  size: 32,
  fields: [
    { name: "in", offset: 0, size: 16, type: "struct dp_traffic" },
    { name: "out", offset: 16, size: 16, type: "struct dp_traffic" },
  ],
  read(bytes) {
    return readDpForwardTraffic(wire.viewOf(bytes, 32, "struct dp_forward_traffic"), 0);
  },
  write(value) {
    const view = wire.blank(32);
    wire.setBytes(view, 0, 16, dpTraffic.write(value.in), "dp_forward_traffic.in");
    wire.setBytes(view, 16, 16, dpTraffic.write(value.out), "dp_forward_traffic.out");
    return wire.bytesOf(view);
  },
};

/** struct dp_budget */
export interface DpBudget {
  interval: number;
  spent: number;
}

function readDpBudget(view: DataView, at: number): DpBudget {
  return {
    interval: view.getUint32(at, true),
    spent: view.getUint32(at + 4, true),
  };
}

/** struct dp_budget: 8 bytes. */
export const dpBudget: wire.StructLayout<DpBudget> = {
  name: "dp_budget",
  size: 8,
  fields: [
    { name: "interval", offset: 0, size: 4, type: "__u32" },
    { name: "spent", offset: 4, size: 4, type: "__u32" },
  ],
  read(bytes) {
    return readDpBudget(wire.viewOf(bytes, 8, "struct dp_budget"), 0);
  },
  write(value) {
    const view = wire.blank(8);
    wire.setU32(view, 0, value.interval, "dp_budget.interval");
    wire.setU32(view, 4, value.spent, "dp_budget.spent");
    return wire.bytesOf(view);
  },
};

/** struct dp_sock_counts */
export interface DpSockCounts {
  destroyed: bigint;
  refused: bigint;
}

function readDpSockCounts(view: DataView, at: number): DpSockCounts {
  return {
    destroyed: view.getBigUint64(at, true),
    refused: view.getBigUint64(at + 8, true),
  };
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
    return readDpSockCounts(wire.viewOf(bytes, 16, "struct dp_sock_counts"), 0);
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
  dpProxyBudget,
  dpMeta,
  dpVethPeer,
  dpAddressPair,
  dpContainerRef,
  dpRecordForward,
  dpRecord,
  dpName,
  dpNamespace,
  dpChange,
  dpFree,
  dpReservedPorts,
  dpSettings,
  dpDrops,
  dpEndpointKey,
  dpEndpoint,
  dpFlowKey,
  dpFlow,
  dpOriginKey,
  dpOrigin,
  dpFlowCount,
  dpSweep,
  dpFragmentKey,
  dpFragment,
  dpAnswerSource,
  dpSubnet,
  dpConfig,
  dpHostAddr,
  dpForward,
  dpServer,
  dpContainer,
  dpTraffic,
  dpForwardTraffic,
  dpBudget,
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
  dp_budgets: {
    name: "dp_budgets",
    type: 2,
    maxEntries: 4097,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_proxy_budget",
    value: dpProxyBudget,
  } as const satisfies wire.MapLayout<number, DpProxyBudget>,
  dp_changes: {
    name: "dp_changes",
    type: 1,
    maxEntries: 4096,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_change",
    value: dpChange,
  } as const satisfies wire.MapLayout<number, DpChange>,
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
  dp_containers: {
    name: "dp_containers",
    type: 1,
    maxEntries: 8192,
    flags: 1,
    keyType: "struct dp_addr",
    key: wire.codec<string>(
      16,
      "map dp_containers: key",
      (view) => wire.getAddress(view, 0),
      (view, value) => wire.setAddress(view, 0, value, "map dp_containers: key"),
    ),
    valueType: "struct dp_container",
    value: dpContainer,
  } as const satisfies wire.MapLayout<string, DpContainer>,
  dp_counters: {
    name: "dp_counters",
    type: 1,
    maxEntries: 16384,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<number, number>,
  dp_drop_counts: {
    name: "dp_drop_counts",
    type: 5,
    maxEntries: 4097,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_drops",
    value: dpDrops,
  } as const satisfies wire.MapLayout<number, DpDrops>,
  dp_endpoints: {
    name: "dp_endpoints",
    type: 1,
    maxEntries: 262144,
    flags: 1,
    keyType: "struct dp_endpoint_key",
    key: dpEndpointKey,
    valueType: "struct dp_endpoint",
    value: dpEndpoint,
  } as const satisfies wire.MapLayout<DpEndpointKey, DpEndpoint>,
  dp_flow_counts: {
    name: "dp_flow_counts",
    type: 2,
    maxEntries: 4097,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_flow_count",
    value: dpFlowCount,
  } as const satisfies wire.MapLayout<number, DpFlowCount>,
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
    maxEntries: 4096,
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
    keyType: "struct dp_addr",
    key: wire.codec<string>(
      16,
      "map dp_host_addrs: key",
      (view) => wire.getAddress(view, 0),
      (view, value) => wire.setAddress(view, 0, value, "map dp_host_addrs: key"),
    ),
    valueType: "struct dp_host_addr",
    value: dpHostAddr,
  } as const satisfies wire.MapLayout<string, DpHostAddr>,
  dp_host_peers: {
    name: "dp_host_peers",
    type: 14,
    maxEntries: 4097,
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
    maxEntries: 4096,
    flags: 1,
    keyType: "struct dp_name",
    key: dpName,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<DpName, number>,
  dp_namespaces: {
    name: "dp_namespaces",
    type: 1,
    maxEntries: 4096,
    flags: 1,
    keyType: "struct dp_namespace",
    key: dpNamespace,
    valueType: "__u32",
    value: wire.u32,
  } as const satisfies wire.MapLayout<DpNamespace, number>,
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
    type: 12,
    maxEntries: 4097,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "4 bytes",
    value: wire.u32,
    inner: {
      type: 2,
      maxEntries: 1,
      flags: 0,
      keyType: "__u32",
      key: wire.u32,
      valueType: "__u32[8064]",
      value: wire.codec<readonly number[]>(
        32256,
        "map dp_players.inner: value",
        (view) => wire.getArray(8064, (i0) => view.getUint32(i0 * 4, true)),
        (view, value) => wire.setArray(8064, value, "map dp_players.inner: value", (element0, i0, what0) => wire.setU32(view, i0 * 4, element0, what0)),
      ),
    },
  } as const satisfies wire.MapOfMapsLayout<number, number, readonly number[]>,
  dp_records: {
    name: "dp_records",
    type: 1,
    maxEntries: 4096,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_record",
    value: dpRecord,
  } as const satisfies wire.MapLayout<number, DpRecord>,
  dp_reserved: {
    name: "dp_reserved",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_reserved_ports",
    value: dpReservedPorts,
  } as const satisfies wire.MapLayout<number, DpReservedPorts>,
  dp_servers: {
    name: "dp_servers",
    type: 1,
    maxEntries: 4096,
    flags: 1,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_server",
    value: dpServer,
  } as const satisfies wire.MapLayout<number, DpServer>,
  dp_settings: {
    name: "dp_settings",
    type: 2,
    maxEntries: 1,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_settings",
    value: dpSettings,
  } as const satisfies wire.MapLayout<number, DpSettings>,
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
  dp_traffic: {
    name: "dp_traffic",
    type: 6,
    maxEntries: 16384,
    flags: 0,
    keyType: "__u32",
    key: wire.u32,
    valueType: "struct dp_forward_traffic",
    value: dpForwardTraffic,
  } as const satisfies wire.MapLayout<number, DpForwardTraffic>,
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
  dp_lookup: { name: "dp_lookup", section: "sk_lookup" } satisfies wire.ProgramLayout,
  dp_snat: { name: "dp_snat", section: "tc" } satisfies wire.ProgramLayout,
  dp_sockops: { name: "dp_sockops", section: "sockops" } satisfies wire.ProgramLayout,
  dp_start_players: { name: "dp_start_players", section: "tc" } satisfies wire.ProgramLayout,
  dp_start_sweep: { name: "dp_start_sweep", section: "tc" } satisfies wire.ProgramLayout,
  dp_tproxy_container: { name: "dp_tproxy_container", section: "tc" } satisfies wire.ProgramLayout,
  dp_tproxy_host: { name: "dp_tproxy_host", section: "tc" } satisfies wire.ProgramLayout,
} as const;

/** Global variables, by their names in C. */
export const variableLayouts = {
  dp_answer_units: { name: "dp_answer_units", section: ".rodata", type: "__u16", codec: wire.u16 } satisfies wire.VariableLayout<number>,
  dp_closing_ns: { name: "dp_closing_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_fragment_budget: { name: "dp_fragment_budget", section: ".rodata", type: "__u32", codec: wire.u32 } satisfies wire.VariableLayout<number>,
  dp_fragment_ns: { name: "dp_fragment_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_handshake_units: { name: "dp_handshake_units", section: ".rodata", type: "__u16", codec: wire.u16 } satisfies wire.VariableLayout<number>,
  dp_host_netns: { name: "dp_host_netns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
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
  dp_own_burst: { name: "dp_own_burst", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_own_interval_ns: { name: "dp_own_interval_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_player_steps: { name: "dp_player_steps", section: ".rodata", type: "__u32", codec: wire.u32 } satisfies wire.VariableLayout<number>,
  dp_remote: {
    name: "dp_remote",
    section: ".bss",
    type: "struct dp_addr",
    codec: wire.codec<string>(
      16,
      "dp_remote",
      (view) => wire.getAddress(view, 0),
      (view, value) => wire.setAddress(view, 0, value, "dp_remote"),
    ),
  } satisfies wire.VariableLayout<string>,
  dp_reserved_flows: {
    name: "dp_reserved_flows",
    section: ".rodata",
    type: "__s32",
    codec: wire.codec<number>(
      4,
      "dp_reserved_flows",
      (view) => view.getInt32(0, true),
      (view, value) => wire.setS32(view, 0, value, "dp_reserved_flows"),
    ),
  } satisfies wire.VariableLayout<number>,
  dp_shared_burst: { name: "dp_shared_burst", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_shared_flows: {
    name: "dp_shared_flows",
    section: ".rodata",
    type: "__s32",
    codec: wire.codec<number>(
      4,
      "dp_shared_flows",
      (view) => view.getInt32(0, true),
      (view, value) => wire.setS32(view, 0, value, "dp_shared_flows"),
    ),
  } satisfies wire.VariableLayout<number>,
  dp_shared_interval_ns: { name: "dp_shared_interval_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_sock_counts: { name: "dp_sock_counts", section: ".bss", type: "struct dp_sock_counts", codec: dpSockCounts } satisfies wire.VariableLayout<DpSockCounts>,
  dp_sweep_ns: { name: "dp_sweep_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  dp_udp_ns: { name: "dp_udp_ns", section: ".rodata", type: "__u64", codec: wire.u64 } satisfies wire.VariableLayout<bigint>,
  host_fragments: { name: "host_fragments", section: ".bss", type: "struct dp_budget", codec: dpBudget } satisfies wire.VariableLayout<DpBudget>,
} as const;
