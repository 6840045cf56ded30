#!/usr/bin/env node
import { interruption } from "./interruption.ts";
import { run } from "./run.ts";

const { stdin, stdout, stderr, env } = process;
const wantsColor = env["NO_COLOR"] === undefined || env["NO_COLOR"] === "";

// `dp list | head`: whoever read has had enough, which is no failure of ours.
for (const stream of [stdout, stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
}

process.exitCode = await run(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  colorDepth: 1,
  color: { stdout: wantsColor && stdout.isTTY === true, stderr: wantsColor && stderr.isTTY === true },
  now: () => new Date(),
  interruption,
});
