import { expect, test } from "bun:test";
import { join } from "node:path";
import { DatapathError, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { BpfObject, type Codec, perCpu, RingBuffer, u32, u64 } from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

interface RingRecord {
  word: number;
  number: bigint;
}

const record: Codec<RingRecord> = {
  size: 16,
  read(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { word: view.getUint32(0, true), number: view.getBigUint64(8, true) };
  },
  write() {
    throw new Error("records are read");
  },
};

/** A record's 16 bytes and its head of 8, in a buffer of 4096. */
const ROOM = 170;

let object: BpfObject;

forEachTest(() => (object = BpfObject.open(fixture("ring"), { name: "ring" }).load()));

/** Runs a program on a packet that begins with a word. 0: it had room. */
function write(word: number, program = "write_record"): number {
  const data = new Uint8Array(64);
  data.set(u32.write(word));
  return object.program(program).testRun({ data }).retval;
}

const words = (records: readonly RingRecord[]) => records.map(({ word }) => word);

test("records are read in order, once", () => {
  using ring = object.ringBuffer("records", record);
  expect(ring.read()).toEqual([]);
  for (const word of [7, 8, 9]) expect(write(word)).toBe(0);
  expect(ring.fill).toEqual({ used: 72, size: 4096 });
  expect(ring.read()).toEqual([
    { word: 7, number: 0n },
    { word: 8, number: 1n },
    { word: 9, number: 2n },
  ]);
  expect(ring.read()).toEqual([]);
  expect(ring.fill.used).toBe(0);
});

test("a full buffer refuses what is written, and has room again once it was read", () => {
  using ring = object.ringBuffer({ name: "records", type: 27 }, record);
  for (let word = 0; word < ROOM; word++) expect(write(word)).toBe(0);
  expect(write(1000)).toBe(2);
  expect(object.variable("lost", u64)).toBe(1n);
  expect(words(ring.read(100))).toEqual(Array.from({ length: 100 }, (_, word) => word));
  expect(write(1001)).toBe(0);
  expect(words(ring.read())).toEqual([...Array.from({ length: 70 }, (_, index) => 100 + index), 1001]);
});

test("records that go over the buffer's end are in one piece", () => {
  using ring = object.ringBuffer("records", record);
  for (let round = 0; round < 4 * ROOM; round++) {
    write(round);
    expect(ring.read()).toEqual([{ word: round, number: BigInt(round) }]);
    if (round % 50 === 0) Bun.gc(true);
  }
});

test("discarded records are passed over", () => {
  using ring = object.ringBuffer("records", record);
  write(1);
  write(2, "discard_record");
  write(3);
  expect(words(ring.read(2))).toEqual([1, 3]);
});

test("a record of another size is refused, and those after it are read", () => {
  using ring = object.ringBuffer("records", record);
  write(1, "write_word");
  write(2);
  expect(thrown(DatapathError, () => ring.read()).message).toBe(
    "read a record of ring buffer records: it has 4 bytes, the codec's have 16",
  );
  expect(words(ring.read())).toEqual([2]);
});

test("waiting ends when there is something", () => {
  using ring = object.ringBuffer("records", record);
  expect(ring.wait(0)).toBe(false);
  expect(ring.wait(5)).toBe(false);
  write(1);
  expect(ring.wait(60_000)).toBe(true);
  ring.read();
  expect(ring.wait(0)).toBe(false);
});

test("records come as they are written, until the signal", async () => {
  using ring = object.ringBuffer("records", record);
  const stop = new AbortController();
  const seen: number[] = [];
  write(1);
  for await (const { word } of ring.records({ signal: stop.signal, interval: 1 })) {
    seen.push(word);
    if (word < 5) setTimeout(() => write(word + 1), 2);
    else setTimeout(() => stop.abort(), 2);
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  for await (const _ of ring.records({ signal: stop.signal })) throw new Error("it is aborted already");
});

test("records that an iteration did not take are left for the next", async () => {
  using ring = object.ringBuffer("records", record);
  for (const word of [1, 2, 3]) write(word);
  for await (const { word } of ring.records()) if (word === 2) break;
  expect(words(ring.read())).toEqual([3]);
});

test("a second process finds it by pin or id, and reads on", () => {
  using bpffs = new Bpffs();
  const map = object.ringBuffer("records", record);
  write(1);
  write(2);
  expect(words(map.read(1))).toEqual([1]);
  using byId = RingBuffer.fromId(map.info.id, record);
  map.close();
  expect(words(byId.read())).toEqual([2]);
  write(3);
  object.map("totals", u32, perCpu(u64)).pin(bpffs.join("totals"));
  const error = thrown(DatapathError, () => RingBuffer.fromPin(bpffs.join("totals"), record));
  expect(error.message).toBe("open ring buffer totals: it is a perCpuArray map");
  expect(thrown(SyscallError, () => RingBuffer.fromPin(bpffs.join("none"), record)).errnoName).toBe("ENOENT");
});

test("what another process writes meanwhile is all there, in one piece", async () => {
  using bpffs = new Bpffs();
  using ring = object.ringBuffer("records", record);
  object.program("write_record").pin(bpffs.join("write"));
  const writer = Bun.spawn(
    [process.execPath, join(import.meta.dirname, "support/ring-writer.ts"), bpffs.join("write")],
    {
      stderr: "inherit",
    },
  );
  let done = false;
  void writer.exited.then(() => (done = true));
  let next = 0n;
  for (let last = false; !last;) {
    last = done;
    for (const { word, number } of ring.read()) {
      if (word !== 0x05050505 || number !== next) throw new Error(`record ${next} reads ${number}, ${word}`);
      next++;
    }
    await Bun.sleep(0);
  }
  expect(writer.exitCode).toBe(0);
  // Those the buffer had no room for are not numbered.
  expect(next).toBe(object.variable("written", u64));
  expect(next).toBeGreaterThan(1000n);
});

test("a closed ring buffer is not read", () => {
  const ring = object.ringBuffer("records", record);
  ring.close();
  ring.close();
  expect(() => ring.read()).toThrow("unmapped");
  expect(() => ring.fill).toThrow("unmapped");
});

test("many are opened and closed between collections", () => {
  for (let round = 0; round < 50; round++) {
    using ring = object.ringBuffer("records", record);
    write(round);
    if (round % 5 === 0) Bun.gc(true);
    expect(words(ring.read())).toEqual([round]);
  }
  expect(() => object.ringBuffer("no_such", record)).toThrow("it has");
});
