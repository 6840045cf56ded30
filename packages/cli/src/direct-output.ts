import { fstatSync, writeSync } from "node:fs";
import { sleepSync } from "@dp/sys/sleep";

/** How long to wait for a reader whose pipe is full, when the pipe does not let a write wait. */
const AGAIN_MS = 5;

/**
 * Writes text to a file descriptor before it returns, for a command that prints what it has to say and ends. The
 * process's own streams would do, but making them takes longer than most commands do.
 *
 * @returns the name of the errno when not all of it could be written
 */
export function writeDirectly(fd: number, text: string): string | undefined {
  let rest: Uint8Array = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const { code = "UNKNOWN" } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN") return code;
      sleepSync(AGAIN_MS);
    }
  }
  return undefined;
}

/** False for what is certainly no terminal, such as a file, a pipe, or nothing at all. */
export function mayBeTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return false;
  }
}
