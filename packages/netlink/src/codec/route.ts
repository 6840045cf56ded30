import { align, attributes } from "./attribute.ts";
import { body } from "./body.ts";
import { byteCount, MalformedMessageError, within } from "./malformed.ts";
import { bytes, type Codec, ipAddress, nestedBytes, s32, u16, u32, u8, viewOf } from "./scalar.ts";
import { struct } from "./struct.ts";

/*
 * struct rtmsg {
 *         unsigned char rtm_family;
 *         unsigned char rtm_dst_len;
 *         unsigned char rtm_src_len;
 *         unsigned char rtm_tos;
 *         unsigned char rtm_table;     // RTA_TABLE has those above 255
 *         unsigned char rtm_protocol;  // its origin, RTPROT_*
 *         unsigned char rtm_scope;     // how far away, RT_SCOPE_*
 *         unsigned char rtm_type;      // what to do, RTN_*
 *         unsigned      rtm_flags;     // RTM_F_*, and RTNH_F_* of the only next hop
 * };
 */
const rtmsg = struct("rtmsg", {
  rtm_family: u8,
  rtm_dst_len: u8,
  rtm_src_len: u8,
  rtm_tos: u8,
  rtm_table: u8,
  rtm_protocol: u8,
  rtm_scope: u8,
  rtm_type: u8,
  rtm_flags: u32,
});

/** rtm_flags: the low bits are the next hop's (RTNH_F_*), the others the route's. */
export const RouteFlag = {
  RTNH_F_DEAD: 0x1,
  RTNH_F_ONLINK: 0x4,
  RTNH_F_LINKDOWN: 0x10,
  RTM_F_CLONED: 0x200,
  /** In a lookup: say which table the answer came from. */
  RTM_F_LOOKUP_TABLE: 0x1000,
} as const;

/*
 * struct rtnexthop {
 *         unsigned short rtnh_len;     // with the attributes that follow
 *         unsigned char  rtnh_flags;   // RTNH_F_*
 *         unsigned char  rtnh_hops;    // weight - 1
 *         int            rtnh_ifindex;
 * };
 */
const rtnexthop = struct("rtnexthop", { rtnh_len: u16, rtnh_flags: u8, rtnh_hops: u8, rtnh_ifindex: s32 });

/** A gateway of another family than the route's. */
export interface Via {
  readonly family: number;
  readonly address: string;
}

/**
 *     struct rtvia {
 *             __kernel_sa_family_t rtvia_family;  // u16
 *             __u8                 rtvia_addr[];
 *     };
 */
const rtvia: Codec<Via> = {
  read(payload) {
    if (payload.byteLength < u16.size) {
      throw new MalformedMessageError([], `${byteCount(payload.byteLength)} where struct rtvia has 2 and an address`);
    }
    return { family: u16.get(viewOf(payload), 0), address: ipAddress.read(payload.subarray(u16.size)) };
  },
  write({ family, address }) {
    return Uint8Array.of(...u16.write(family), ...ipAddress.write(address));
  },
};

/** What each next hop of RTA_MULTIPATH may carry. */
export const nextHopAttributes = attributes({ RTA_GATEWAY: [5, ipAddress], RTA_VIA: [18, rtvia] });

type NextHopAttributes = ReturnType<typeof nextHopAttributes.read>;

/** One line of RTA_MULTIPATH. */
export interface NextHopEntry {
  /** RTNH_F_* */
  readonly flags: number;
  /** Weight - 1. */
  readonly hops: number;
  readonly ifindex: number;
  readonly attributes: NextHopAttributes;
}

/** RTA_MULTIPATH: next hops one after the other, each a struct rtnexthop and its attributes. */
const multipath: Codec<NextHopEntry[]> = {
  read(payload) {
    const entries: NextHopEntry[] = [];
    for (let at = 0; at < payload.byteLength;) {
      const left = payload.byteLength - at;
      const header = rtnexthop.read(payload.subarray(at));
      if (header.rtnh_len < rtnexthop.size || header.rtnh_len > left) {
        throw new MalformedMessageError(
          [],
          `the next hop at byte ${at} has length ${header.rtnh_len}, with ${byteCount(left)} left`,
        );
      }
      const inside = payload.subarray(at + rtnexthop.size, at + header.rtnh_len);
      entries.push({
        flags: header.rtnh_flags,
        hops: header.rtnh_hops,
        ifindex: header.rtnh_ifindex,
        attributes: within(`next hop ${entries.length + 1}`, () => nextHopAttributes.read(inside)),
      });
      at += align(header.rtnh_len);
    }
    return entries;
  },
  write(entries) {
    const parts = entries.map(({ flags, hops, ifindex, attributes: list }) => {
      const inside = nextHopAttributes.write(list);
      const header = rtnexthop.write({
        rtnh_len: rtnexthop.size + inside.byteLength,
        rtnh_flags: flags,
        rtnh_hops: hops,
        rtnh_ifindex: ifindex,
      });
      return [...header, ...inside];
    });
    return Uint8Array.from(parts.flat());
  },
};

/** linux/rtnetlink.h, enum rtattr_type_t */
export const routeAttributes = attributes({
  RTA_DST: [1, ipAddress],
  RTA_SRC: [2, ipAddress],
  RTA_IIF: [3, u32],
  RTA_OIF: [4, u32],
  RTA_GATEWAY: [5, ipAddress],
  /** The metric: the lowest wins. */
  RTA_PRIORITY: [6, u32],
  /** The source address the host's own packets get. */
  RTA_PREFSRC: [7, ipAddress],
  RTA_METRICS: [8, nestedBytes],
  RTA_MULTIPATH: [9, multipath],
  RTA_FLOW: [11, u32],
  RTA_CACHEINFO: [12, bytes],
  RTA_TABLE: [15, u32],
  RTA_MARK: [16, u32],
  RTA_VIA: [18, rtvia],
  RTA_PREF: [20, u8],
  RTA_EXPIRES: [23, bytes],
  RTA_UID: [25, u32],
  RTA_NH_ID: [30, u32],
});

/** RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. */
export const routeMessage = body(rtmsg, routeAttributes);
