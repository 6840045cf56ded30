/** The compiled objects, and the build that makes them. Needs clang, like the build. */
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BPF_DIRECTORY, BuildError, compile, findToolchain, programFamilies } from "../build/clang.ts";
import { generateLayouts, layoutDrift } from "../build/generate.ts";
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

test("src/layout.gen.ts is what bpf/ says", () => {
  expect(layoutDrift(generateLayouts())).toBe("");
});

test("there is an object for every program family, with BTF, without DWARF", () => {
  expect(names).toEqual(programFamilies() as ObjectName[]);
  for (const name of names) {
    const sections = elfSections(objects[name]()).map((section) => section.name);
    expect(sections).toContain(".BTF");
    expect(sections).toContain(".BTF.ext");
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
      const object = compile(toolchain, `${name}.bpf.c`, directory);
      expect(Buffer.from(object).equals(objects[name]())).toBe(true);
      const text = Buffer.from(object).toString("latin1");
      expect(text).not.toContain(directory);
      expect(text).not.toContain(BPF_DIRECTORY);
    }
  });
});

test("without clang the build says what to install", () => {
  expect(() => findToolchain({ CLANG: "/nonexistent/clang" })).toThrow(
    new BuildError(
      "/nonexistent/clang: not found\n" +
        "install what is needed: apt-get install --yes clang llvm libbpf-dev linux-libc-dev",
    ),
  );
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
    expect(() => findToolchain({}, root)).toThrow("apt-get install");
  });
});

test("llvm-strip is optional: without it an object is larger and has the same layouts", () => {
  const toolchain = findToolchain({ LLVM_STRIP: "/nonexistent/llvm-strip" });
  expect(toolchain.llvmStrip).toBeUndefined();
  const object = compile(toolchain, "arp.bpf.c");
  expect(object.byteLength).toBeGreaterThan(objects.arp().byteLength);
  expect(Buffer.from(object).includes(process.cwd())).toBe(false);
  expect(checkLayouts(object)).toEqual([]);
});

test("a mistake in the C is reported in the compiler's own words", () => {
  scratch((directory) => {
    writeFileSync(join(directory, "broken.bpf.c"), "int f(void) { return missing; }\n");
    expect(() => compile(findToolchain(), "broken.bpf.c", directory)).toThrow(
      /^bpf\/broken\.bpf\.c: clang failed\nbroken\.bpf\.c:1:22: error: use of undeclared identifier 'missing'/,
    );
  });
});
