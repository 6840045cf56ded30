import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const compiled = new Map<string, Uint8Array>();

/** Compiles `test/fixtures/NAME.bpf.c`, once. */
export function fixture(name: string): Uint8Array {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const source = join(import.meta.dirname, "..", "fixtures", `${name}.bpf.c`);
  const folder = mkdtempSync(join(tmpdir(), "coretest-cc-"));
  try {
    const object = join(folder, "out.o");
    const includes = "-I/usr/include/x86_64-linux-gnu";
    execFileSync("clang", ["-O2", "-g", "-Wall", "-target", "bpf", includes, "-c", source, "-o", object]);
    const bytes = new Uint8Array(readFileSync(object));
    compiled.set(name, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
