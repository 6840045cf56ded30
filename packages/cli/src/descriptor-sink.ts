import { write } from "node:fs";
import type { Sink, Written } from "./line-writer.ts";

/** How long to wait for a reader whose pipe is full, when the pipe does not let a write wait. */
const AGAIN_MS = 20;

/**
 * Writes to a file descriptor, on a thread of the runtime's pool: a pipe that nobody reads from holds up that thread
 * and nothing else. `process.stdout` will not do: it is of no use any more after an error, such as a disk that is full
 * for a while.
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
