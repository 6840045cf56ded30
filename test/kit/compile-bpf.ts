import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const compiled = new Map<string, Uint8Array>();

/** Compiles a C file to a BPF object, once per process. Returns the bytes of the object. */
export function compileBpf(source: string): Uint8Array {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "dptest-"));
  try {
    const object = join(folder, "out.o");
    const includes = "-I/usr/include/x86_64-linux-gnu";
    execFileSync("clang", ["-O2", "-g", "-Wall", "-target", "bpf", includes, "-c", source, "-o", object]);
    const bytes = new Uint8Array(readFileSync(object));
    compiled.set(source, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
