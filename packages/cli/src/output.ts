import { fstatSync, write, writeSync } from "node:fs";
import { sleepSync } from "@dp/sys/sleep";
import type { Sink, Written } from "./line-writer.ts";
import { printableLines } from "./style.ts";

/** How long to wait for the reader of a full pipe, where the pipe is in non-blocking mode. */
const AGAIN_MS = 5;

/**
 * Standard output or standard error of a command: `write` returns when everything is written, however slow the reader
 * is. `process.stdout` cannot do that: what it has not written when the process exits is lost. Opening it also takes
 * longer than most commands run.
 */
export class Output {
  readonly #fd: number;
  /** The errno of the write that failed, such as "ENOSPC". Nothing is written after it. */
  error: string | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string): boolean {
    let rest: Uint8Array = Buffer.from(printableLines(text));
    while (rest.length > 0 && this.error === undefined) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        const { code = "UNKNOWN" } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") sleepSync(AGAIN_MS);
        else this.error = code;
      }
    }
    return this.error === undefined;
  }
}

/**
 * The same descriptor for a service, which must not wait for a reader: the write happens on a thread of the runtime's
 * pool. Unlike `process.stdout`, it works again after an error such as a full disk.
 */
export function descriptorSink(fd: number): Sink {
  return async (bytes) => {
    let done = 0;
    while (done < bytes.length) {
      const { bytes: written, error } = await writeOnce(fd, bytes.subarray(done));
      done += written;
      if (error === "EAGAIN") await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      else if (error !== undefined) return { bytes: done, error };
    }
    return { bytes: done };
  };
}

function writeOnce(fd: number, bytes: Uint8Array): Promise<Written> {
  return new Promise((resolve) => {
    write(fd, bytes, (error, written) => {
      resolve(error === null ? { bytes: written } : { bytes: 0, error: error.code ?? "UNKNOWN" });
    });
  });
}

/** False for a file, a pipe and a closed descriptor, without opening the process's stream. */
export function mayBeTerminal(fd: number): boolean {
  try {
    // bigint: Node's realpathSync reads the result of the last other fstatSync, and after that of a pipe it leaves
    // symbolic links in the paths of modules: in a workspace koffi is not found then.
    return fstatSync(fd, { bigint: true }).isCharacterDevice();
  } catch {
    return false;
  }
}
