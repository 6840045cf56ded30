/**
 * Garbage is collected in the middle of everything: whatever native code still points to must be where it was. (Bun up
 * to 1.3.14 died of this with koffi.)
 */
import { afterEach, expect, test } from "bun:test";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { BpfObject, perCpu, possibleCpus, skbContext, u32, u64, VerifierError } from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

afterEach(() => {
  expect(openBpfDescriptors()).toEqual([]);
});

test("objects are opened, loaded and refused between collections", () => {
  for (let round = 0; round < 15; round++) {
    const open = BpfObject.open(fixture("packet"), { name: `round${round}` });
    Bun.gc(true);
    open.setVariable("verdict", u32, round);
    Bun.gc(true);
    using object = open.load();
    Bun.gc(true);
    expect(object.program("count_hits").testRun({ data: new Uint8Array(64) }).retval).toBe(round);
    const refused = BpfObject.open(fixture("refused"), { name: "refused" });
    Bun.gc(true);
    expect(thrown(VerifierError, () => refused.load()).log).toContain("processed");
  }
});

test("maps and test runs work between collections", () => {
  using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
  const numbers = object.map("numbers", u32, u64);
  const hits = object.map("hits", u32, perCpu(u32));
  const program = object.program("count_hits");
  hits.set(
    1,
    Array.from({ length: possibleCpus() }, () => 0),
  );
  for (let round = 0; round < 200; round++) {
    const garbage = Array.from({ length: 50 }, (_, index) => new Uint8Array(index));
    numbers.set(round, BigInt(garbage.length * round));
    program.testRun({ data: new Uint8Array(64), ctx: skbContext({ ifindex: 1 }) });
    if (round % 10 === 0) Bun.gc(true);
    expect(numbers.get(round)).toBe(BigInt(50 * round));
  }
  let listed = 0;
  for (const [key, value] of numbers) {
    if (listed++ % 20 === 0) Bun.gc(true);
    expect(value).toBe(BigInt(50 * key));
  }
  expect(listed).toBe(200);
  expect(hits.get(1)?.reduce((sum, value) => sum + value)).toBe(200);
});
