import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { DpContext } from "../../src/context.ts";
import type { Sink } from "../../src/line-writer.ts";
import { run } from "../../src/run.ts";

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const NOW = new Date("2026-01-02T03:04:05Z");

/** The context of a command, with its output in memory. */
export function fakeContext(options: { env?: Record<string, string>; color?: boolean } = {}) {
  const { env = {}, color = false } = options;
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const context: DpContext = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env,
    colorDepth: 1,
    color: { stdout: color, stderr: color },
    now: () => NOW,
    interruption: () => ({ signal: AbortSignal.abort(), [Symbol.dispose]() {} }),
    serviceOutput: () => ({ stdout: sink(stdout), stderr: sink(stderr) }),
  };
  return { context, stdout, stderr };
}

function sink(stream: PassThrough): Sink {
  return async (bytes) => {
    stream.write(bytes);
    return { bytes: bytes.length };
  };
}

/** Runs `dp` in this process. */
export async function dp(argv: string[], options: Parameters<typeof fakeContext>[0] = {}): Promise<Outcome> {
  const { context, stdout, stderr } = fakeContext(options);
  const code = await run(argv, context);
  stdout.end();
  stderr.end();
  return { code, stdout: await text(stdout), stderr: await text(stderr) };
}
