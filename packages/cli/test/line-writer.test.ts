import { expect, test } from "bun:test";
import { LineWriter, type Written } from "../src/line-writer.ts";

/** A sink that a test controls. */
class Reader {
  readonly taken: string[] = [];
  readonly #waiting: ((written: Written) => void)[] = [];
  #bytes: Uint8Array[] = [];

  readonly sink = (bytes: Uint8Array): Promise<Written> => {
    this.#bytes.push(bytes);
    return new Promise((resolve) => this.#waiting.push(resolve));
  };

  /** Takes what is being written, or so many bytes of it and then fails. */
  async take(written?: Written): Promise<void> {
    const bytes = this.#bytes.shift() ?? new Uint8Array(0);
    const taken = written?.bytes ?? bytes.length;
    this.taken.push(new TextDecoder().decode(bytes.subarray(0, taken)));
    this.#waiting.shift()?.(written ?? { bytes: taken });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function writer() {
  const reader = new Reader();
  const troubles: string[] = [];
  return { reader, troubles, lines: new LineWriter(reader.sink, (message) => troubles.push(message)) };
}

test("when the reader stops, later lines are lost, and their number is reported", async () => {
  const { reader, troubles, lines } = writer();
  const long = "x".repeat(1024 * 1024);
  for (let i = 0; i < 10; i++) lines.write(`${i}${long}`);
  expect(troubles).toEqual([]);
  await reader.take();
  expect(troubles).toEqual(["lines of the log that were lost: 7"]);
  for (let i = 0; i < 3; i++) await reader.take();
  expect(reader.taken.map((line) => line[0])).toEqual(["0", "1", "2", undefined]);
  lines.write("after");
  await reader.take();
  expect(reader.taken.at(-1)).toBe("after\n");
  expect(troubles).toHaveLength(1);
});

test("lines that arrive during a write are written together, in order", async () => {
  const { reader, lines } = writer();
  for (const line of ["a", "b", "c"]) lines.write(line);
  await reader.take();
  await reader.take();
  expect(reader.taken).toEqual(["a\n", "b\nc\n"]);
});

test("a full disk is reported once, loses its lines, and tears no later line", async () => {
  const { reader, troubles, lines } = writer();
  lines.write("first");
  await reader.take({ bytes: 3, error: "ENOSPC" });
  lines.write("second");
  await reader.take({ bytes: 0, error: "ENOSPC" });
  expect(troubles).toEqual(["the log cannot be written: ENOSPC"]);
  lines.write("third");
  await reader.take();
  expect(reader.taken.join("")).toBe("fir\nthird\n");
  expect(troubles).toEqual(["the log cannot be written: ENOSPC", "lines of the log that were lost: 2"]);
  lines.write("fourth");
  await reader.take({ bytes: 0, error: "ENOSPC" });
  expect(troubles).toHaveLength(3);
});

test("the end waits for pending lines, but not forever", async () => {
  const { reader, troubles, lines } = writer();
  lines.write("a");
  lines.write("b");
  const end = lines.end(60_000);
  await reader.take();
  await reader.take();
  await end;
  expect(troubles).toEqual([]);
  lines.write("c");
  lines.write("d");
  await lines.end(1);
  expect(troubles).toEqual(["lines of the log that were lost: 1"]);
});
