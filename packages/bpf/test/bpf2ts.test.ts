/** The command as it is shipped: dist, under Node and under Bun. What it writes is imported and used. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { elfSection } from "../src/elf.ts";
import {
  checkLayouts,
  type Codec,
  type InnerMapLayout,
  type Layouts,
  type MapLayout,
  type ProgramLayout,
} from "../src/layout/index.ts";

const PACKAGE = join(import.meta.dirname, "..");
const BIN = join(PACKAGE, "bin/bpf2ts.js");

let folder: string;

beforeAll(() => {
  if (!existsSync(join(PACKAGE, "dist/bpf2ts/main.js"))) {
    throw new Error("there is no dist yet: `turbo run build --filter=@dp/bpf` makes it");
  }
  folder = mkdtempSync(join(tmpdir(), "bpf2ts-test-"));
  // A project that has the package installed.
  mkdirSync(join(folder, "node_modules/@dp"), { recursive: true });
  symlinkSync(PACKAGE, join(folder, "node_modules/@dp/bpf"));
  copyFileSync(join(import.meta.dirname, "fixtures/everything.bpf.c"), join(folder, "everything.bpf.c"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function bpf2ts(args: readonly string[], runtime = "node", env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(runtime, [BIN, ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

const OPTIONS = ["--struct", "event", "--embed"];

interface Generated extends Layouts {
  readonly everything: Codec<Record<string, unknown>>;
  readonly event: Codec<unknown>;
  readonly HeatT: unknown;
  readonly heatTNames: unknown;
  readonly Mood: unknown;
  readonly moodNames: unknown;
  readonly mapLayouts: Record<string, MapLayout<unknown, unknown> & { inner?: InnerMapLayout<unknown, unknown> }>;
  readonly programLayouts: Record<string, ProgramLayout>;
  readonly variableLayouts: Record<string, { section: string; codec: Codec<unknown> }>;
  object(): Uint8Array;
}

describe("a C file with one of everything", () => {
  let generated: Generated;

  beforeAll(async () => {
    const { status, stderr } = bpf2ts([
      "everything.bpf.c",
      ...OPTIONS,
      "--object",
      "everything.o",
      "-o",
      "src/a.gen.ts",
    ]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    generated = (await import(join(folder, "src/a.gen.ts"))) as Generated;
  });

  test("becomes a module that the strictest TypeScript takes", () => {
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(PACKAGE, "../../tsconfig.base.json"),
        compilerOptions: { noEmit: true, types: [] },
        include: ["src"],
      }),
    );
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { stdout } = spawnSync(join(PACKAGE, "../../node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
  });

  test("brings no program of this package along", async () => {
    const { outputs } = await Bun.build({ entrypoints: [join(folder, "src/a.gen.ts")], target: "node" });
    const bundle = (await outputs[0]?.text()) ?? "";
    expect(bundle).toContain("everything");
    expect(bundle).not.toMatch(/dp_(dnat|snat|config)/);
  });

  test("is written and read byte for byte as the compiler does it", () => {
    const { everything, object } = generated;
    const value = {
      small: -1,
      wide: -2,
      ready: true,
      far: -3n,
      cookie: 0x0102030405060708n,
      signedNumber: -4,
      key: Uint8Array.from([1, 2, 3]),
      macs: ["02:00:00:00:00:01", "02:00:00:00:00:02"],
      names: ["a", "bcd"],
      addr: "2001:db8::1",
      grid: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      points: [
        { x: 1, y: -1 },
        { x: 2, y: -2 },
      ],
      mood: 3,
      kind: 7,
      heat: -5,
      family: 4,
      address: Uint8Array.from([10, 2, 0, 1, ...Array<number>(12).fill(0)]),
      either: [Uint8Array.from([1, 2]), Uint8Array.from([3, 4])],
    };
    const bytes = elfSection(object(), ".data.golden") as Uint8Array;
    expect(Buffer.from(everything.write(value)).toString("hex")).toBe(Buffer.from(bytes).toString("hex"));
    expect(everything.read(bytes)).toEqual(value);
  });

  test("refuses what does not fit, naming field and element", () => {
    const { everything } = generated;
    const zero = everything.read(new Uint8Array(everything.size));
    const write = (change: object) => () => everything.write({ ...zero, ...change });
    expect(write({})).not.toThrow();
    expect(write({ small: 128 })).toThrow("everything.small: 128 is not an integer from -128 to 127");
    expect(
      write({
        grid: [
          [1, 2, 3],
          [4, 5, -6],
        ],
      }),
    ).toThrow("everything.grid[1][2]: -6 is not an integer");
    expect(write({ grid: [[1, 2, 3]] })).toThrow("everything.grid has 2 elements, not 1");
    expect(write({ macs: ["", ""] })).toThrow('everything.macs[0]: "" is not a MAC address');
    expect(write({ ready: 1 })).toThrow("everything.ready: 1 is not a boolean");
    expect(write({ key: new Uint8Array(4) })).toThrow("everything.key is 3 bytes, not 4");
    for (const addr of ["", "1::2::3", "fe80::1%lo", "10.0.0.1"]) expect(write({ addr })).toThrow("is not an IPv6");
  });

  test("has IPv6 addresses in their short form, and takes any", () => {
    const { everything } = generated;
    const zero = everything.read(new Uint8Array(everything.size));
    const back = (addr: string) => everything.read(everything.write({ ...zero, addr }))["addr"];
    expect(
      ["::", "::1", "1::", "2001:DB8:0:0:1:0:0:1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"].map(back),
    ).toEqual(["::", "::1", "1::", "2001:db8::1:0:0:1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"]);
  });

  test("has its enums, maps, variables, records and itself", () => {
    const { mapLayouts, variableLayouts, HeatT, heatTNames, Mood, moodNames, event, object } = generated;
    expect(HeatT).toEqual({ cold: -5, warm: 20 });
    expect(heatTNames).toEqual({ [-5]: "cold", 20: "warm" });
    expect(Mood).toEqual({ good: 0, great: 0, bad: 3, max: 4 });
    expect(moodNames).toEqual({ 0: "good", 3: "bad" });
    expect(Object.keys(mapLayouts)).toEqual(["calls", "counts", "events", "inner", "outer", "routes", "waiting"]);
    expect(mapLayouts["counts"]?.key.write("02:00:00:00:00:01")).toEqual(Uint8Array.from([2, 0, 0, 0, 0, 1]));
    expect(mapLayouts["counts"]?.value.read(new Uint8Array(16))).toEqual([0n, 0n]);
    expect(mapLayouts["events"]).toEqual({ name: "events", type: 27, maxEntries: 4096, flags: 0 } as never);
    for (const name of ["calls", "outer"]) expect(mapLayouts[name]?.value.write(3)).toEqual(Uint8Array.of(3, 0, 0, 0));
    expect(mapLayouts["outer"]?.key.write(443)).toEqual(Uint8Array.of(1, 187));
    expect(mapLayouts["outer"]).toMatchObject({
      type: 13,
      inner: { type: 2, maxEntries: 1, flags: 0, keyType: "__u32", valueType: "__u64" },
    });
    expect(mapLayouts["outer"]?.inner?.value.read(new Uint8Array(8))).toBe(0n);
    for (const name of ["calls", "counts"]) expect(mapLayouts[name]).not.toHaveProperty("inner");
    expect(mapLayouts["waiting"]).not.toHaveProperty("key");
    expect(mapLayouts["waiting"]?.value.read(new Uint8Array(8))).toEqual({ x: 0, y: 0 });
    expect(Object.entries(variableLayouts).map(([name, { section }]) => [name, section])).toEqual([
      ["golden", ".data.golden"],
      ["limits", ".data"],
      ["port", ".rodata"],
      ["seen", ".bss"],
    ]);
    expect(generated.programLayouts).toEqual({
      allow: { name: "allow", section: "cgroup/connect4" },
      pass: { name: "pass", section: "tc" },
    });
    expect(event.read(new Uint8Array(16))).toEqual({ pid: 0, at: 0n });
    expect(Buffer.from(object()).equals(readFileSync(join(folder, "everything.o")))).toBe(true);
    expect(object()).toBe(object());
  });

  test("is compared with the object that is loaded", () => {
    expect(checkLayouts(generated.object(), generated)).toEqual([]);
    const changed = { ...generated, structLayouts: [{ name: "event", size: 8, fields: [] }] };
    expect(checkLayouts(generated.object(), changed)).toContainEqual({
      struct: "event",
      field: "(size)",
      expected: "8 bytes",
      actual: "16 bytes",
    });
  });

  test("is compared with what the maps inside of its maps are", () => {
    const { outer } = generated.mapLayouts;
    const changed = { structLayouts: [], mapLayouts: { outer: { ...outer, inner: { ...outer?.inner, type: 1 } } } };
    expect(checkLayouts(generated.object(), changed as unknown as Layouts)).toEqual([
      { struct: "map outer.inner", field: "(type)", expected: "1", actual: "2" },
    ]);
    const plain = { structLayouts: [], mapLayouts: { outer: { ...outer, inner: undefined } } };
    expect(checkLayouts(generated.object(), plain as unknown as Layouts)).toContainEqual({
      struct: "map outer.inner",
      field: "(value)",
      expected: "absent",
      actual: "__u64",
    });
  });

  for (const runtime of ["node", process.execPath]) {
    test(`gives the same from C and from the object, to a file and to a pipe (${runtime.split("/").at(-1)})`, () => {
      const inFile = readFileSync(join(folder, "src/a.gen.ts"), "utf8");
      const { stdout } = bpf2ts(["everything.bpf.c", ...OPTIONS], runtime);
      expect(stdout).toBe(inFile);
      const fromObject = bpf2ts(["everything.o", ...OPTIONS], runtime).stdout;
      expect(fromObject).toBe(inFile.replace("from everything.bpf.c", "from everything.o"));
    });
  }

  test("--check says what differs, and writes nothing", () => {
    const args = ["everything.bpf.c", ...OPTIONS, "--check", "-o"];
    expect(bpf2ts([...args, "src/a.gen.ts"])).toEqual({ status: 0, stdout: "", stderr: "" });
    const { status, stderr } = bpf2ts([...args, "src/missing.gen.ts"]);
    expect(status).toBe(1);
    expect(stderr).toContain("bpf2ts: src/missing.gen.ts: not what its input says");
    expect(existsSync(join(folder, "src/missing.gen.ts"))).toBe(false);
    const old = readFileSync(join(folder, "src/a.gen.ts"), "utf8").replace("size: 16,", "size: 17,");
    writeFileSync(join(folder, "old.gen.ts"), old);
    const drift = bpf2ts([...args, "old.gen.ts"]);
    expect(drift.status).toBe(1);
    expect(drift.stderr).toMatch(/^-.*size: 17,/m);
    expect(readFileSync(join(folder, "old.gen.ts"), "utf8")).toBe(old);
  });
});

describe("what goes wrong is said in words", () => {
  const compile = (target: string, ...flags: string[]) => {
    writeFileSync(join(folder, "small.c"), "int f(void) { return 0; }\n");
    spawnSync("clang", ["-target", target, "-c", ...flags, "small.c", "-o", "small.o"], { cwd: folder });
  };
  const failure = (args: readonly string[], env?: Record<string, string>) => {
    const { status, stdout, stderr } = bpf2ts(args, "node", env);
    expect(stdout).toBe("");
    expect(stderr).not.toMatch(/^\s+at /m);
    return [status, ...stderr.trimEnd().split("\n")];
  };
  const COMPILE = "hint: compile it with clang -target bpfel -O2 -g -c";

  test("files that are not there, or are no files", () => {
    expect(failure(["none.o"])).toEqual([1, "bpf2ts: none.o: no such file"]);
    expect(failure(["none.bpf.c"])).toEqual([1, "bpf2ts: none.bpf.c: no such file"]);
    expect(failure(["."])).toEqual([1, "bpf2ts: .: it is a folder"]);
  });

  test("files that are no BPF objects, or for another byte order", () => {
    writeFileSync(join(folder, "text.o"), "x".repeat(100));
    expect(failure(["text.o"])).toEqual([
      1,
      "bpf2ts: text.o: not an ELF file: it does not begin with \\x7fELF",
      COMPILE,
    ]);
    compile("x86_64-linux-gnu");
    expect(failure(["small.o"])).toEqual([1, "bpf2ts: small.o: not a BPF object: machine 62, expected 247", COMPILE]);
    compile("bpfeb", "-g");
    expect(failure(["small.o"])).toEqual([1, "bpf2ts: small.o: not a little-endian ELF file", COMPILE]);
  });

  test("objects without BTF", () => {
    compile("bpfel");
    expect(failure(["small.o"])).toEqual([
      1,
      "bpf2ts: small.o: the object has no .BTF section: it was compiled without -g",
      expect.stringContaining("hint: compile it with clang -g"),
    ]);
  });

  test("C that does not compile, and C that has no rendering", () => {
    writeFileSync(join(folder, "bad.bpf.c"), "int f(void) { return missing; }\n");
    expect(failure(["bad.bpf.c"]).slice(0, 3)).toEqual([
      1,
      "bpf2ts: bad.bpf.c: clang failed",
      "bad.bpf.c:1:22: error: use of undeclared identifier 'missing'",
    ]);
    const everything = readFileSync(join(folder, "everything.bpf.c"), "utf8");
    writeFileSync(join(folder, "pointer.bpf.c"), everything.replace("__u64 at;", "void *at;"));
    expect(failure(["pointer.bpf.c", "--struct", "event"])).toEqual([
      1,
      "bpf2ts: pointer.bpf.c: struct event: at: no rendering for pointer",
      "hint: an address means nothing outside of the kernel: leave it out, or make it a __u64",
    ]);
  });

  test("no clang", () => {
    expect(failure(["everything.bpf.c"], { CLANG: "/nonexistent/clang" })).toEqual([
      1,
      "bpf2ts: /nonexistent/clang: not found",
      expect.stringContaining("hint: install what is needed"),
    ]);
  });

  test("a command line that means nothing", () => {
    const usage = (...args: string[]) => failure(args).slice(0, 2);
    expect(usage()).toEqual([2, "bpf2ts: no object and no C file is given"]);
    expect(usage("a.o", "--check")).toEqual([2, "bpf2ts: --check needs --output FILE, to compare with"]);
    expect(usage("a.o", "b.o", "--embed")).toEqual([2, "bpf2ts: --embed takes one INPUT, not 2"]);
    expect(usage("a.o", "--object", "b.o")[0]).toBe(2);
    expect(usage("a.o", "--frobnicate")[0]).toBe(2);
  });

  test("warnings of clang are passed on, and its flags are", () => {
    writeFileSync(join(folder, "warned.bpf.c"), "static int unused = 1;\nint f(void) { return VALUE; }\n");
    const { status, stderr } = bpf2ts(["warned.bpf.c", "--", "-DVALUE=3"]);
    expect(status).toBe(0);
    expect(stderr).toContain("unused variable 'unused'");
    expect(bpf2ts(["warned.bpf.c", "--", "-DVALUE=3", "-Werror"]).status).toBe(1);
  });

  test("help and version are for the asking", () => {
    expect(bpf2ts(["--help"])).toMatchObject({ status: 0, stderr: "" });
    expect(bpf2ts(["--help"]).stdout).toContain("usage: bpf2ts INPUT...");
    const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { version: string };
    expect(bpf2ts(["--version"]).stdout).toBe(`${version}\n`);
  });
});
