/** The compiled objects, and the build that makes them. Needs clang, like the build. */
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BPF_DIRECTORY, compileOurs, programFamilies } from "../build/families.ts";
import { generateLayouts } from "../build/generate.ts";
import { BuildError, findToolchain } from "../src/bpf2ts/clang.ts";
import { checkLayouts, elfSections, type ObjectName, objects } from "../src/index.ts";

const names = Object.keys(objects) as ObjectName[];

function scratch<T>(body: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "dp-bpf-test-"));
  try {
    return body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function refusal(body: () => unknown): BuildError {
  try {
    body();
  } catch (error) {
    if (error instanceof BuildError) return error;
  }
  throw new Error("it was not refused");
}

test("src/layout.gen.ts is what bpf/ says", () => {
  let said = "";
  const terminal = { out: (text: string) => (said += text), err: (text: string) => (said += text) };
  expect(generateLayouts(terminal, ["--check"]), "run `bun run generate` and commit").toBe(0);
  expect(said).toBe("");
});

test("there is an object for every program family, with BTF, without DWARF", () => {
  expect(names).toEqual(programFamilies() as ObjectName[]);
  for (const name of names) {
    const sections = elfSections(objects[name]()).map((section) => section.name);
    expect(sections).toContain(".BTF");
    // What it says of programs; the control maps' object has none.
    expect(sections.includes(".BTF.ext")).toBe(name !== "control");
    expect(sections.filter((section) => section.startsWith(".debug"))).toEqual([]);
  }
});

test("an object is decoded once", () => {
  expect(objects.dnat()).toBe(objects.dnat());
});

test("the generated layouts are those of every object", () => {
  for (const name of names) expect(checkLayouts(objects[name]())).toEqual([]);
});

test("the same sources give the same bytes from another folder, and the bytes name none", () => {
  scratch((directory) => {
    cpSync(BPF_DIRECTORY, directory, { recursive: true });
    const toolchain = findToolchain();
    for (const name of names) {
      const object = compileOurs(toolchain, `${name}.bpf.c`, directory);
      expect(Buffer.from(object).equals(objects[name]())).toBe(true);
      const text = Buffer.from(object).toString("latin1");
      expect(text).not.toContain(directory);
      expect(text).not.toContain(BPF_DIRECTORY);
    }
  });
});

test("without clang the build says what to install", () => {
  const error = refusal(() => findToolchain({ CLANG: "/nonexistent/clang" }));
  expect(error.message).toBe("/nonexistent/clang: not found");
  expect(error.hint).toBe("install what is needed: apt-get install --yes clang llvm libbpf-dev linux-libc-dev");
});

test("a clang that knows no BPF is told from a missing one", () => {
  expect(() => findToolchain({ CLANG: "/bin/true" })).toThrow("/bin/true cannot compile for the BPF target");
});

test("without headers the build says which is missing, and what to install", () => {
  scratch((root) => {
    expect(() => findToolchain({}, root)).toThrow("<bpf/bpf_helpers.h> not found in");
    const include = join(root, "usr/include");
    for (const header of ["bpf/bpf_helpers.h", "linux/bpf.h"]) {
      mkdirSync(join(include, header, ".."), { recursive: true });
      writeFileSync(join(include, header), "");
    }
    expect(() => findToolchain({}, root)).toThrow("<asm/types.h> not found in");
    expect(refusal(() => findToolchain({}, root)).hint).toContain("apt-get install");
  });
});

test("llvm-strip is optional: without it an object is larger and has the same layouts", () => {
  const toolchain = findToolchain({ LLVM_STRIP: "/nonexistent/llvm-strip" });
  expect(toolchain.llvmStrip).toBeUndefined();
  const object = compileOurs(toolchain, "arp.bpf.c");
  expect(object.byteLength).toBeGreaterThan(objects.arp().byteLength);
  expect(Buffer.from(object).includes(process.cwd())).toBe(false);
  expect(checkLayouts(object)).toEqual([]);
});

test("a mistake in the C is reported in the compiler's own words", () => {
  scratch((directory) => {
    writeFileSync(join(directory, "broken.bpf.c"), "int f(void) { return missing; }\n");
    expect(() => compileOurs(findToolchain(), "broken.bpf.c", directory)).toThrow(
      /^broken\.bpf\.c: clang failed\nbroken\.bpf\.c:1:22: error: use of undeclared identifier 'missing'/,
    );
  });
});
