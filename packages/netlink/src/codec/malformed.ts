import { DatapathError } from "@dp/sys";

/**
 * Bytes that are not a valid message: cut short, or with an impossible length.
 *
 * `path` leads to the place from the outside in, in the kernel's names: `["IFLA_LINKINFO", "IFLA_INFO_KIND"]`.
 */
export class MalformedMessageError extends DatapathError {
  override readonly name = "MalformedMessageError";
  readonly path: readonly string[];
  /** What is wrong, without the path. */
  readonly detail: string;

  constructor(path: readonly string[], detail: string) {
    super("FAILED", "read a netlink message", path.length === 0 ? detail : `${path.join(" > ")}: ${detail}`);
    this.path = path;
    this.detail = detail;
  }
}

/** Runs a decoder and prefixes the path of what it finds malformed with `name`. */
export function within<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessageError) throw new MalformedMessageError([name, ...error.path], error.detail);
    throw error;
  }
}

/** "1 byte", "4 bytes". */
export function byteCount(count: number): string {
  return `${count} ${count === 1 ? "byte" : "bytes"}`;
}
