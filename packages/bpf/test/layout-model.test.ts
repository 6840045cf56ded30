/** What bpf2ts takes from BTF, and refuses. */
import { describe, expect, test } from "bun:test";
import { layoutsOf, type ModelOptions } from "../src/bpf2ts/layout-model.ts";
import { renderLayouts } from "../src/bpf2ts/layout-source.ts";
import { ModelError } from "../src/bpf2ts/model-error.ts";
import { camelCase, constantName, pascalCase, typeName } from "../src/bpf2ts/names.ts";
import { Btf } from "../src/index.ts";
import { objectWith } from "./support/object-with.ts";

const model = (body: string, more = "", options?: ModelOptions) =>
  layoutsOf([Btf.fromObject(objectWith("dp_a", body, more))], options);

const source = (body: string, more = "", options?: ModelOptions) =>
  renderLayouts(model(body, more, options), { inputs: ["a.o"], programs: [], runtime: "@dp/bpf/layout" });

function refusal(body: () => unknown): ModelError {
  try {
    body();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("what only the kernel looks into is opaque: it has a place, and no reader or writer", () => {
  const body = "__u64 before; struct bpf_timer timer; __u64 after; struct bpf_spin_lock lock; __u32 pad;";
  const { structs } = model(body);
  expect(structs.map(({ name }) => name)).toEqual(["dp_a"]);
  expect(structs[0]?.fields[1]).toEqual({
    name: "timer",
    offset: 8,
    size: 16,
    type: "struct bpf_timer",
    shape: { kind: "opaque" },
  });
  expect(
    source(body)
      .match(/.*(timer|lock).*/g)
      ?.map((line) => line.trim()),
  ).toEqual([
    '{ name: "timer", offset: 8, size: 16, type: "struct bpf_timer" },',
    '{ name: "lock", offset: 32, size: 4, type: "struct bpf_spin_lock" },',
  ]);
});

test("a pointer that the kernel keeps in a map is opaque, too", () => {
  const body = "__u64 before; struct task_struct __kptr *task; __u32 after;";
  const { structs } = model(body);
  expect(structs[0]?.fields[1]).toMatchObject({ name: "task", offset: 8, size: 8, shape: { kind: "opaque" } });
});

test("padding the compiler adds is refused in keys, and everywhere when asked to", () => {
  expect(model("__u8 a; __u32 b;").structs[0]?.fields.map(({ offset }) => offset)).toEqual([0, 4]);
  const strict: ModelOptions = { explicitPadding: true };
  expect(() => model("__u8 a; __u32 b;", "", strict)).toThrow(new ModelError("struct dp_a: unnamed padding before b"));
  expect(() => model("__u32 a; __u8 b;", "", strict)).toThrow(
    new ModelError("struct dp_a: unnamed padding at its end"),
  );
  const key = `struct dp_key { __u32 a; __u8 b; };
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, struct dp_key); __type(value, __u32);
    } keyed SEC(".maps");`;
  const error = refusal(() => model("__u32 x;", key));
  expect(error.message).toBe("struct dp_key: unnamed padding at its end");
  expect(error.hint).toContain("it is in the key of map keyed");
});

test("what has no rendering is refused by name, with what to do", () => {
  const refused: [body: string, message: string, hint: RegExp][] = [
    ["__u32 a : 4; __u32 b : 28;", "struct dp_a: a: a bit-field", /whole __u8/],
    ["void *p;", "struct dp_a: p: no rendering for pointer", /address/],
    ["union { __u32 a; __u32 b; };", "struct dp_a: a member without a name", /name it/],
    ["struct { __u32 a; } s;", "struct dp_a: s: a struct without a name", /name it/],
    ["__u32 n; __u32 rest[];", "struct dp_a: rest: a flexible array (__u32[])", /length/],
    ["__u32 n; char text[];", "struct dp_a: text: a flexible array (char[])", /length/],
    ["unsigned __int128 wide;", "struct dp_a: wide: no rendering for unsigned __int128", /1, 2, 4 or 8 bytes/],
    ["enum { FAR = 1ull << 40 } big;", "struct dp_a: big: no rendering for enum (anonymous)", /use a __u64/],
    ["__u32 a_b; __u32 aB;", "struct dp_a: a_b and aB would both be aB", /rename/],
  ];
  for (const [body, message, hint] of refused) {
    const error = refusal(() => expect(source(body)).toBe(`a refusal of ${body}`));
    expect(error.message).toBe(message);
    expect(error.hint ?? "").toMatch(hint);
  }
});

test("maps that libbpf would not make are refused by name, with what to do", () => {
  const refused: [map: string, message: string, hint: RegExp][] = [
    [
      'struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); } half SEC(".maps");',
      "map half: a key, and no value",
      /__type\(value/,
    ],
    [
      'struct { int type; } old SEC("maps") = { 1 };',
      'maps in SEC("maps"), as libbpf had them before 1.0',
      /SEC\("\.maps"\)/,
    ],
  ];
  for (const [map, message, hint] of refused) {
    const error = refusal(() => model("__u32 a;", map));
    expect(error.message).toBe(message);
    expect(error.hint ?? "").toMatch(hint);
  }
});

describe("an array with a count", () => {
  const body = "__u16 used; __u16 pad; __u32 item[3];";
  const counted = [{ struct: "dp_a", array: "item", count: "used" }];

  test("has the elements in use, and its length in place of the count", () => {
    const text = source(body, "", { counted });
    expect(text).not.toContain("used: number");
    expect(text).toContain(
      "wire.getArray(Math.min(view.getUint16(at, true), 3), (i0) => view.getUint32(at + 4 + i0 * 4, true))",
    );
    expect(text).toContain('wire.setU16(view, 0, value.item.length, "dp_a.used");');
    expect(text).toContain('wire.setPartOfArray(3, value.item, "dp_a.item"');
  });

  test.each([
    [{ struct: "dp_b", array: "item", count: "used" }, "--counted: no struct dp_b in the layouts"],
    [{ struct: "dp_a", array: "items", count: "used" }, "struct dp_a: no field items"],
    [{ struct: "dp_a", array: "item", count: "uses" }, "struct dp_a: no field uses"],
    [{ struct: "dp_a", array: "used", count: "used" }, "struct dp_a: used is not an array"],
    [{ struct: "dp_a", array: "item", count: "item" }, "struct dp_a: item is not a __u8, __u16 or __u32"],
  ])("is refused where there is none: %j", (wrong, message) => {
    expect(refusal(() => source(body, "", { counted: [wrong] })).message).toBe(message);
  });
});

test("objects that disagree about a struct are refused", () => {
  const one = Btf.fromObject(objectWith("dp_a", "__u32 x;"));
  const other = Btf.fromObject(objectWith("dp_a", "__be32 x;"));
  expect(layoutsOf([one, one]).structs.length).toBe(1);
  expect(() => layoutsOf([one, other])).toThrow(new ModelError("dp_a is not the same in all objects"));
  const nested = (id: string) =>
    Btf.fromObject(objectWith("dp_a", "struct dp_b many[2];", `${id} struct dp_b { __u64 x; };`));
  expect(layoutsOf([nested(""), nested("extern int moves_type_ids; typedef __u64 more;")]).structs.length).toBe(2);
});

test("a struct that no map has is rendered when it is asked for", () => {
  const more = "struct event { __u32 pid; }; struct event *unused_event; enum mood { GOOD }; enum mood *unused_mood;";
  expect(model("__u32 x;", more).structs.map(({ name }) => name)).toEqual(["dp_a"]);
  const { structs, enums } = model("__u32 x;", more, { structs: ["ev*"], enums: ["mood"] });
  expect(structs.map(({ name }) => name)).toEqual(["dp_a", "event"]);
  expect(enums.map(({ name }) => name)).toEqual(["mood"]);
  const error = refusal(() => model("__u32 x;", "", { structs: ["event"] }));
  expect(error.message).toBe("no struct event in the BTF");
  expect(error.hint).toContain("struct event *unused_event __attribute__((unused));");
});

test("a typedef names a struct that has no other name", () => {
  const { structs } = model("thing_t thing;", "typedef struct { __u32 x; } thing_t;");
  expect(structs.map(({ name }) => name)).toEqual(["thing_t", "dp_a"]);
});

test("maps without types of their own are there: by their sizes, or with neither key nor value", () => {
  const { maps } = model(
    "__u32 x;",
    `struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");
     struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 1); __uint(map_flags, BPF_F_NO_PREALLOC);
       __uint(key_size, 8); __uint(value_size, 4); } routes SEC(".maps");`,
  );
  expect(maps.map(({ name, key, value }) => [name, key?.shape, value?.shape])).toEqual([
    ["dp_host_addrs", { kind: "u32" }, expect.objectContaining({ kind: "struct", name: "dp_a" })],
    ["events", undefined, undefined],
    ["routes", { kind: "bytes", length: 8 }, { kind: "u32" }],
  ]);
});

test("global variables are there; those without a rendering are named as left out", () => {
  const text = source(
    "__u32 x;",
    `const volatile __be16 port = 0; __u64 seen; struct dp_b { __u32 y; } both = { 1 }; void *nowhere;
     static const char text[] = "hidden"; const char *use(void) { return text; }`,
  );
  expect(text).toContain('port: { name: "port", section: ".rodata", type: "__be16", codec: wire.be16 }');
  expect(text).toContain('seen: { name: "seen", section: ".bss", type: "__u64", codec: wire.u64 }');
  expect(text).toContain('both: { name: "both", section: ".data", type: "struct dp_b", codec: dpB }');
  expect(text).toContain("Left out: variable nowhere: no rendering for pointer.");
});

test("an enum with a negative value is read and written with its sign", () => {
  const type = { kind: "enum", name: "mood", size: 4, values: [] } as const;
  const shape = { kind: "enum", name: "mood", number: "s32", type } as const;
  const text = renderLayouts(
    {
      enums: [{ name: "mood", values: [{ name: "MOOD_BAD", value: -1 }] }],
      structs: [{ name: "s", size: 4, fields: [{ name: "mood", offset: 0, size: 4, type: "enum mood", shape }] }],
      maps: [],
      variables: [],
      skipped: [],
    },
    { inputs: ["a.o"], programs: [], runtime: "@dp/bpf/layout" },
  );
  expect(text).toContain('[-1]: "bad"');
  expect(text).toContain("view.getInt32(at, true) as Mood");
  expect(text).toContain('wire.setS32(view, 0, value.mood, "s.mood")');
});

test("an object cannot smuggle code into the module", () => {
  const bytes = objectWith("dp_a", "__u32 sum_of_it; __u32 x;");
  const forged = (from: string, to: string) => {
    const text = Buffer.from(bytes).toString("latin1");
    expect(text).toContain(from);
    expect(to.length).toBe(from.length);
    const object = Uint8Array.from(Buffer.from(text.replaceAll(from, to), "latin1"));
    const forgedModel = layoutsOf([Btf.fromObject(object)]);
    return renderLayouts(forgedModel, { inputs: ["a.o"], programs: [], runtime: "@dp/bpf/layout" });
  };
  expect(forged("sum_of_it", "sum_of_us")).toContain("sumOfUs");
  expect(() => forged("sum_of_it", 'a",b:1+"c')).toThrow(new ModelError('"a\\",b:1+\\"c" is not a name in C'));
  expect(() => forged("dp_host_addrs", "dp_host*/x\n//")).toThrow("is not a name in C");
  expect(() => forged("__u32", '_"+"_')).toThrow("is not a name in C");
  const nothing = { enums: [], structs: [], maps: [], variables: [], skipped: [] };
  const programs = [{ name: "pass", section: 'tc",x:"' }];
  expect(renderLayouts(nothing, { inputs: [], programs, runtime: "" })).toContain('section: "tc\\",x:\\""');
  const forgedPrograms = [{ name: 'a",b:1+"c', section: "tc" }];
  expect(() => renderLayouts(nothing, { inputs: [], programs: forgedPrograms, runtime: "" })).toThrow(
    "is not a name in C",
  );
});

test("names are turned from C's spelling into TypeScript's, away from what is taken", () => {
  expect(camelCase("dp_snat_target")).toBe("dpSnatTarget");
  expect(camelCase("NOT_IP")).toBe("notIp");
  expect(camelCase("maxSize")).toBe("maxSize");
  expect(camelCase("IPV6")).toBe("ipv6");
  expect(camelCase("__flags")).toBe("flags");
  expect(pascalCase("dp_net_data")).toBe("DpNetData");
  expect(constantName("class")).toBe("class_");
  expect(constantName("wire")).toBe("wire_");
  expect(constantName("view")).toBe("view_");
  expect(constantName("element0")).toBe("element0_");
  expect(typeName("record")).toBe("Record_");
});

test("a struct that only an inner map has is refused, with what keeps it", () => {
  const outer = `struct dp_slot { __u32 seen; };
    struct {
      __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
      __uint(max_entries, 8);
      __type(key, __u32);
      __array(values, struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 4);
        __type(key, __u32);
        __type(value, struct dp_slot);
      });
    } dp_slots SEC(".maps");`;
  const error = refusal(() => model("__u32 x;", outer));
  expect(error.message).toBe("map dp_slots.inner: value: no rendering for fwd");
  expect(error.hint).toContain("const struct slot unused_slot = {};");
  const { maps, structs } = model("__u32 x;", `${outer} const struct dp_slot unused_slot = {};`);
  expect(structs.map(({ name }) => name)).toContain("dp_slot");
  expect(maps.find(({ name }) => name === "dp_slots")?.inner).toMatchObject({
    maxEntries: 4,
    value: { type: "struct dp_slot", size: 4 },
  });
});
