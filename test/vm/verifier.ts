import { join } from "node:path";
import { type Counts, toCounts } from "./guest/result.ts";
import type { Kernel } from "./kernel.ts";
import { boot } from "./machine.ts";
import type { BootFolder } from "./smoke.ts";

/** What the verifier of a kernel makes of the programs, in a machine booted for it. */
export async function verifierCounts(kernel: Kernel, { path: folder, base }: BootFolder): Promise<Counts> {
  const { console } = await boot(kernel, { folder, base, run: "verifier" });
  return countsIn(console);
}

/** The same of the kernel this runs on. Needs root. */
export function ownVerifierCounts(): Counts {
  const script = join(import.meta.dirname, "guest", "verifier.ts");
  const { stdout, stderr } = Bun.spawnSync([process.execPath, script]);
  return countsIn(`${stdout}${stderr}`);
}

function countsIn(output: string): Counts {
  for (const line of output.split(/\r?\n/)) {
    const counts = toCounts(line);
    if (counts !== undefined) return counts;
  }
  throw new Error(`the programs were not counted:\n${output.slice(-4000)}`);
}
