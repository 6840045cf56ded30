import { DatapathError, Errno, type Fd, openNetns, SyscallError } from "@dp/sys";

/** An open network namespace and the path it was found under. */
export interface Namespace extends Disposable {
  /** Owned: close it, or let `using` do so. */
  readonly fd: Fd;
  readonly path: string;
}

const NAMED = "/run/netns";

/**
 * Opens a network namespace.
 *
 * @param ref a path (anything with a '/'), a name of `ip netns` (a file in /run/netns), or `pid:N` for the namespace
 *   process N is in
 * @throws DatapathError `BAD_USAGE` for a reference that cannot name one, `FAILED` if there is none of that name;
 *   SyscallError for other failures
 */
export function openNamespace(ref: string): Namespace {
  const op = `open network namespace ${ref}`;
  const { path, missing, hint } = locate(ref, op);
  try {
    const fd = openNetns(path);
    return { fd, path, [Symbol.dispose]: () => fd.close() };
  } catch (error) {
    // ENOTDIR: "a/b" where a is a file.
    const absent: number[] = [Errno.ENOENT, Errno.ENOTDIR];
    if (error instanceof SyscallError && absent.includes(error.errno)) {
      throw new DatapathError("FAILED", op, missing, { cause: error, hint });
    }
    throw error;
  }
}

function locate(ref: string, op: string): { path: string; missing: string; hint?: string } {
  if (ref.startsWith("pid:")) {
    const pid = ref.slice("pid:".length);
    if (!/^[1-9]\d{0,9}$/.test(pid)) {
      throw new DatapathError("BAD_USAGE", op, `${JSON.stringify(pid)} is not a process id`);
    }
    return { path: `/proc/${pid}/ns/net`, missing: `there is no process ${pid}` };
  }
  if (ref.includes("\0")) throw new DatapathError("BAD_USAGE", op, "a NUL in its name");
  if (ref.includes("/")) return { path: ref, missing: "there is no such file" };
  if (ref === "" || ref === "." || ref === "..") {
    throw new DatapathError("BAD_USAGE", op, "expected a path, a name or pid:N");
  }
  return {
    path: `${NAMED}/${ref}`,
    missing: `nothing has this name in ${NAMED}`,
    hint: "`ip netns list` shows those there are; a process's is pid:N",
  };
}
