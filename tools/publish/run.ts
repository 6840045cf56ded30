import { spawnSync } from "node:child_process";
import { Failure } from "./failure.ts";

/** Runs a program to its end and returns what it printed. Throws `Failure` with all of its output when it fails. */
export function run(directory: string, command: readonly [string, ...string[]], what: string): string {
  const [program, ...args] = command;
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw new Failure(`${what}: cannot start ${program}: ${error.message}`);
  if (status === 0) return stdout;
  const output = `${stdout}${stderr}`.trimEnd();
  throw new Failure(`${what}: ${program} ended with ${signal ?? `status ${status}`}${output && `\n${output}`}`);
}
