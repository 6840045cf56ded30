import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

/**
 * Runs `body` with the path of a procfs mount of its own, which exists while `body` runs.
 *
 * The kernel caches each name that is looked up under /proc/sys/net, for each network namespace, and compares later
 * look-ups of this name with all of them. So a look-up in the machine's /proc takes a microsecond longer for each
 * namespace that was configured through it: ten milliseconds with ten thousand. An own mount has an empty cache.
 *
 * Where it cannot be mounted (glibc before 2.36, missing privileges), the path is /proc. Throws what `body` throws.
 *
 * Source: fsopen(2), fsmount(2).
 */
export function withOwnProc<T>(body: (path: string) => T): T {
  using mount = mountProc();
  return body(mount === undefined ? "/proc" : `/proc/self/fd/${mount.number}`);
}

function mountProc(): Fd | undefined {
  try {
    const context = libc.fsopen("proc", FSOPEN_CLOEXEC);
    if (context < 0) return undefined;
    using filesystem = new Fd(context);
    if (libc.fsconfig(filesystem.number, FSCONFIG_CMD_CREATE, null, null, 0) < 0) return undefined;
    const mount = libc.fsmount(filesystem.number, FSMOUNT_CLOEXEC, 0);
    return mount < 0 ? undefined : new Fd(mount);
  } catch {
    // The library has no such function.
    return undefined;
  }
}
