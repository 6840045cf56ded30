import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Counts, type Result, toCounts, toResult } from "./guest/result.ts";
import { writeBase } from "./initramfs.ts";
import type { Kernel } from "./kernel.ts";
import { boot } from "./machine.ts";

/** What a machine with that kernel made of the cases. */
export interface Report {
  readonly kernel: Kernel;
  readonly results: ReadonlyMap<string, Result>;
  /** What programs cost its verifier; empty when it did not come that far. */
  readonly counts: Counts;
  /** Whether it came to its end; if not, its console's last lines say more. */
  readonly done: boolean;
  readonly console: string;
}

/** The large files that machines boot from, gone with this. */
export class BootFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "vm-"));
  readonly base = join(this.path, "base.cpio");

  constructor() {
    writeBase(this.base);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Boots a kernel and runs the cases of guest/cases.ts in it. */
export async function smoke(
  kernel: Kernel,
  { path: folder, base }: BootFolder,
  onResult: (result: Result) => void = () => {},
): Promise<Report> {
  const results = new Map<string, Result>();
  let counts: Counts = {};
  const onLine = (line: string) => {
    counts = toCounts(line) ?? counts;
    const result = toResult(line);
    if (result === undefined) return;
    results.set(result.case, result);
    onResult(result);
  };
  const { done, console } = await boot(kernel, { folder, base, run: "smoke", onLine });
  return { kernel, results, counts, done, console };
}

/** The end of what it wrote to its console, without the results. */
export function lastWords({ console }: Report, lines = 40): string {
  return console
    .split(/\r?\n/)
    .filter((line) => toResult(line) === undefined)
    .slice(-lines)
    .join("\n");
}
