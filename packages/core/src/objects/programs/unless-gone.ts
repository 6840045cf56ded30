import { Errno, SyscallError } from "@dp/sys";

/** What `open` opens by its id; undefined when it has ended since the id was read. */
export function unlessGone<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}
