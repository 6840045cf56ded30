import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, findToolchain } from "../src/bpf2ts/clang.ts";
import {
  Btf,
  dpForwardTraffic,
  dpOrigin,
  dpRecord,
  isSameShape,
  mapDefinitions,
  mapLayouts,
  objects,
  type Shape,
  shapeOfLayout,
  shapeOfType,
  translation,
} from "../src/index.ts";

// A compiler for each shape.
setDefaultTimeout(60_000);

/** The shape of `struct dp_value` with this body, as a compiler lays it. */
function shape(body: string, more = ""): Shape {
  const directory = mkdtempSync(join(tmpdir(), "dp-bpf-test-"));
  try {
    writeFileSync(
      join(directory, "value.c"),
      `#include <linux/bpf.h>\n#include <linux/types.h>\n${more}\nstruct dp_value { ${body} } value;\n`,
    );
    const btf = Btf.fromObject(compile(findToolchain(), "value.c", { directory }).object);
    return shapeOfType(
      btf,
      btf.types.findIndex((type) => type.kind === "struct" && type.name === "dp_value"),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values);

test("a map has one shape, by its BTF and by the generated layouts", () => {
  const definitions = Object.values(objects).flatMap((object) => {
    const btf = Btf.fromObject(object());
    return mapDefinitions(btf).map((definition) => ({ btf, definition }));
  });
  const seen = new Set<string>();
  for (const { btf, definition } of definitions) {
    const layout = mapLayouts[definition.name as keyof typeof mapLayouts];
    seen.add(definition.name);
    // What a map of maps holds is a number to both.
    const inner = "inner" in layout ? layout.inner : undefined;
    const compared: [part: unknown, type: string, codec: { size: number }][] = [
      [definition.key, layout.keyType, layout.key],
      inner === undefined
        ? [definition.value, layout.valueType, layout.value]
        : [definition.inner?.value, inner.valueType, inner.value],
    ];
    if (inner !== undefined) compared.push([definition.inner?.key, inner.keyType, inner.key]);
    for (const [part, type, { size }] of compared) {
      expect(part).toContainKey("type");
      expect(shapeOfType(btf, (part as { type: number }).type)).toEqual(shapeOfLayout(type, size));
    }
  }
  expect([...seen].toSorted()).toEqual(Object.keys(mapLayouts));
});

test("a shape names what is inside of structs, and leaves out padding", () => {
  expect(shapeOfLayout("struct dp_forward_traffic", dpForwardTraffic.size).leaves.slice(-2)).toEqual([
    { path: "out.packets", offset: 16, size: 8, type: "__u64" },
    { path: "out.bytes", offset: 24, size: 8, type: "__u64" },
  ]);
  const paths = shapeOfLayout("struct dp_record", dpRecord.size).leaves.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(["container_peer.mac", "addresses[1].gateway", "forwards[31].counter"]));
  expect(paths.filter((path) => path.includes("pad"))).toEqual([]);
  expect(shapeOfLayout("__u32", 4).leaves).toEqual([{ path: "", offset: 0, size: 4, type: "__u32" }]);
});

test("the same fields in other places keep their values; a new one is zero, one that is gone is told", () => {
  const from = shape("__u32 a; __u16 gone; __u16 b;");
  const to = shape("__u16 b; __u16 fresh; __u32 a;");
  const { translate, dropped, refused } = translation(from, to);
  expect([...translate(bytes(1, 2, 3, 4, 9, 9, 5, 6))]).toEqual([5, 6, 0, 0, 1, 2, 3, 4]);
  expect(dropped).toEqual(["gone"]);
  expect(refused).toEqual([]);
});

test("fields inside of structs are found by their whole path", () => {
  const nested = "struct dp_inner { __u32 a; __u32 b; };";
  const from = shape("struct dp_inner one; struct dp_inner other;", nested);
  const to = shape("__u32 a; struct dp_inner other;", "struct dp_inner { __u32 b; __u32 a; };");
  const { translate, dropped } = translation(from, to);
  expect([...translate(bytes(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0))]).toEqual([
    0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0,
  ]);
  expect(dropped).toEqual(["one.a", "one.b"]);
});

test("fields inside of arrays of structs are found by their index and path; a longer array has zeroes at its end", () => {
  const from = shape("struct dp_inner list[2];", "struct dp_inner { __u16 a; __u16 b; };");
  const to = shape("__u32 first; struct dp_inner list[3];", "struct dp_inner { __u32 fresh; __u16 b; __u16 a; };");
  const { translate, dropped, refused } = translation(from, to);
  const first = [0, 0, 0, 0];
  const list = [
    [0, 0, 0, 0, 2, 0, 1, 0],
    [0, 0, 0, 0, 4, 0, 3, 0],
    [0, 0, 0, 0, 0, 0, 0, 0],
  ];
  expect([...translate(bytes(1, 0, 2, 0, 3, 0, 4, 0))]).toEqual([first, ...list].flat());
  expect([dropped, refused]).toEqual([[], []]);
  expect(isSameShape(from, shape("struct dp_inner list[2];", "struct dp_inner { __u16 b; __u16 a; };"))).toBe(false);
});

test("a shorter array of structs is refused", () => {
  const inner = "struct dp_inner { __u32 a; };";
  const { refused } = translation(shape("struct dp_inner list[3];", inner), shape("struct dp_inner list[2];", inner));
  expect(refused).toEqual([{ path: "list[2].a", from: "__u32", to: "absent" }]);
});

test("addresses are copied, also in arrays of them", () => {
  const address = "struct dp_addr { __be32 words[4]; };";
  const from = shape("struct dp_addr one; struct dp_addr both[2];", address);
  const to = shape("struct dp_addr both[2]; struct dp_addr one;", address);
  const values = Array.from({ length: 48 }, (_, index) => index);
  expect([...translation(from, to).translate(bytes(...values))]).toEqual([...values.slice(16), ...values.slice(0, 16)]);
});

test("a wider number and a longer array keep what they hold", () => {
  const from = shape("__u16 port; __u16 pad; __u64 counts[2]; char name[8];");
  const to = shape("__u64 port; __u64 counts[3]; char name[16];");
  const { translate, refused } = translation(from, to);
  const name = [...new TextEncoder().encode("abcdefg"), 0];
  const eight = (first: number) => [first, 0, 0, 0, 0, 0, 0, 0];
  const before = bytes(7, 1, 0, 0, 0, 0, 0, 0, ...eight(1), ...eight(2), ...name);
  const after = bytes(7, 1, 0, 0, 0, 0, 0, 0, ...eight(1), ...eight(2), ...eight(0), ...name, ...eight(0));
  expect(translate(before)).toEqual(after);
  expect(refused).toEqual([]);
});

test("what does not fit, or means something else, is refused; on the way back it is cut", () => {
  const refusals: [from: string, to: string][] = [
    ["__u32 x;", "__u16 x; __u16 pad;"],
    ["__u32 x;", "__be32 x;"],
    ["__be16 x; __u16 pad;", "__be32 x;"],
    ["__s32 x;", "__u32 x;"],
    ["char x[8];", "char x[4];"],
    ["__u64 x[2];", "__u64 x;"],
    ["__u8 x[8];", "char x[8];"],
  ];
  for (const [from, to] of refusals) {
    const [one, other] = [shape(from), shape(to)];
    const { refused } = translation(one, other);
    expect(refused.map(({ path }) => path)).toEqual(["x"]);
  }
  const back = translation(shape("char x[8]; __u32 y;"), shape("char x[4]; __u16 y; __u16 pad;"), { cut: true });
  expect(back.refused).toEqual([]);
  expect([...back.translate(bytes(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0))]).toEqual([1, 2, 3, 4, 9, 0, 0, 0]);
});

test("a number and an enum of C are the same; what is the kernel's own is not copied", () => {
  const from = shape("__u32 state; __u32 pad; struct bpf_timer timer;");
  const to = shape("enum dp_state state; __u32 pad; struct bpf_timer timer;", "enum dp_state { DP_A, DP_B };");
  expect(isSameShape(from, to)).toBe(true);
  const filled = new Uint8Array(from.size).fill(1);
  expect([...translation(from, to).translate(filled)]).toEqual([1, 1, 1, 1, ...Array<number>(20).fill(0)]);
  const origin = shapeOfLayout("struct dp_origin", dpOrigin.size);
  expect(translation(origin, origin).translate(new Uint8Array(dpOrigin.size).fill(1)).subarray(-16)).toEqual(
    new Uint8Array(16),
  );
});

test("a shape is the same only with the same names, places and types", () => {
  const one = shape("__u32 a; __u32 b;");
  expect(isSameShape(one, shape("__u32 a; __u32 b;"))).toBe(true);
  for (const other of ["__u32 b; __u32 a;", "__be32 a; __u32 b;", "__u32 a; __u32 c;", "__u32 a; __u32 b; __u64 c;"]) {
    expect(isSameShape(one, shape(other))).toBe(false);
  }
});
