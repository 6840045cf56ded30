import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

/**
 * Runs `body` with a procfs that nobody else has, and that is gone after: its path, good for as long as `body` runs.
 *
 * What is looked up under /proc/sys/net of another network namespace stays in the kernel's cache of names, next to that
 * of all the others, and is compared with whenever a name like it is looked up. So the machine's /proc gets slower with
 * every namespace that was configured by way of it: a microsecond each, ten milliseconds with ten thousand.
 *
 * Where there is no making one (glibc before 2.36, missing privileges), it is /proc. Throws what `body` throws.
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
