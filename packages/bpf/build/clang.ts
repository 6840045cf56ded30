/**
 * Compiles the C of `bpf/` for the BPF target.
 *
 * Headers come from packages alone: Linux's UAPI (linux-libc-dev) and libbpf's (libbpf-dev), nothing of the running
 * kernel. The same sources and the same clang give the same bytes wherever the repository lies.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What cannot be built, why, and what to do: printed without a stack trace. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

export const BPF_DIRECTORY = join(import.meta.dirname, "../../../bpf");

const PACKAGES = "clang llvm libbpf-dev linux-libc-dev";
const INSTALL = `install what is needed: apt-get install --yes ${PACKAGES}`;

/** Debian keeps <asm/types.h> under the architecture's name. clang for the BPF target does not look there. */
const MULTIARCH: Partial<Record<NodeJS.Architecture, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  riscv64: "riscv64-linux-gnu",
};

/** v3 has 32-bit arithmetic and atomics; every kernel since 5.12 loads it. -g makes the BTF. */
const TARGET = ["-target", "bpf", "-mcpu=v3", "-O2", "-g"];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
/** BTF quotes the paths of sources, for verifier logs: relative ones are the same on every machine. */
const REPRODUCIBLE = ["-fno-ident", "-fdebug-compilation-dir=."];

export interface Toolchain {
  readonly clang: string;
  /** Without it objects keep their DWARF: larger, otherwise the same. */
  readonly llvmStrip: string | undefined;
  readonly includes: readonly string[];
}

/**
 * Finds clang, llvm-strip and the headers. `CLANG` and `LLVM_STRIP` in the environment name others.
 * Throws {@link BuildError} that says what to install.
 */
export function findToolchain(env: Partial<Record<string, string>> = process.env, root = "/"): Toolchain {
  const clang = env["CLANG"] ?? "clang";
  const targets = run(clang, ["-print-targets"]);
  if (targets === undefined) throw new BuildError(`${clang}: not found\n${INSTALL}`);
  if (!/^\s*bpfel\b/m.test(targets)) throw new BuildError(`${clang} cannot compile for the BPF target\n${INSTALL}`);

  const llvmStrip = env["LLVM_STRIP"] ?? "llvm-strip";
  const include = join(root, "usr/include");
  for (const header of ["bpf/bpf_helpers.h", "linux/bpf.h"]) {
    if (!existsSync(join(include, header))) throw new BuildError(`<${header}> not found in ${include}\n${INSTALL}`);
  }
  const multiarch = join(include, MULTIARCH[process.arch] ?? "");
  if (!existsSync(join(multiarch, "asm/types.h"))) {
    throw new BuildError(`<asm/types.h> not found in ${multiarch}\n${INSTALL}`);
  }
  return {
    clang,
    llvmStrip: run(llvmStrip, ["--version"]) === undefined ? undefined : llvmStrip,
    includes: [multiarch],
  };
}

/** The output of a command that must succeed, or undefined. */
function run(command: string, args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

/**
 * Compiles one C file to an ELF object. Throws {@link BuildError} with the compiler's own words; warnings are errors.
 *
 * @param source the file's name inside `directory`
 */
export function compile(toolchain: Toolchain, source: string, directory = BPF_DIRECTORY): Uint8Array {
  const scratch = mkdtempSync(join(tmpdir(), "dp-bpf-"));
  try {
    const object = join(scratch, "object.o");
    const includes = toolchain.includes.flatMap((path) => ["-idirafter", path]);
    const args = [...TARGET, ...WARNINGS, ...REPRODUCIBLE, ...includes, "-c", source, "-o", object];
    const compiled = spawnSync(toolchain.clang, args, { cwd: directory, encoding: "utf8" });
    if (compiled.error !== undefined || compiled.status !== 0) {
      throw new BuildError(`bpf/${source}: ${toolchain.clang} failed\n${compiled.stderr ?? compiled.error?.message}`);
    }
    if (toolchain.llvmStrip !== undefined) {
      // DWARF goes, .BTF and .BTF.ext stay.
      const stripped = spawnSync(toolchain.llvmStrip, ["--strip-debug", object], { encoding: "utf8" });
      if (stripped.status !== 0) throw new BuildError(`bpf/${source}: llvm-strip failed\n${stripped.stderr}`);
    }
    return new Uint8Array(readFileSync(object));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** The program families, by name: `dnat` for `bpf/dnat.bpf.c`. In the order of their names. */
export function programFamilies(directory = BPF_DIRECTORY): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".bpf.c"))
    .map((file) => file.slice(0, -".bpf.c".length))
    .toSorted();
}
