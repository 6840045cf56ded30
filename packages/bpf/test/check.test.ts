import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, findToolchain } from "../build/clang.ts";
import { layoutsOf, ModelError } from "../build/layout-model.ts";
import { camelCase, pascalCase, renderLayouts } from "../build/layout-source.ts";
import { Btf, checkLayouts } from "../src/index.ts";

/** Compiles a map whose value is a struct with this body, beside whatever else it needs. */
function objectWith(struct: string, body: string, more = ""): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "dp-bpf-test-"));
  try {
    writeFileSync(
      join(directory, "map.c"),
      `#include <linux/bpf.h>
       #include <linux/types.h>
       #include <bpf/bpf_helpers.h>
       ${more}
       struct ${struct} { ${body} };
       struct {
         __uint(type, BPF_MAP_TYPE_HASH);
         __uint(max_entries, 8);
         __type(key, __u32);
         __type(value, struct ${struct});
       } dp_host_addrs SEC(".maps");`,
    );
    return compile(findToolchain(), "map.c", directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const model = (struct: string, body: string, more?: string) =>
  layoutsOf([Btf.fromObject(objectWith(struct, body, more))]);

test("a struct of the kernel without named members is opaque: it has a place, and no reader or writer", () => {
  const { structs } = model("dp_a", "__u64 before; struct bpf_timer timer; __u64 after;");
  expect(structs.map(({ name }) => name)).toEqual(["dp_a"]);
  expect(structs[0]?.fields[1]).toEqual({
    name: "timer",
    offset: 8,
    size: 16,
    type: "struct bpf_timer",
    shape: { kind: "opaque" },
  });
  const source = renderLayouts(model("dp_a", "__u64 before; struct bpf_timer timer; __u64 after;"));
  expect(source.match(/.*timer.*/g)?.map((line) => line.trim())).toEqual([
    '{ name: "timer", offset: 8, size: 16, type: "struct bpf_timer" },',
  ]);
});

test("an object of another build is caught, field by field", () => {
  const object = objectWith(
    "dp_veth_peer",
    "__u32 ifindex; __u32 addr; __u64 cookie; __u8 mac[6]; __u16 pad; char name[16];",
  );
  expect(checkLayouts(object)).toEqual([
    { struct: "dp_veth_peer", field: "(size)", expected: "32 bytes", actual: "40 bytes" },
    {
      struct: "dp_veth_peer",
      field: "addr",
      expected: "__be32 at byte 4, 4 bytes",
      actual: "__u32 at byte 4, 4 bytes",
    },
    {
      struct: "dp_veth_peer",
      field: "mac",
      expected: "__u8[6] at byte 8, 6 bytes",
      actual: "__u8[6] at byte 16, 6 bytes",
    },
    {
      struct: "dp_veth_peer",
      field: "pad",
      expected: "__u16 at byte 14, 2 bytes",
      actual: "__u16 at byte 22, 2 bytes",
    },
    {
      struct: "dp_veth_peer",
      field: "name",
      expected: "char[16] at byte 16, 16 bytes",
      actual: "char[16] at byte 24, 16 bytes",
    },
    { struct: "dp_veth_peer", field: "cookie", expected: "absent", actual: "__u64 at byte 8, 8 bytes" },
    { struct: "map dp_host_addrs", field: "(key)", expected: "__be32", actual: "__u32" },
    { struct: "map dp_host_addrs", field: "(value)", expected: "struct dp_host_addr", actual: "struct dp_veth_peer" },
  ]);
});

test("a field that is gone is caught", () => {
  expect(checkLayouts(objectWith("dp_change", "__u64 at;"))).toContainEqual({
    struct: "dp_change",
    field: "since",
    expected: "__u64 at byte 0, 8 bytes",
    actual: "absent",
  });
});

test("an object without any of the structs has nothing to disagree about", () => {
  const directory = mkdtempSync(join(tmpdir(), "dp-bpf-test-"));
  try {
    writeFileSync(join(directory, "none.c"), "int f(void) { return 0; }\n");
    expect(checkLayouts(compile(findToolchain(), "none.c", directory))).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("padding the compiler would add unseen is refused", () => {
  expect(() => model("dp_a", "__u8 a; __u32 b;")).toThrow(new ModelError("struct dp_a: unnamed padding before b"));
  expect(() => model("dp_a", "__u32 a; __u8 b;")).toThrow(new ModelError("struct dp_a: unnamed padding at its end"));
});

test("what has no rendering is refused by name", () => {
  const refused: [body: string, message: string][] = [
    ["__u32 a : 4; __u32 b : 28;", "struct dp_a: a: a bit-field"],
    ["void *p;", "struct dp_a: p: no rendering for pointer"],
    ["union { __u32 a; __u32 b; } u;", "struct dp_a: u: no rendering for union (anonymous)"],
    ["__u8 bytes[16];", "struct dp_a: bytes: no rendering for __u8[16]"],
    ["struct dp_b { __u32 x; } many[2];", "struct dp_a: many: no rendering for struct dp_b[2]"],
    ["__s16 a; __u16 pad;", "struct dp_a: a: no rendering for __s16"],
  ];
  for (const [body, message] of refused) expect(() => model("dp_a", body)).toThrow(new ModelError(message));
});

test("objects that disagree about a struct are refused", () => {
  const one = Btf.fromObject(objectWith("dp_a", "__u32 x;"));
  const other = Btf.fromObject(objectWith("dp_a", "__be32 x;"));
  expect(layoutsOf([one, one]).structs.length).toBe(1);
  expect(() => layoutsOf([one, other])).toThrow(new ModelError("dp_a is not the same in all objects"));
});

test("every field type the generator knows is rendered by its C type", () => {
  const source = renderLayouts(
    model(
      "dp_all",
      `__u8 a; __u8 pad; __u16 b; __u32 c; __s32 d; __be32 e; __u64 f; __u8 g[6]; __be16 h; char i[8]; __u64 j[2];
       struct dp_inner k; enum dp_mood l;`,
      "struct dp_inner { __u32 x; }; enum dp_mood { DP_MOOD_GOOD = 1, DP_MOOD_VERY_BAD = 2 };",
    ),
  );
  for (const line of [
    "a: view.getUint8(0)",
    "b: view.getUint16(2, true)",
    "c: view.getUint32(4, true)",
    "d: view.getInt32(8, true)",
    "e: getIpv4(view, 12)",
    "f: view.getBigUint64(16, true)",
    "g: getMac(view, 24)",
    "h: view.getUint16(30)",
    "i: getText(view, 32, 8)",
    "j: getU64s(view, 40, 2)",
    "k: dpInner.read(bytes.subarray(56, 60))",
    "l: view.getUint32(60, true) as DpMood",
    "good: 1",
    "veryBad: 2",
    "setS32(view, 8, value.d",
  ]) {
    expect(source).toContain(line);
  }
  expect(source).not.toMatch(/\bpad:/);
  expect(source).not.toMatch(/value\.pad/);
  expect(source.indexOf("export const dpInner")).toBeLessThan(source.indexOf("export const dpAll"));
});

test("names are turned from C's spelling into TypeScript's", () => {
  expect(camelCase("dp_snat_target")).toBe("dpSnatTarget");
  expect(camelCase("NOT_IP")).toBe("notIp");
  expect(camelCase("IPV6")).toBe("ipv6");
  expect(pascalCase("dp_net_data")).toBe("DpNetData");
});
