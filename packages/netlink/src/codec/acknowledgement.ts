import { align, attributes } from "./attribute.ts";
import { ControlType, type Frame, MessageFlag, nlmsghdr } from "./frame.ts";
import { byteCount, MalformedMessageError, within } from "./malformed.ts";
import { bytes, nestedBytes, s32, text, u32, viewOf } from "./scalar.ts";

/** What the kernel adds to an acknowledgement on a socket with NETLINK_EXT_ACK (enum nlmsgerr_attrs). */
export const extAckAttributes = attributes({
  /** Why, in English. */
  NLMSGERR_ATTR_MSG: [1, text],
  /** Where in the request, in bytes from the beginning of its nlmsghdr. */
  NLMSGERR_ATTR_OFFS: [2, u32],
  NLMSGERR_ATTR_COOKIE: [3, bytes],
  NLMSGERR_ATTR_POLICY: [4, nestedBytes],
  /** The number of an attribute that should have been there. */
  NLMSGERR_ATTR_MISS_TYPE: [5, u32],
  NLMSGERR_ATTR_MISS_NEST: [6, u32],
});

/** How a request ended, or a dump. */
export interface Acknowledgement {
  /** 0, or a positive errno(3) number. */
  readonly errno: number;
  /** NLMSGERR_ATTR_MSG. With errno 0 it is a warning. */
  readonly message: string | undefined;
  /** NLMSGERR_ATTR_OFFS. */
  readonly offset: number | undefined;
  /** NLMSGERR_ATTR_MISS_TYPE. */
  readonly missingAttribute: number | undefined;
}

/**
 * Reads an NLMSG_ERROR or NLMSG_DONE message.
 *
 *     struct nlmsgerr {
 *             int             error;  // 0 or a negative errno
 *             struct nlmsghdr msg;    // of the request
 *             // the request's payload follows, unless NLM_F_CAPPED
 *             // then attributes, if NLM_F_ACK_TLVS
 *     };
 *
 * NLMSG_DONE has the `int` alone before its attributes.
 * Throws {@link MalformedMessageError}.
 */
export function readAcknowledgement(frame: Frame): Acknowledgement {
  const { type, flags, payload } = frame;
  return within(type === ControlType.NLMSG_ERROR ? "NLMSG_ERROR" : "NLMSG_DONE", () => {
    if (type === ControlType.NLMSG_DONE && payload.byteLength === 0) return plain(0);
    if (payload.byteLength < s32.size) {
      throw new MalformedMessageError([], `${byteCount(payload.byteLength)} where the error code has ${s32.size}`);
    }
    const error = s32.get(viewOf(payload), 0);
    // Also spares -2^31 its turn into a number no errno can be.
    if (error > 0 || error < -4095) throw new MalformedMessageError([], `${error} is not a negative errno`);
    const errno = error === 0 ? 0 : -error;
    if ((flags & MessageFlag.NLM_F_ACK_TLVS) === 0) return plain(errno);

    const values = extAckAttributes.values(extAckAttributes.read(payload.subarray(extAckStart(frame))));
    return {
      errno,
      message: values.NLMSGERR_ATTR_MSG,
      offset: values.NLMSGERR_ATTR_OFFS,
      missingAttribute: values.NLMSGERR_ATTR_MISS_TYPE,
    };
  });
}

function plain(errno: number): Acknowledgement {
  return { errno, message: undefined, offset: undefined, missingAttribute: undefined };
}

/** Where the attributes begin in the payload. */
function extAckStart({ type, flags, payload }: Frame): number {
  if (type === ControlType.NLMSG_DONE) return s32.size;
  const header = nlmsghdr.read(payload.subarray(s32.size));
  if ((flags & MessageFlag.NLM_F_CAPPED) !== 0) return s32.size + nlmsghdr.size;
  const requestLength = header.nlmsg_len;
  if (requestLength < nlmsghdr.size || requestLength > payload.byteLength - s32.size) {
    throw new MalformedMessageError([], `the quoted request has length ${requestLength}`);
  }
  return s32.size + align(requestLength);
}
