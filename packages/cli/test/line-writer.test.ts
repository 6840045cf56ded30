import { expect, test } from "bun:test";
import { Writable } from "node:stream";
import { LineWriter } from "../src/line-writer.ts";

/** A stream whose reader reads when it is told to. */
class Slow extends Writable {
  readonly taken: string[] = [];
  readonly #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk.toString());
    this.#waiting.push(done);
  }

  read(): void {
    this.#waiting.shift()?.();
  }
}

test("a reader that stopped costs the lines it did not read, and is told how many", async () => {
  const stream = new Slow();
  const losses: number[] = [];
  const lines = new LineWriter(stream, (lost) => losses.push(lost));
  const long = "x".repeat(1024 * 1024);
  for (let i = 0; i < 10; i++) lines.write(`${i}${long}`);
  expect(losses).toEqual([]);
  // Five were more than enough: the last five are gone.
  for (let i = 0; i < 10; i++) {
    stream.read();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(stream.taken.map((line) => line[0])).toEqual(["0", "1", "2", "3"]);
  lines.write("after");
  stream.read();
  expect(losses).toEqual([6]);
  expect(stream.taken.at(-1)).toBe("after\n");
  lines.write("more");
  expect(losses).toEqual([6]);
});
