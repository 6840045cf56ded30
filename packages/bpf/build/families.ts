import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compile, type Toolchain } from "../src/bpf2ts/clang.ts";

export const BPF_DIRECTORY = join(import.meta.dirname, "../../../bpf");

/** Warnings are errors here. */
export const STRICT = ["-Wextra", "-Werror"];

/** The program families, by name: `dnat` for `bpf/dnat.bpf.c`. In the order of their names. */
export function programFamilies(directory = BPF_DIRECTORY): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".bpf.c"))
    .map((file) => file.slice(0, -".bpf.c".length))
    .toSorted();
}

/** The object of a C file of `bpf/`. Throws `BuildError`. */
export function compileOurs(toolchain: Toolchain, source: string, directory = BPF_DIRECTORY): Uint8Array {
  return compile(toolchain, source, { directory, flags: STRICT }).object;
}
