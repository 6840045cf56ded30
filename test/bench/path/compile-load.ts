import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@dp/test-kit/program.ts";

/** The load generator, compiled. Disposing removes it. */
export async function compileLoad(): Promise<Disposable & { readonly path: string }> {
  const folder = mkdtempSync(join(tmpdir(), "load-"));
  const path = join(folder, "load");
  await must(["clang", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, join(import.meta.dirname, "load.c")]);
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}
