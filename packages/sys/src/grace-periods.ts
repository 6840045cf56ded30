import { readFileSync, writeFileSync } from "node:fs";

/** Any number but 0 does (Documentation/RCU of the kernel); an operator who wants it for good writes 1. */
const SWITCH = "/sys/kernel/rcu_expedited";
const OFF = 0;
const OURS = 25565;

/**
 * Until it is disposed, the kernel hurries every wait for readers of what is being replaced (an RCU grace period):
 * tens of microseconds and an interrupt on each CPU, instead of two to four ticks of its clock, 7 to 15 ms. Attaching a
 * program to an interface takes one such wait, deleting an interface several, all with the kernel's network
 * configuration locked. The kernel hurries others of the same operations by itself.
 *
 * The switch is the whole machine's. What somebody else has set stays. Whoever is done with it first puts it back, so
 * those at it at the same time may be slow again; and what a process that was killed has left on, the next one turns
 * off. Where it cannot be set (/sys is read-only, the kernel has no such switch) nothing happens.
 *
 * @param path of the switch, for tests
 */
export function hurryGracePeriods(path = SWITCH): Disposable {
  const before = read(path);
  if (before === OFF) write(path, OURS);
  const ours = before === OFF || before === OURS;
  return {
    [Symbol.dispose]() {
      if (ours && read(path) === OURS) write(path, OFF);
    },
  };
}

function read(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "latin1"));
  } catch {
    return undefined;
  }
}

function write(path: string, value: number): void {
  try {
    writeFileSync(path, `${value}`);
  } catch {
    // Slower, and that is all.
  }
}
