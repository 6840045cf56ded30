import { setTimeout as sleep } from "node:timers/promises";
import { Errno, SyscallError } from "./errno.ts";
import { DatapathError } from "./errors.ts";
import { type Fd, O_DIRECTORY, O_RDONLY, open } from "./fd.ts";
import { errnoText, lastErrno, libc } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the exclusive flock(2) of a directory, waiting for whoever holds it. The kernel lets go of it when the holder
 * ends, however it ends; so there is no stale lock to clean up.
 *
 * It polls rather than blocks: a thread asleep in flock(2) could neither time out nor be interrupted.
 *
 * @param timeoutMs gives up after this many milliseconds with a `CONFLICT` error
 * @returns the lock: closing it releases it
 */
export async function lockDirectory(directory: string, timeoutMs: number, onWait?: () => void): Promise<Fd> {
  const fd = open(directory, O_RDONLY | O_DIRECTORY, `lock ${directory}`);
  try {
    const deadline = performance.now() + timeoutMs;
    for (let waits = 0; ; waits++) {
      if (libc.flock(fd.number, LOCK_EX | LOCK_NB) === 0) return fd;
      const errno = lastErrno();
      if (errno !== Errno.EAGAIN && errno !== Errno.EINTR) {
        throw new SyscallError(`lock ${directory}`, "flock", errno, { target: directory, text: errnoText(errno) });
      }
      if (waits === 0) onWait?.();
      if (performance.now() > deadline) {
        throw new DatapathError(
          "CONFLICT",
          `lock ${directory}`,
          `another change has held it for ${Math.round(timeoutMs / 1000)} s`,
          { hint: "see which `dp` is still running (pgrep -a dp), then try again" },
        );
      }
      // A little noise, so that a hundred waiters do not wake as one.
      await sleep(5 + Math.random() * 20);
    }
  } catch (error) {
    fd.close();
    throw error;
  }
}
