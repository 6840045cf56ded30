import { writeSync } from "node:fs";
import { run } from "./command.ts";

/** All of it, also into a pipe that takes a part at a time. */
function writeAll(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.byteLength;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The reader of the pipe has closed it, as head does.
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}

process.exitCode = run(process.argv.slice(2), {
  out: (text) => writeAll(1, text),
  err: (text) => writeAll(2, text),
});
