#!/usr/bin/env node
import type { Writable } from "node:stream";
import { EXIT_FAILED } from "./exit-code.ts";
import { interruption } from "./interruption.ts";
import { descriptorSink, mayBeTerminal, Output } from "./output.ts";
import { run } from "./run.ts";

/** The executable runs in Bun, the package also in Node. */
const runtime = globalThis as { Bun?: { unsafe: { setJITPolicy: (scale: number) => void } } };

const STDOUT = 1;
const STDERR = 2;

const { env } = process;
const wantsColor = env["NO_COLOR"] === undefined || env["NO_COLOR"] === "";
const stdout = new Output(STDOUT);
const stderr = new Output(STDERR);
let isService = false;

// Tests have a change fail, or kill the process before one.
const faults = env["DP_FAULT"];
if (faults !== undefined) (await import("@dp/sys/fault")).injectFaults(faults);

let code = await run(process.argv.slice(2), {
  get stdin() {
    return process.stdin;
  },
  // A command calls nothing but `write`.
  stdout: stdout as unknown as Writable,
  stderr: stderr as unknown as Writable,
  env,
  colorDepth: 1,
  color: {
    stdout: wantsColor && mayBeTerminal(STDOUT) && process.stdout.isTTY,
    stderr: wantsColor && mayBeTerminal(STDERR) && process.stderr.isTTY,
  },
  now: () => new Date(),
  interruption,
  serviceOutput: () => {
    isService = true;
    // The executable starts with a policy for short commands: see build/compile.ts.
    runtime.Bun?.unsafe.setJITPolicy(1);
    return { stdout: descriptorSink(STDOUT), stderr: descriptorSink(STDERR) };
  },
});
// EPIPE is not a failure: the reader of `dp list | head` has read enough.
if (stdout.error !== undefined && stdout.error !== "EPIPE") {
  stderr.write(`dp: cannot write to standard output: ${stdout.error}\n`);
  code = EXIT_FAILED;
}
// A write that a stalled reader still blocks must not keep a service alive: LineWriter.end() has waited for it.
if (isService) process.exit(code);
process.exitCode = code;
