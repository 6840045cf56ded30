/**
 * A hook for tests: no part of the public API, any version may change it. It loads no native code.
 *
 * @module @dp/sys/fault
 */
import { writeSync } from "node:fs";
import { DatapathError } from "./errors.ts";

interface Fault {
  what: "kill" | "fail";
  at: number | string;
}

let faults: readonly Fault[] = [];
let passed = 0;

/**
 * Makes changes of this process fail, or ends it before one. `kill:12` ends the process with SIGKILL instead of making
 * the twelfth change from now on, `fail:7` makes the seventh fail, `fail:7,kill:9` kills it while it undoes what it did
 * before the seventh. `kill:link to dp_arp` means the first change with these words. The rest of the text is ignored.
 * It throws nothing.
 */
export function injectFaults(text: string): void {
  faults = [...text.matchAll(/(kill|fail):([^,]+)/g)].map(([, what, at = ""]) => ({
    what: what as Fault["what"],
    at: /^\d+$/.test(at) ? Number(at) : at,
  }));
  passed = 0;
}

/**
 * Stands before every system call that changes what outlives this process: pins, map entries, links, interfaces,
 * addresses, routes, settings, mounts. Between two of them is where a process can be killed halfway.
 *
 * @param change what is about to be done, and to what: "pin", "/sys/fs/bpf/maps/dp_configs"
 * @throws DatapathError `FAILED` where {@link injectFaults} asked for it
 */
export function beforeChange(change: string, target: string | number = ""): void {
  if (faults.length === 0) return;
  passed += 1;
  const op = `${change} ${target}`.trim();
  const fault = faults.find(({ at }) => (typeof at === "number" ? at === passed : op.includes(at)));
  if (fault === undefined) return;
  if (fault.what === "fail") throw new DatapathError("FAILED", op, "a test makes it fail");
  writeSync(process.stderr.fd, `killed before change ${passed}: ${op}\n`);
  process.kill(process.pid, "SIGKILL");
}
