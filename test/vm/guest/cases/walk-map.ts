import { deepEqual } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { attachIter, BpfObject, runIter, u32 } from "@dp/core/libbpf";
import type { Case } from "../case.ts";

/** Where the machine has the object of packages/core/test/fixtures/iter.bpf.c. */
export const ITERATORS = "iter.bpf.o";

/** Of the library, not of dp: the kernel that its own tests run on may load no such program. */
export const walkMap: Case = {
  name: "iterator over a map",
  async run() {
    using walkers = BpfObject.open(new Uint8Array(readFileSync(ITERATORS)), { name: "iter" }).load();
    const walked = walkers.map("walked", u32, u32);
    for (const value of [10, 20, 30]) walked.set(value, value);
    using link = attachIter({ program: walkers.program("each_entry"), map: walked });
    const values = new Uint32Array(runIter(link).slice().buffer);
    deepEqual(
      [...values].toSorted((one, other) => one - other),
      [10, 20, 30],
    );
  },
};
