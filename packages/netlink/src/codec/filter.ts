import { attributes } from "./attribute.ts";
import { body } from "./body.ts";
import { nestedBytes, s32, text, u32, u8 } from "./scalar.ts";
import { padding, struct } from "./struct.ts";

/*
 * struct tcmsg {
 *         unsigned char  tcm_family;
 *         unsigned char  tcm__pad1;
 *         unsigned short tcm__pad2;
 *         int            tcm_ifindex;
 *         __u32          tcm_handle;
 *         __u32          tcm_parent;
 *         __u32          tcm_info;   // of a filter: priority << 16 | protocol (big-endian)
 * };
 */
const tcmsg = struct("tcmsg", {
  tcm_family: u8,
  pad: padding(3),
  tcm_ifindex: s32,
  tcm_handle: u32,
  tcm_parent: u32,
  tcm_info: u32,
});

/** tcm_parent: the two places for filters of the clsact qdisc (linux/pkt_sched.h). The ingress qdisc has the first. */
export const ClsactParent = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;

/** linux/rtnetlink.h */
export const filterAttributes = attributes({
  TCA_KIND: [1, text],
  /** What is in it depends on the kind. */
  TCA_OPTIONS: [2, nestedBytes],
  TCA_CHAIN: [11, u32],
});

/** TCA_OPTIONS of the kind "bpf" (linux/pkt_cls.h). */
export const bpfFilterAttributes = attributes({
  TCA_BPF_NAME: [7, text],
  TCA_BPF_FLAGS: [8, u32],
  TCA_BPF_ID: [11, u32],
});

/** RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER. */
export const filterMessage = body(tcmsg, filterAttributes);
