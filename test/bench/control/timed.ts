import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fd, withNetns } from "@dp/sys";

/** Time of a process, from its start until it was waited for, in milliseconds. */
export interface Took {
  readonly wall: number;
  /** Processor time in user mode and in the kernel, with that of its children. */
  readonly cpu: number;
  readonly stdout: string;
}

/** Characters of the output of a failed process that are shown: a batch prints thousands of lines. */
const SHOWN = 2000;

export interface Command {
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Runs a program in a network namespace, without another program in between that would be measured too. */
export function timed(netns: Fd, { words, env = {}, stdin = "" }: Command): Took {
  // Into a file: no process has to read while it writes, and what it wrote last is not lost when it ends (Bun 1.4.5).
  const file = join(tmpdir(), `output-${process.pid}`);
  const output = openSync(file, "w");
  try {
    return withNetns(netns, () => {
      const start = performance.now();
      const result = Bun.spawnSync([...words], {
        env: { ...process.env, ...env },
        stdin: Buffer.from(stdin),
        stdout: output,
        stderr: "pipe",
      });
      const wall = performance.now() - start;
      const stdout = readFileSync(file, "utf8");
      if (result.exitCode !== 0) {
        const shown = `${stdout}${result.stderr.toString()}`.slice(-SHOWN);
        throw new Error(`${words.join(" ")}: exit status ${result.exitCode}\n${shown}`);
      }
      const { cpuTime } = result.resourceUsage;
      return { wall, cpu: Number(cpuTime.total) / 1000, stdout };
    });
  } finally {
    closeSync(output);
    rmSync(file);
  }
}

/** Processes that ran one after the other, taken together. */
export function together(parts: readonly Took[]): Took {
  const sum = (of: (took: Took) => number) => parts.reduce((total, each) => total + of(each), 0);
  return {
    wall: sum(({ wall }) => wall),
    cpu: sum(({ cpu }) => cpu),
    stdout: parts.at(-1)?.stdout ?? "",
  };
}
