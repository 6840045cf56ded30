/** Shorter waits for the kernel while interfaces are made, guarded and deleted. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Fd, O_RDONLY, open } from "./fd.ts";
import { libc } from "./libc.ts";

const RCU_EXPEDITED = "/sys/kernel/rcu_expedited";

/** Any number but 0 has the effect. This one tells the setting of a killed process from an operator's. */
const MARK = "25712";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Has the kernel expedite its RCU grace periods until this is disposed of.
 *
 * Attaching a program to a TCX hook waits for a grace period, and so does deleting an interface: 7 to 15 ms each at 250
 * Hz, with the kernel's networking lock held. An expedited one takes a fraction of a millisecond and sends an interrupt
 * to each busy processor; the kernel itself uses them when it takes interfaces down (`synchronize_net`). The setting is
 * global: the last process that asked for it resets it, and the next process resets what a killed one has left. A value
 * that another program has set stays. Where the setting cannot be written, changes take longer.
 *
 * Source: Documentation/admin-guide/kernel-parameters.txt, `rcupdate.rcu_expedited`.
 * It throws nothing.
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

/** A descriptor with a shared lock for as long as the setting is needed; undefined when it is set or cannot be. */
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
    // The kernel lacks the setting, or it is read-only, as in a container.
  }
  fd?.close();
  return undefined;
}

/** Resets it, unless another process still needs it: then that process does. */
function end(fd: Fd, path: string): void {
  try {
    if (libc.flock(fd.number, LOCK_EX | LOCK_NB) !== 0) return;
    if (read(path) === MARK) writeFileSync(path, "0\n");
  } catch {
    // The next process resets it.
  }
}

function read(path: string): string {
  return readFileSync(path, "utf8").trim();
}
