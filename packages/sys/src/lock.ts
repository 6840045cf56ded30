import { fstatSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Errno, SyscallError } from "./errno.ts";
import { DatapathError } from "./errors.ts";
import { type Fd, O_DIRECTORY, O_RDONLY, open } from "./fd.ts";
import { errnoText, lastErrno, libc } from "./libc.ts";
import { type LockHolder, lockHolder } from "./lock-holder.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** A wait this long is reported. */
const REPORT_AFTER_MS = 1000;
const LONGEST_SLEEP_MS = 250;

/**
 * Takes the exclusive flock(2) of a directory, and waits while another process holds it. The kernel releases a lock
 * when its process ends, so there are no stale locks.
 *
 * A directory that was removed while it was waited for is not the one at that path: then it is a failure as if it had
 * not been there.
 *
 * It polls: a thread that sleeps in flock(2) could neither time out nor be interrupted.
 *
 * @param timeoutMs gives up after this many milliseconds with a `BUSY` error that names the holder
 * @param onWait called once, after a second of waiting, with the holder where it is known
 * @param signal ends the wait, with its reason as the error. A free lock is taken unless the signal is aborted already
 * @returns the lock: closing it releases it
 * @throws SyscallError when the directory does not exist
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
      if (tryLock(fd, directory)) {
        if (isAt(directory, fd)) return fd;
        throw new SyscallError(`lock ${directory}`, "flock", Errno.ENOENT, { target: directory });
      }
      const waited = performance.now() - start;
      if (waited >= timeoutMs) throw heldBy(lockHolder(directory), directory, timeoutMs);
      if (waited >= REPORT_AFTER_MS && !told) {
        onWait?.(lockHolder(directory));
        told = true;
      }
      // Naps grow, because two hundred waiting processes would keep the processors busy, and vary, so that they do not
      // all wake at once.
      const nap = Math.min(LONGEST_SLEEP_MS, 5 + waited / 20) * (0.5 + Math.random());
      await interruptible(Math.min(nap, timeoutMs - waited), signal);
    }
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Whether a directory is still the one at its path. */
function isAt(directory: string, fd: Fd): boolean {
  const there = statSync(directory, { bigint: true, throwIfNoEntry: false });
  const open = fstatSync(fd.number, { bigint: true });
  return there?.dev === open.dev && there.ino === open.ino;
}

async function interruptible(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal && { signal });
  } catch (error) {
    // The runtime throws an AbortError of its own instead of the reason.
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
