import { join } from "node:path";
import { compileBpf } from "@dp/test-kit/compile-bpf.ts";

/** Compiles `test/fixtures/NAME.bpf.c`. */
export function fixture(name: string): Uint8Array {
  return compileBpf(join(import.meta.dirname, "..", "fixtures", `${name}.bpf.c`));
}
