import { Errno, type Fd } from "@dp/sys";
import { AF_UNSPEC } from "../codec/family.ts";
import type { Frame } from "../codec/frame.ts";
import { MessageFlag } from "../codec/frame.ts";
import {
  ifinfomsg,
  linkAttributes,
  LinkFlag,
  linkInfoAttributes,
  linkMessage,
  operationalStates,
  rtnlLinkStats64,
  RTEXT_FILTER_SKIP_STATS,
} from "../codec/link.ts";
import { RtnlType } from "../codec/type.ts";
import { vethAttributes } from "../codec/veth.ts";
import type { Connection } from "../connection.ts";
import { InterruptedDumpError, NetlinkError } from "../error.ts";
import { byteLength, checkInterfaceName, checkLinkRef, checkMac, checkMtu, MAX_NAME } from "../input.ts";

/** A network interface, as the kernel describes it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Its other names (`altname` of `ip link`). */
  readonly altNames: readonly string[];
  /** `7e:90:c4:ed:df:d0`; "" for an interface without link-layer addresses. */
  readonly mac: string;
  readonly mtu: number;
  /** Administratively up (IFF_UP). Whether packets can pass is `operState`. */
  readonly up: boolean;
  /** RFC 2863: "up", "down", "lowerlayerdown", "unknown" (virtual interfaces that do not report it)... */
  readonly operState: (typeof operationalStates)[number];
  /** IFF_* bits. */
  readonly flags: number;
  /** ARPHRD_* of linux/if_arp.h: 1 Ethernet, 772 loopback. */
  readonly type: number;
  /** "veth", "bridge", "vlan"...; undefined for physical interfaces and loopback. */
  readonly kind: string | undefined;
  /**
   * IFLA_LINK: of a veth the index of the other end, of a vlan or macvlan that of the interface below. It counts in
   * the other namespace if `peerNetnsId` is there.
   */
  readonly peerIndex: number | undefined;
  /** This namespace's number for the namespace `peerIndex` counts in; undefined if they are the same. */
  readonly peerNetnsId: number | undefined;
  /** Index of the bridge, bond or VRF it belongs to. */
  readonly master: number | undefined;
  readonly group: number;
  readonly alias: string | undefined;
  /** Only if asked for. */
  readonly stats?: LinkStats;
}

/** The interface's own counters. With `bpf_redirect_peer` they do not see every packet. */
export interface LinkStats {
  readonly receivedPackets: bigint;
  readonly receivedBytes: bigint;
  readonly receiveErrors: bigint;
  readonly receiveDropped: bigint;
  readonly sentPackets: bigint;
  readonly sentBytes: bigint;
  readonly sendErrors: bigint;
  readonly sendDropped: bigint;
}

/** What to read of interfaces. */
export interface LinkQuery {
  /** Include `stats`. Default false. */
  stats?: boolean | undefined;
}

/** One end of a veth pair to be made. */
export interface VethEnd {
  /** 1 to 15 bytes, no '/', ':', blanks. */
  name: string;
  /** Set in the creating request, so that udev does not change it. */
  mac: string;
  /** Default 1500. */
  mtu?: number | undefined;
  /**
   * The most queues it may have in each direction. By default the kernel makes one for each CPU, then stops using all
   * but the first, for which it waits until no processor uses them.
   */
  queues?: number | undefined;
}

export interface VethOptions extends VethEnd {
  peer: VethEnd & {
    /** The namespace that the peer is created in. Default: this connection's. */
    netns?: Fd | undefined;
  };
}

/** What to change; an omitted field stays as it is. */
export interface LinkChange {
  up?: boolean | undefined;
  mtu?: number | undefined;
  mac?: string | undefined;
  name?: string | undefined;
  /** Moves the interface to another namespace, which takes its addresses and routes away. */
  netns?: Fd | undefined;
}

const { RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK } = RtnlType;
const { NLM_F_CREATE, NLM_F_EXCL } = MessageFlag;

export function listLinks(connection: Connection, query: LinkQuery): Link[] {
  const payload = linkMessage.build({ ifi_family: AF_UNSPEC }, { IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS });
  const read = (frames: readonly Frame[]): Link[] => frames.filter(isLink).map((frame) => readLink(frame, query));
  try {
    return byIndex(read(connection.dump({ type: RTM_GETLINK, payload }, "list interfaces")));
  } catch (error) {
    if (!(error instanceof InterruptedDumpError)) throw error;
    return mergeReadings(connection, error.readings.map(read), query);
  }
}

/**
 * On a host with thousands of interfaces, some of which come and go all the time, no reading is consistent. Still, an
 * interface in the last reading existed just now, and an interface that only an earlier reading has is looked up. An
 * interface that existed all the time is missed only if every reading skips it.
 */
function mergeReadings(connection: Connection, readings: readonly Link[][], query: LinkQuery): Link[] {
  const latest = new Map(readings.at(-1)?.map((link) => [link.index, link]));
  for (const { index } of readings.slice(0, -1).flat()) {
    if (latest.has(index)) continue;
    const link = getLink(connection, index, query);
    if (link !== undefined) latest.set(index, link);
  }
  return byIndex([...latest.values()]);
}

function byIndex(links: readonly Link[]): Link[] {
  return links.toSorted((a, b) => a.index - b.index);
}

export function getLink(connection: Connection, ref: number | string, query: LinkQuery): Link | undefined {
  const op = `look up interface ${ref}`;
  const { index, names } = target(ref, op);
  const payload = linkMessage.build({ ifi_index: index }, { IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS, ...names });
  try {
    const answer = connection.get({ type: RTM_GETLINK, payload }, op).find(isLink);
    return answer === undefined ? undefined : readLink(answer, query);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === Errno.ENODEV) return undefined;
    throw error;
  }
}

/** The attributes of one end. */
function endOf({ name, mac, mtu, queues }: VethEnd, op: string) {
  return {
    IFLA_IFNAME: checkInterfaceName(name, op),
    IFLA_ADDRESS: checkMac(mac, op),
    IFLA_MTU: mtu === undefined ? undefined : checkMtu(mtu, op),
    IFLA_NUM_TX_QUEUES: queues,
    IFLA_NUM_RX_QUEUES: queues,
  };
}

export function createVeth(connection: Connection, { peer, ...end }: VethOptions): void {
  const { name } = end;
  const op = `create veth pair ${name} and ${peer.name}`;
  const peerEnd = {
    header: ifinfomsg.of({}),
    attributes: linkAttributes.list({ ...endOf(peer, op), IFLA_NET_NS_FD: peer.netns?.number }),
  };
  const data = vethAttributes.write(vethAttributes.list({ VETH_INFO_PEER: peerEnd }));
  const payload = linkMessage.build(
    {},
    {
      ...endOf(end, op),
      IFLA_LINKINFO: linkInfoAttributes.list({ IFLA_INFO_KIND: "veth", IFLA_INFO_DATA: data }),
    },
  );
  try {
    connection.change({ type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload }, op);
  } catch (error) {
    if (error instanceof NetlinkError) throw explainCreation(connection, error, name, peer);
    throw error;
  }
}

/** The kernel says EEXIST without saying which end, and EOPNOTSUPP without saying of what. */
function explainCreation(
  connection: Connection,
  error: NetlinkError,
  name: string,
  peer: VethOptions["peer"],
): NetlinkError {
  if (error.errno === Errno.EEXIST) {
    const here = getLink(connection, name, {}) !== undefined;
    const place = !here && peer.netns !== undefined ? " in the peer's namespace" : "";
    const message = `an interface named ${here ? name : peer.name} exists already${place}`;
    return new NetlinkError(error.op, error.errno, { message, cause: error });
  }
  if (error.errno === Errno.EOPNOTSUPP) {
    const hint = "the kernel needs CONFIG_VETH, or its module: modprobe veth";
    return new NetlinkError(error.op, error.errno, { message: error.kernelMessage, hint, cause: error });
  }
  return error;
}

export function setLink(connection: Connection, ref: number | string, change: LinkChange): void {
  const { up, mtu, mac, name, netns } = change;
  const what = [
    up === undefined ? [] : up ? "up" : "down",
    mtu === undefined ? [] : `mtu ${mtu}`,
    mac === undefined ? [] : `address ${mac}`,
    name === undefined ? [] : `name ${name}`,
    netns === undefined ? [] : "another network namespace",
  ].flat();
  const describe = (): string => `set ${what.join(", ")} on ${linkName(connection, ref)}`;
  const op = `set ${what.join(", ")} on ${ref}`;
  const { index, names } = target(ref, op);
  if (typeof ref === "string" && name !== undefined) {
    // One attribute cannot be both the present and the new name.
    const link = getLink(connection, ref, {});
    if (link === undefined) throw new NetlinkError(op, Errno.ENODEV);
    setLink(connection, link.index, change);
    return;
  }
  const payload = linkMessage.build(
    {
      ifi_index: index,
      ...(up === undefined ? {} : { ifi_flags: up ? LinkFlag.IFF_UP : 0, ifi_change: LinkFlag.IFF_UP }),
    },
    {
      ...names,
      ...(name === undefined ? {} : { IFLA_IFNAME: checkInterfaceName(name, op) }),
      IFLA_MTU: mtu === undefined ? undefined : checkMtu(mtu, op),
      IFLA_ADDRESS: mac === undefined ? undefined : checkMac(mac, op),
      IFLA_NET_NS_FD: netns?.number,
    },
  );
  connection.change({ type: RTM_SETLINK, payload }, describe);
}

export function deleteLink(connection: Connection, ref: number | string): boolean {
  const { index, names } = target(ref, `delete interface ${ref}`);
  const payload = linkMessage.build({ ifi_index: index }, names);
  try {
    connection.change({ type: RTM_DELLINK, payload }, () => `delete interface ${linkName(connection, ref)}`);
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === Errno.ENODEV) return false;
    throw error;
  }
}

/** An interface's name for a message; "interface 12" if it cannot be found out. */
export function linkName(connection: Connection, ref: number | string): string {
  if (typeof ref === "string") return ref;
  try {
    return getLink(connection, ref, {})?.name ?? `interface ${ref}`;
  } catch {
    return `interface ${ref}`;
  }
}

/** How a request says which interface it is about: by index in the header, or by name in an attribute. */
interface Target {
  readonly index: number;
  readonly names: { IFLA_IFNAME?: string; IFLA_ALT_IFNAME?: string };
}

function target(ref: number | string, op: string): Target {
  const checked = checkLinkRef(ref, op);
  if (typeof checked === "number") return { index: checked, names: {} };
  // IFLA_IFNAME finds alternative names, too, but holds no long ones.
  const names = byteLength(checked) > MAX_NAME ? { IFLA_ALT_IFNAME: checked } : { IFLA_IFNAME: checked };
  return { index: 0, names };
}

function isLink(frame: Frame): boolean {
  return frame.type === RTM_NEWLINK;
}

export function readLink(frame: Frame, query: LinkQuery): Link {
  const { header, attributes } = linkMessage.read(frame.payload);
  const values = linkAttributes.values(attributes);
  const info = linkInfoAttributes.values(values.IFLA_LINKINFO ?? []);
  const altNames = (values.IFLA_PROP_LIST ?? []).flatMap((property) =>
    property.name === "IFLA_ALT_IFNAME" ? property.value : [],
  );
  return {
    index: header.ifi_index,
    name: values.IFLA_IFNAME ?? "",
    altNames,
    mac: values.IFLA_ADDRESS ?? "",
    mtu: values.IFLA_MTU ?? 0,
    up: (header.ifi_flags & LinkFlag.IFF_UP) !== 0,
    operState: operationalStates[values.IFLA_OPERSTATE ?? 0] ?? "unknown",
    flags: header.ifi_flags,
    type: header.ifi_type,
    kind: info.IFLA_INFO_KIND,
    peerIndex: values.IFLA_LINK,
    peerNetnsId: values.IFLA_LINK_NETNSID,
    master: values.IFLA_MASTER,
    group: values.IFLA_GROUP ?? 0,
    alias: values.IFLA_IFALIAS,
    ...(values.IFLA_STATS64 === undefined || !query.stats ? {} : { stats: readStats(values.IFLA_STATS64) }),
  };
}

function readStats(payload: Uint8Array): LinkStats {
  const stats = rtnlLinkStats64.read(payload);
  return {
    receivedPackets: stats.rx_packets,
    receivedBytes: stats.rx_bytes,
    receiveErrors: stats.rx_errors,
    receiveDropped: stats.rx_dropped,
    sentPackets: stats.tx_packets,
    sentBytes: stats.tx_bytes,
    sendErrors: stats.tx_errors,
    sendDropped: stats.tx_dropped,
  };
}
