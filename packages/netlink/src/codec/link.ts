import { attributes } from "./attribute.ts";
import { body } from "./body.ts";
import { bytes, hardwareAddress, nestedBytes, s32, text, u16, u32, u64, u8 } from "./scalar.ts";
import { padding, struct } from "./struct.ts";

/*
 * struct ifinfomsg {
 *         unsigned char  ifi_family;
 *         unsigned char  __ifi_pad;
 *         unsigned short ifi_type;    // ARPHRD_*
 *         int            ifi_index;
 *         unsigned       ifi_flags;   // IFF_*
 *         unsigned       ifi_change;  // which of the flags to change
 * };
 */
export const ifinfomsg = struct("ifinfomsg", {
  ifi_family: u8,
  pad: padding(1),
  ifi_type: u16,
  ifi_index: s32,
  ifi_flags: u32,
  ifi_change: u32,
});

/** ifi_flags (linux/if.h). */
export const LinkFlag = {
  IFF_UP: 0x1,
  IFF_BROADCAST: 0x2,
  IFF_LOOPBACK: 0x8,
  IFF_POINTOPOINT: 0x10,
  IFF_RUNNING: 0x40,
  IFF_NOARP: 0x80,
  IFF_PROMISC: 0x100,
  IFF_MULTICAST: 0x1000,
  IFF_LOWER_UP: 0x10000,
} as const;

/** IFLA_OPERSTATE (RFC 2863), in its order. */
export const operationalStates = [
  "unknown",
  "notpresent",
  "down",
  "lowerlayerdown",
  "testing",
  "dormant",
  "up",
] as const;

/** IFLA_EXT_MASK: leave out the counters of the IP layers, which would be half of the message. */
export const RTEXT_FILTER_SKIP_STATS = 0x8;

/*
 * struct rtnl_link_stats64 {
 *         __u64 rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
 *         __u64 multicast, collisions;
 *         // more detailed errors follow, and more with every other release
 * };
 */
export const rtnlLinkStats64 = struct("rtnl_link_stats64", {
  rx_packets: u64,
  tx_packets: u64,
  rx_bytes: u64,
  tx_bytes: u64,
  rx_errors: u64,
  tx_errors: u64,
  rx_dropped: u64,
  tx_dropped: u64,
});

/** IFLA_LINKINFO: what kind of virtual interface it is. */
export const linkInfoAttributes = attributes({
  IFLA_INFO_KIND: [1, text],
  /** Attributes whose meaning depends on the kind: see veth.ts for "veth". */
  IFLA_INFO_DATA: [2, nestedBytes],
  IFLA_INFO_XSTATS: [3, bytes],
  IFLA_INFO_SLAVE_KIND: [4, text],
  IFLA_INFO_SLAVE_DATA: [5, nestedBytes],
});

/** IFLA_PROP_LIST: the names beside IFLA_IFNAME. */
export const propertyAttributes = attributes({ IFLA_ALT_IFNAME: [53, text] });

/** linux/if_link.h */
export const linkAttributes = attributes({
  IFLA_ADDRESS: [1, hardwareAddress],
  IFLA_BROADCAST: [2, hardwareAddress],
  IFLA_IFNAME: [3, text],
  IFLA_MTU: [4, u32],
  /** The interface underneath; of a veth, the other end. In the namespace IFLA_LINK_NETNSID names, if present. */
  IFLA_LINK: [5, u32],
  IFLA_QDISC: [6, text],
  IFLA_MASTER: [10, u32],
  IFLA_TXQLEN: [13, u32],
  IFLA_OPERSTATE: [16, u8],
  IFLA_LINKMODE: [17, u8],
  IFLA_LINKINFO: [18, linkInfoAttributes],
  IFLA_NET_NS_PID: [19, u32],
  IFLA_IFALIAS: [20, text],
  IFLA_STATS64: [23, bytes],
  IFLA_GROUP: [27, u32],
  /** An open descriptor of a network namespace: where the interface shall be. */
  IFLA_NET_NS_FD: [28, u32],
  IFLA_EXT_MASK: [29, u32],
  IFLA_PROMISCUITY: [30, u32],
  IFLA_NUM_TX_QUEUES: [31, u32],
  IFLA_NUM_RX_QUEUES: [32, u32],
  IFLA_CARRIER: [33, u8],
  IFLA_LINK_NETNSID: [37, s32],
  IFLA_GSO_MAX_SEGS: [40, u32],
  IFLA_GSO_MAX_SIZE: [41, u32],
  IFLA_MIN_MTU: [50, u32],
  IFLA_MAX_MTU: [51, u32],
  IFLA_PROP_LIST: [52, propertyAttributes],
  /** In a request: which interface, by any of its names. In an answer it is inside IFLA_PROP_LIST. */
  IFLA_ALT_IFNAME: [53, text],
  IFLA_PERM_ADDRESS: [54, hardwareAddress],
});

/** RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK. */
export const linkMessage = body(ifinfomsg, linkAttributes);
