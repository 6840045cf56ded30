/**
 * Compiles C for the BPF target.
 *
 * Headers come from packages alone: Linux's UAPI (linux-libc-dev) and libbpf's (libbpf-dev), nothing of the running
 * kernel. The same sources and the same clang give the same bytes in any folder.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What cannot be built, and why: printed without a stack trace. */
export class BuildError extends Error {
  override readonly name = "BuildError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

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
  if (targets === undefined) throw new BuildError(`${clang}: not found`, INSTALL);
  if (!/^\s*bpfel\b/m.test(targets)) throw new BuildError(`${clang} cannot compile for the BPF target`, INSTALL);

  const llvmStrip = env["LLVM_STRIP"] ?? "llvm-strip";
  const include = join(root, "usr/include");
  for (const header of ["bpf/bpf_helpers.h", "linux/bpf.h"]) {
    if (!existsSync(join(include, header))) throw new BuildError(`<${header}> not found in ${include}`, INSTALL);
  }
  const multiarch = join(include, MULTIARCH[process.arch] ?? "");
  const asm = [multiarch, include].find((folder) => existsSync(join(folder, "asm/types.h")));
  if (asm === undefined) throw new BuildError(`<asm/types.h> not found in ${multiarch}`, INSTALL);
  return {
    clang,
    llvmStrip: run(llvmStrip, ["--version"]) === undefined ? undefined : llvmStrip,
    includes: [asm],
  };
}

/** The output of a command that must succeed, or undefined. */
function run(command: string, args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

export interface CompileOptions {
  /** Where the compiler runs: what paths are relative to. Default: the working directory. */
  readonly directory?: string;
  /** For clang, after our own. */
  readonly flags?: readonly string[];
}

export interface Compiled {
  readonly object: Uint8Array;
  /** In the compiler's own words; empty when it has none. */
  readonly warnings: string;
}

/** Compiles one C file to an ELF object. Throws {@link BuildError} with the compiler's own words. */
export function compile(toolchain: Toolchain, source: string, options: CompileOptions = {}): Compiled {
  const { directory = ".", flags = [] } = options;
  const scratch = mkdtempSync(join(tmpdir(), "bpf2ts-"));
  try {
    const object = join(scratch, "object.o");
    const includes = toolchain.includes.flatMap((path) => ["-idirafter", path]);
    const args = [...TARGET, "-Wall", ...REPRODUCIBLE, ...includes, ...flags, "-c", source, "-o", object];
    const compiled = spawnSync(toolchain.clang, args, { cwd: directory, encoding: "utf8" });
    if (compiled.error !== undefined || compiled.status !== 0) {
      const said = compiled.stderr || compiled.error?.message || "";
      throw new BuildError(`${source}: ${toolchain.clang} failed\n${said.trimEnd()}`);
    }
    if (toolchain.llvmStrip !== undefined) {
      // DWARF goes, .BTF and .BTF.ext stay.
      const stripped = spawnSync(toolchain.llvmStrip, ["--strip-debug", object], { encoding: "utf8" });
      if (stripped.status !== 0) throw new BuildError(`${source}: llvm-strip failed\n${stripped.stderr.trimEnd()}`);
    }
    return { object: new Uint8Array(readFileSync(object)), warnings: compiled.stderr };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
