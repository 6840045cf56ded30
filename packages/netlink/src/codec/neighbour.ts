import { attributes } from "./attribute.ts";
import { body } from "./body.ts";
import { bytes, hardwareAddress, ipAddress, s32, u16, u32, u8 } from "./scalar.ts";
import { padding, struct } from "./struct.ts";

/*
 * struct ndmsg {
 *         __u8  ndm_family;
 *         __u8  ndm_pad1;
 *         __u16 ndm_pad2;
 *         __s32 ndm_ifindex;
 *         __u16 ndm_state;  // NUD_*
 *         __u8  ndm_flags;  // NTF_*
 *         __u8  ndm_type;   // RTN_*
 * };
 */
const ndmsg = struct("ndmsg", {
  ndm_family: u8,
  pad: padding(3),
  ndm_ifindex: s32,
  ndm_state: u16,
  ndm_flags: u8,
  ndm_type: u8,
});

/** ndm_flags. */
export const NeighbourFlag = { NTF_PROXY: 0x8, NTF_EXT_LEARNED: 0x10, NTF_ROUTER: 0x80 } as const;

/** linux/neighbour.h */
export const neighbourAttributes = attributes({
  NDA_DST: [1, ipAddress],
  NDA_LLADDR: [2, hardwareAddress],
  NDA_CACHEINFO: [3, bytes],
  NDA_PROBES: [4, u32],
  /** In a dump request: only this interface's. */
  NDA_IFINDEX: [8, u32],
  NDA_MASTER: [9, u32],
  NDA_PROTOCOL: [12, u8],
});

/** RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH. */
export const neighbourMessage = body(ndmsg, neighbourAttributes);
