import { DatapathError, Errno, type ErrorCode, errnoName, errnoText } from "@dp/sys";
import type { Frame } from "./codec/frame.ts";

/** What the kernel's answer has besides the errno. */
export interface NetlinkErrorDetails {
  /** The kernel's message (NLMSGERR_ATTR_MSG), or a text of this package where there is none. */
  message?: string | undefined;
  /** Where in the request the offending attribute is (NLMSGERR_ATTR_OFFS). */
  offset?: number | undefined;
  /** Number of the attribute the kernel missed (NLMSGERR_ATTR_MISS_TYPE). */
  missingAttribute?: number | undefined;
  hint?: string | undefined;
  cause?: unknown;
}

/**
 * The kernel refused a request, or the answer did not come.
 *
 * `code` is `UNSUPPORTED` where privileges (EPERM) or the kernel (EOPNOTSUPP) lack something, `CONFLICT` where what
 * was to be made exists already (EEXIST), `FAILED` otherwise.
 */
export class NetlinkError extends DatapathError {
  override readonly name = "NetlinkError";
  /** Positive errno(3) number. */
  readonly errno: number;
  /** `EEXIST` */
  readonly errnoName: string;
  /** The kernel's own explanation, where it gave one: "Nexthop has invalid gateway". */
  readonly kernelMessage: string | undefined;
  /** Byte of the request, counted from its nlmsghdr, that the kernel objects to. */
  readonly offset: number | undefined;
  /** Number of an attribute the kernel missed in the request. */
  readonly missingAttribute: number | undefined;

  constructor(op: string, errno: number, details: NetlinkErrorDetails = {}) {
    const name = errnoName(errno);
    const why = details.message ?? errnoText(errno);
    const where = details.offset === undefined ? "" : `, at byte ${details.offset} of the request`;
    super(errorCode(errno), op, `${why} (${name}${where})`, {
      hint: details.hint ?? errnoHint(errno),
      ...(details.cause === undefined ? {} : { cause: details.cause }),
    });
    this.errno = errno;
    this.errnoName = name;
    this.kernelMessage = details.message;
    this.offset = details.offset;
    this.missingAttribute = details.missingAttribute;
  }
}

/**
 * A list that changed each time it was read, so that no reading was one consistent snapshot. `readings` are the last
 * two, for callers that can merge them.
 */
export class InterruptedDumpError extends NetlinkError {
  readonly readings: readonly (readonly Frame[])[];

  constructor(op: string, attempts: number, readings: readonly (readonly Frame[])[]) {
    super(op, Errno.EINTR, { message: `the list changed while it was read, ${attempts} times in a row` });
    this.readings = readings;
  }
}

function errorCode(errno: number): ErrorCode {
  if (errno === Errno.EPERM || errno === Errno.EOPNOTSUPP) return "UNSUPPORTED";
  if (errno === Errno.EEXIST) return "CONFLICT";
  return "FAILED";
}

function errnoHint(errno: number): string | undefined {
  if (errno !== Errno.EPERM) return undefined;
  return "this takes root, or CAP_NET_ADMIN in the network namespace";
}
