import { setTimeout as sleep } from "node:timers/promises";
import { Errno, SyscallError } from "./errno.ts";
import { DatapathError } from "./errors.ts";
import { type Fd, O_DIRECTORY, O_RDONLY, open } from "./fd.ts";
import { errnoText, lastErrno, libc } from "./libc.ts";
import { type LockHolder, lockHolder } from "./lock-holder.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** A shorter wait is nothing to speak of. */
const PATIENCE_MS = 1000;
const LONGEST_SLEEP_MS = 250;

/**
 * Takes the exclusive flock(2) of a directory, waiting for whoever holds it. The kernel lets go of it when the holder
 * ends, however it ends; so there is no stale lock to clean up.
 *
 * It polls rather than blocks: a thread asleep in flock(2) could neither time out nor be interrupted.
 *
 * @param timeoutMs gives up after this many milliseconds with a `BUSY` error that names the holder
 * @param onWait told once, after a second of waiting, who is waited for, as far as that can be seen
 * @param signal ends the wait: its reason is thrown then. A lock that is free is taken all the same, unless it is
 *   aborted already
 * @returns the lock: closing it releases it
 * @throws SyscallError for a directory that is not there
 */
export async function lockDirectory(
  directory: string,
  timeoutMs: number,
  onWait?: (holder: LockHolder | undefined) => void,
  signal?: AbortSignal,
): Promise<Fd> {
  signal?.throwIfAborted();
  const fd = open(directory, O_RDONLY | O_DIRECTORY, `lock ${directory}`);
  try {
    const start = performance.now();
    for (let told = false; ;) {
      if (tryLock(fd, directory)) return fd;
      const waited = performance.now() - start;
      if (waited >= timeoutMs) throw heldBy(lockHolder(directory), directory, timeoutMs);
      if (waited >= PATIENCE_MS && !told) {
        onWait?.(lockHolder(directory));
        told = true;
      }
      // Longer, the longer it takes: two hundred waiters would keep the processors busy with asking. And with noise, so
      // that they do not wake as one.
      const nap = Math.min(LONGEST_SLEEP_MS, 5 + waited / 20) * (0.5 + Math.random());
      await interruptible(Math.min(nap, timeoutMs - waited), signal);
    }
  } catch (error) {
    fd.close();
    throw error;
  }
}

async function interruptible(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal && { signal });
  } catch (error) {
    // The runtime's own AbortError stands for it.
    signal?.throwIfAborted();
    throw error;
  }
}

function tryLock(fd: Fd, directory: string): boolean {
  if (libc.flock(fd.number, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = lastErrno();
  if (errno === Errno.EAGAIN || errno === Errno.EINTR) return false;
  throw new SyscallError(`lock ${directory}`, "flock", errno, { target: directory, text: errnoText(errno) });
}

function heldBy(holder: LockHolder | undefined, directory: string, timeoutMs: number): DatapathError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.command})`;
  const waited = timeoutMs === 0 ? "" : `, still after ${timeoutMs / 1000} s`;
  return new DatapathError("BUSY", `lock ${directory}`, `${who} is changing it${waited}`, {
    hint: "try again when that is done, or wait longer: --wait SECONDS",
  });
}
