/**
 * Packs dp for those who install it: a tarball and a Debian package for each architecture, and SHA256SUMS of them all.
 * tools/package runs it.
 *
 *     bun build/package.ts --output FOLDER [--level 0-9] x64 arm64=FOLDER_OF_MODULES
 *
 * An architecture that is not this machine's comes with the folder node_modules that has its runtime and koffi.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { isArchitecture, type Release } from "./package/architecture.ts";
import { packDebian } from "./package/debian.ts";
import { checksums, packTarball } from "./package/tarball.ts";
import { must } from "./package/tree.ts";
import { sourceDate } from "./source-date.ts";

const { values, positionals } = parseArgs({
  options: { output: { type: "string" }, level: { type: "string", default: "6" } },
  allowPositionals: true,
});
const output = resolve(values.output ?? "dist");
const level = Number(values.level);
const packed: string[] = [];

const folder = mkdtempSync(join(tmpdir(), "dp-package-"));
try {
  for (const each of positionals) {
    const [arch = "", modules] = each.split("=");
    if (!isArchitecture(arch)) throw new Error(`dp is not built for ${arch}`);
    // Its name is in it: so these are the bytes of dist/dp.
    const executable = join(folder, arch, "dp");
    console.error(`package: compile dp for ${arch}`);
    compile(arch, executable, modules);
    const release: Release = { version: packageJson.version, date: sourceDate(), arch, executable };
    console.error(`package: pack the tarball for ${arch}`);
    packed.push(packTarball(release, folder, level));
    console.error(`package: pack the Debian package for ${arch}`);
    packed.push(packDebian(release, folder, level));
    rmSync(executable);
  }
  mkdirSync(output, { recursive: true });
  for (const name of packed) {
    copyFileSync(join(folder, name), join(output, name));
    console.log(`${join(output, name)} ${(statSync(join(folder, name)).size / 1e6).toFixed(1)} MB`);
  }
  const sums = checksums(packed.map((name) => ({ path: name, content: { file: join(folder, name) } })));
  writeFileSync(join(output, "SHA256SUMS"), sums);
} finally {
  rmSync(folder, { recursive: true });
}

function compile(arch: string, outfile: string, modules: string | undefined): void {
  const script = join(dirname(import.meta.dir), "build", "compile.ts");
  const foreign = modules === undefined ? [] : ["--arch", arch, "--modules", modules];
  must([process.execPath, script, "--outfile", outfile, ...foreign]);
}
