import { align } from "./attribute.ts";
import { byteCount, MalformedMessageError } from "./malformed.ts";
import { u16, u32, viewOf } from "./scalar.ts";
import { struct } from "./struct.ts";

/*
 * struct nlmsghdr {
 *         __u32 nlmsg_len;    // header and payload, without the padding that follows
 *         __u16 nlmsg_type;
 *         __u16 nlmsg_flags;
 *         __u32 nlmsg_seq;    // a reply carries its request's
 *         __u32 nlmsg_pid;    // port of the socket that asked; 0 in a request
 * };
 */
export const nlmsghdr = struct("nlmsghdr", {
  nlmsg_len: u32,
  nlmsg_type: u16,
  nlmsg_flags: u16,
  nlmsg_seq: u32,
  nlmsg_pid: u32,
});

/** Types below 16, which mean the same in every netlink family. */
export const ControlType = { NLMSG_NOOP: 1, NLMSG_ERROR: 2, NLMSG_DONE: 3, NLMSG_OVERRUN: 4 } as const;

/** nlmsg_flags. Those of requests, of replies and of acknowledgements share bits. */
export const MessageFlag = {
  NLM_F_REQUEST: 0x1,
  NLM_F_MULTI: 0x2,
  NLM_F_ACK: 0x4,
  NLM_F_ECHO: 0x8,
  NLM_F_DUMP_INTR: 0x10,
  NLM_F_DUMP_FILTERED: 0x20,
  // GET
  NLM_F_ROOT: 0x100,
  NLM_F_MATCH: 0x200,
  NLM_F_DUMP: 0x300,
  // NEW
  NLM_F_REPLACE: 0x100,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_APPEND: 0x800,
  // NLMSG_ERROR and NLMSG_DONE
  NLM_F_CAPPED: 0x100,
  NLM_F_ACK_TLVS: 0x200,
} as const;

/** One netlink message: the header's fields and what follows it. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
  readonly payload: Uint8Array;
}

/**
 * Splits a datagram into its messages. The payloads are views of it, not copies. Throws {@link MalformedMessageError}.
 */
export function readFrames(datagram: Uint8Array): Frame[] {
  const view = viewOf(datagram);
  const frames: Frame[] = [];
  for (let at = 0; at < datagram.byteLength;) {
    const left = datagram.byteLength - at;
    if (left < nlmsghdr.size) {
      throw new MalformedMessageError([], `${byteCount(left)} where struct nlmsghdr has ${nlmsghdr.size}`);
    }
    const length = u32.get(view, at);
    if (length < nlmsghdr.size || length > left) {
      throw new MalformedMessageError(
        [],
        `the message at byte ${at} has length ${length}, with ${byteCount(left)} left`,
      );
    }
    const header = nlmsghdr.read(datagram.subarray(at));
    frames.push({
      type: header.nlmsg_type,
      flags: header.nlmsg_flags,
      sequence: header.nlmsg_seq,
      portId: header.nlmsg_pid,
      payload: datagram.subarray(at + nlmsghdr.size, at + length),
    });
    // Not align(): its 32-bit arithmetic overflows for a length near 2 GiB.
    at += length + ((4 - (length % 4)) % 4);
  }
  return frames;
}

/** One message as a datagram, padded to a multiple of four bytes. Throws nothing. */
export function writeFrame({ type, flags, sequence, portId, payload }: Frame): Uint8Array {
  const length = nlmsghdr.size + payload.byteLength;
  const datagram = new Uint8Array(align(length));
  datagram.set(
    nlmsghdr.write({
      nlmsg_len: length,
      nlmsg_type: type,
      nlmsg_flags: flags,
      nlmsg_seq: sequence,
      nlmsg_pid: portId,
    }),
  );
  datagram.set(payload, nlmsghdr.size);
  return datagram;
}
