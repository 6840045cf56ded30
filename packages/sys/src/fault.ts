import { writeSync } from "node:fs";
import { DatapathError } from "./errors.ts";

/**
 * What tests do to a running change, from the environment variable DP_FAULT: "kill:12" ends the process with SIGKILL
 * instead of making its twelfth change, "fail:7" makes the seventh fail, "fail:7,kill:9" kills it while it takes back
 * what it did before the seventh. "kill:link to dp_arp" goes by what is changed: the first with these words.
 * Nobody else sets it.
 */
interface Fault {
  what: "kill" | "fail";
  at: number | string;
}

const faults: readonly Fault[] = parseFaults(process.env["DP_FAULT"] ?? "");
let passed = 0;

function parseFaults(text: string): Fault[] {
  return [...text.matchAll(/(kill|fail):([^,]+)/g)].map(([, what, at = ""]) => ({
    what: what as Fault["what"],
    at: /^\d+$/.test(at) ? Number(at) : at,
  }));
}

/**
 * Stands before every system call that changes what outlives this process: pins, map entries, links, interfaces,
 * addresses, routes, settings, mounts. Between two of them is where a process can be killed halfway.
 *
 * @internal
 * @param change what is about to be done, and to what: "pin", "/sys/fs/bpf/maps/dp_configs"
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
