#!/usr/bin/env node
import type { Writable } from "node:stream";
import { descriptorSink } from "./descriptor-sink.ts";
import { mayBeTerminal, writeDirectly } from "./direct-output.ts";
import { interruption } from "./interruption.ts";
import { run } from "./run.ts";

/** What only the executable has: elsewhere it may be Node. */
const runtime = globalThis as { Bun?: { unsafe: { setJITPolicy: (scale: number) => void } } };

const STDOUT = 1;
const STDERR = 2;

const { env } = process;
const wantsColor = env["NO_COLOR"] === undefined || env["NO_COLOR"] === "";

/** The command writes a log, until it is told to stop. It never waits for who reads, nor ends because nobody does. */
let runsOn = false;

/** What a command writes to; it uses nothing else of a stream. */
function output(fd: number, stream: () => Writable, failed: (code: string) => void): Writable {
  let opened: Writable | undefined;
  const write = (text: string): boolean => {
    if (runsOn) return (opened ??= stream().on("error", () => {})).write(text);
    const error = writeDirectly(fd, text);
    if (error !== undefined) failed(error);
    return true;
  };
  return { write } as unknown as Writable;
}

const stdout = output(
  STDOUT,
  () => process.stdout,
  (error) => {
    // `dp list | head`: whoever read has had enough, which is no failure of ours.
    if (error === "EPIPE") return;
    writeDirectly(STDERR, `dp: cannot write to standard output: ${error}\n`);
    process.exit(1);
  },
);
const stderr = output(
  STDERR,
  () => process.stderr,
  // There is nobody left to tell. The exit code still says how it went.
  () => {},
);

const code = await run(process.argv.slice(2), {
  get stdin() {
    return process.stdin;
  },
  stdout,
  stderr,
  env,
  colorDepth: 1,
  color: {
    stdout: wantsColor && mayBeTerminal(STDOUT) && process.stdout.isTTY,
    stderr: wantsColor && mayBeTerminal(STDERR) && process.stderr.isTTY,
  },
  now: () => new Date(),
  interruption,
  get log() {
    runsOn = true;
    // The executable starts with a policy for commands that end at once: see build/compile.ts.
    runtime.Bun?.unsafe.setJITPolicy(1);
    return descriptorSink(STDOUT);
  },
});
// Its log is written, or given up: what somebody has not read yet must not keep the process.
if (runsOn) process.exit(code);
process.exitCode = code;
