#!/usr/bin/env node
import { descriptorSink } from "./descriptor-sink.ts";
import { interruption } from "./interruption.ts";
import { run } from "./run.ts";

const { stdin, stdout, stderr, env } = process;
const wantsColor = env["NO_COLOR"] === undefined || env["NO_COLOR"] === "";

/** A command that runs until it is told to stop does not end because nobody reads what it says. */
let runsOn = false;

stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (runsOn) return;
  // `dp list | head`: whoever read has had enough, which is no failure of ours.
  if (error.code === "EPIPE") process.exit();
  stderr.write(`dp: cannot write to standard output: ${error.code ?? error.message}\n`);
  process.exit(1);
});
// There is nobody left to tell. The exit code still says how it went.
stderr.on("error", () => {});

const code = await run(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  colorDepth: 1,
  color: { stdout: wantsColor && stdout.isTTY === true, stderr: wantsColor && stderr.isTTY === true },
  now: () => new Date(),
  interruption: () => {
    runsOn = true;
    return interruption();
  },
  log: descriptorSink(1),
});
// Its log is written, or given up: what somebody has not read yet must not keep the process.
if (runsOn) process.exit(code);
process.exitCode = code;
