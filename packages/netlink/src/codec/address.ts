import { attributes } from "./attribute.ts";
import { body } from "./body.ts";
import { bytes, ipAddress, text, u32, u8 } from "./scalar.ts";
import { struct } from "./struct.ts";

/*
 * struct ifaddrmsg {
 *         __u8  ifa_family;
 *         __u8  ifa_prefixlen;
 *         __u8  ifa_flags;   // the low eight; IFA_FLAGS has them all
 *         __u8  ifa_scope;   // RT_SCOPE_*
 *         __u32 ifa_index;
 * };
 */
const ifaddrmsg = struct("ifaddrmsg", {
  ifa_family: u8,
  ifa_prefixlen: u8,
  ifa_flags: u8,
  ifa_scope: u8,
  ifa_index: u32,
});

/** IFA_FLAGS. */
export const AddressFlag = {
  IFA_F_SECONDARY: 0x1,
  IFA_F_NODAD: 0x2,
  IFA_F_DADFAILED: 0x8,
  IFA_F_DEPRECATED: 0x20,
  IFA_F_TENTATIVE: 0x40,
  IFA_F_PERMANENT: 0x80,
  IFA_F_NOPREFIXROUTE: 0x200,
} as const;

/** linux/if_addr.h */
export const addressAttributes = attributes({
  /** The prefix's address; on a point-to-point interface, the far end's. */
  IFA_ADDRESS: [1, ipAddress],
  /** The interface's own address. IPv6 leaves it out where it equals IFA_ADDRESS. */
  IFA_LOCAL: [2, ipAddress],
  IFA_LABEL: [3, text],
  IFA_BROADCAST: [4, ipAddress],
  IFA_CACHEINFO: [6, bytes],
  IFA_FLAGS: [8, u32],
  IFA_RT_PRIORITY: [9, u32],
});

/** RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR. */
export const addressMessage = body(ifaddrmsg, addressAttributes);
