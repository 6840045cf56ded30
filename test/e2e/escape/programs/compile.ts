import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@dp/test-kit/program.ts";

/** Compiles way_around.bpf.c for a container whose eth0 has this index. */
export async function compile(ifindex: number): Promise<{ path: string; bytes: Uint8Array } & Disposable> {
  const folder = mkdtempSync(join(tmpdir(), "way-around-"));
  const source = join(import.meta.dirname, "way_around.bpf.c");
  const path = join(folder, "out.o");
  const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  await must([
    "clang",
    "-O2",
    "-g",
    "-Wall",
    "-target",
    "bpf",
    `-DIFINDEX=${ifindex}`,
    include,
    "-c",
    source,
    "-o",
    path,
  ]);
  return { path, bytes: readFileSync(path), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}
