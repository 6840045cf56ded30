/**
 * Turns return codes of libbpf and bpf(2) into errors. No other file does.
 *
 * Every binding of ffi/ returns a result, or a negative number: an errno(3) of the kernel, or one of libbpf's own
 * from 4000 up.
 */
import { DatapathError, Errno, errnoText, SyscallError } from "@dp/sys";

/** enum libbpf_errno (libbpf.h), with texts for operators. */
const LIBBPF_ERRORS: Readonly<Record<number, readonly [name: string, text: string]>> = {
  4000: ["LIBBPF_ERRNO__LIBELF", "libelf failed"],
  4001: ["LIBBPF_ERRNO__FORMAT", "it is not a BPF object file"],
  4002: ["LIBBPF_ERRNO__KVERSION", "its version section is missing or wrong"],
  4003: ["LIBBPF_ERRNO__ENDIAN", "it is built for the other byte order"],
  4004: ["LIBBPF_ERRNO__INTERNAL", "internal error of libbpf"],
  4005: ["LIBBPF_ERRNO__RELOC", "a relocation failed"],
  4006: ["LIBBPF_ERRNO__LOAD", "the program failed to load for an unknown reason"],
  4007: ["LIBBPF_ERRNO__VERIFY", "the kernel's verifier refuses the program"],
  4008: ["LIBBPF_ERRNO__PROG2BIG", "the program is too big"],
  4009: ["LIBBPF_ERRNO__KVER", "it is built for another kernel version"],
  4010: ["LIBBPF_ERRNO__PROGTYPE", "the kernel does not know this program type"],
  4011: ["LIBBPF_ERRNO__WRNGPID", "a netlink answer is for another process"],
  4012: ["LIBBPF_ERRNO__INVSEQ", "a netlink answer is out of sequence"],
  4013: ["LIBBPF_ERRNO__NLPARSE", "a netlink answer cannot be parsed"],
};

export const NOT_PRIVILEGED = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

/** libbpf itself refused (its own error numbers, 4000 and up), not the kernel. */
export class LibbpfError extends DatapathError {
  override readonly name = "LibbpfError";
  /** The libbpf function. */
  readonly call: string;
  /** 4000 and up; see enum libbpf_errno. */
  readonly errno: number;
  readonly errnoName: string;

  constructor(op: string, call: string, errno: number, text: string, options: { cause?: unknown } = {}) {
    const name = LIBBPF_ERRORS[errno]?.[0] ?? `libbpf error ${errno}`;
    super("FAILED", op, `${text} (${call}: ${name})`, options);
    this.call = call;
    this.errno = errno;
    this.errnoName = name;
  }
}

/** All messages of libbpf during an operation that failed: the `cause` of the error. */
export class LibbpfMessages extends Error {
  override readonly name = "LibbpfMessages";
  readonly messages: readonly string[];

  constructor(messages: readonly string[]) {
    super(messages.join("\n"));
    this.messages = [...messages];
  }
}

export interface FailedCall {
  /** What was being done, in words: the error's `op`. */
  op: string;
  /** The libbpf function or bpf(2) command. */
  call: string;
  /** The object: a path, a map, an interface. */
  target?: string | undefined;
  /** libbpf's messages meanwhile. */
  messages?: readonly string[] | undefined;
  /** Replaces the error number's own text. */
  text?: string | undefined;
  hint?: string | undefined;
}

/** The error for a negative result. */
export function callError(result: number, failed: FailedCall): DatapathError {
  const errno = -result;
  const { messages = [] } = failed;
  const cause = messages.length > 0 ? new LibbpfMessages(messages) : undefined;
  const unprivileged = errno === Errno.EPERM || errno === Errno.EACCES;
  // libbpf's first message is the reason, later ones are consequences. For missing privileges it suggests kernel
  // configuration and memory limits: its errno says more.
  const said = unprivileged || failed.text !== undefined || messages[0] === undefined ? "" : `: ${messages[0]}`;
  if (errno >= 4000) {
    const text = failed.text ?? LIBBPF_ERRORS[errno]?.[1] ?? "unknown error";
    return new LibbpfError(failed.op, failed.call, errno, text + said, { cause });
  }
  return new SyscallError(failed.op, failed.call, errno, {
    target: failed.target,
    text: (failed.text ?? kernelText(errno)) + said,
    hint: failed.hint ?? (unprivileged ? NOT_PRIVILEGED : undefined),
    cause,
  });
}

function kernelText(errno: number): string {
  // ENOTSUPP is internal to the kernel: libc has no text for it, though it does reach user space.
  return errno === Errno.ENOTSUPP ? "Operation not supported by this kernel" : errnoText(errno);
}

/** Returns a result that is not negative; throws {@link callError} for one that is. */
export function check(result: number, failed: FailedCall): number {
  if (result < 0) throw callError(result, failed);
  return result;
}
