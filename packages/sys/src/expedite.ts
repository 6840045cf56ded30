/** Shorter waits for the kernel while interfaces are made, guarded and deleted. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Fd, O_RDONLY, open } from "./fd.ts";
import { libc } from "./libc.ts";

const RCU_EXPEDITED = "/sys/kernel/rcu_expedited";

/** Any number but 0 does it. By this one, what a process that was killed has left is told from what somebody set. */
const MARK = "25712";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Has the kernel end its RCU grace periods at once, instead of in its own good time, until this is disposed of.
 *
 * Attaching a program to a TCX hook waits for a grace period, and so does deleting an interface: 7 to 15 ms each at 250
 * Hz, with the kernel's networking lock held. Expedited, it is a fraction of a millisecond, and an interrupt to each
 * busy processor; the kernel does so itself where it takes interfaces down (`synchronize_net`). The setting is the
 * machine's: it is taken back at the end by the last of those that asked for it, and what one that was killed has left
 * by the next one. A value that somebody else has set stays. Where it cannot be set, it takes longer, and nothing else.
 *
 * Source: Documentation/admin-guide/kernel-parameters.txt, `rcupdate.rcu_expedited`.
 *
 * @param path of the setting
 */
export function expediteGracePeriods(path: string = RCU_EXPEDITED): Disposable {
  const held = begin(path);
  return {
    [Symbol.dispose]() {
      if (held === undefined) return;
      end(held, path);
      held.close();
    },
  };
}

/** The descriptor whose shared lock says that somebody wants it; undefined when there is nothing to do, or no way. */
function begin(path: string): Fd | undefined {
  let fd: Fd | undefined;
  try {
    fd = open(path, O_RDONLY, `open ${path}`);
    if (libc.flock(fd.number, LOCK_SH | LOCK_NB) === 0) {
      const before = read(path);
      if (before === "0") writeFileSync(path, `${MARK}\n`);
      if (before === "0" || before === MARK) return fd;
    }
  } catch {
    // Not this kernel's, or not ours to set: a container's /sys is read-only.
  }
  fd?.close();
  return undefined;
}

/** Takes it back, unless somebody else still wants it: then that one does. */
function end(fd: Fd, path: string): void {
  try {
    if (libc.flock(fd.number, LOCK_EX | LOCK_NB) !== 0) return;
    if (read(path) === MARK) writeFileSync(path, "0\n");
  } catch {
    // The next one takes it back.
  }
}

function read(path: string): string {
  return readFileSync(path, "utf8").trim();
}
