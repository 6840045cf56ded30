/** Loads every program there is, and tells how many instructions the verifier went through for each. */
import { objects } from "@dp/bpf";
import { BpfObject } from "@dp/core/libbpf";
import { tellCounts } from "./result.ts";

type Counts = Record<string, number>;

/** One program at a time: what this kernel cannot run has no count. */
function counts(name: string, image: Uint8Array): Counts {
  using all = BpfObject.open(image, { name });
  return Object.assign({}, ...all.programs().map((program) => countOf(name, image, program.name))) as Counts;
}

function countOf(name: string, image: Uint8Array, program: string): Counts {
  using open = BpfObject.open(image, { name });
  for (const each of open.programs()) each.setAutoload(each.name === program);
  try {
    using loaded = open.load();
    return { [program]: loaded.program(program).info().verifiedInstructions };
  } catch (error) {
    console.log(`${program}: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  }
}

tellCounts(Object.assign({}, ...Object.entries(objects).map(([name, image]) => counts(name, image()))) as Counts);
