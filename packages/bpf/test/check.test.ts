import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, findToolchain } from "../src/bpf2ts/clang.ts";
import { checkLayouts } from "../src/index.ts";
import { objectWith } from "./support/object-with.ts";

test("an object of another build is caught, field by field", () => {
  const object = objectWith(
    "dp_veth_peer",
    "__u32 ifindex; __u32 addr; __u64 cookie; __u8 mac[6]; __u16 pad; char name[16];",
  );
  expect(checkLayouts(object)).toEqual([
    { struct: "dp_veth_peer", field: "(size)", expected: "28 bytes", actual: "40 bytes" },
    {
      struct: "dp_veth_peer",
      field: "mac",
      expected: "__u8[6] at byte 4, 6 bytes",
      actual: "__u8[6] at byte 16, 6 bytes",
    },
    {
      struct: "dp_veth_peer",
      field: "pad",
      expected: "__u16 at byte 10, 2 bytes",
      actual: "__u16 at byte 22, 2 bytes",
    },
    {
      struct: "dp_veth_peer",
      field: "name",
      expected: "char[16] at byte 12, 16 bytes",
      actual: "char[16] at byte 24, 16 bytes",
    },
    { struct: "dp_veth_peer", field: "addr", expected: "absent", actual: "__u32 at byte 4, 4 bytes" },
    { struct: "dp_veth_peer", field: "cookie", expected: "absent", actual: "__u64 at byte 8, 8 bytes" },
    { struct: "map dp_host_addrs", field: "(key)", expected: "struct dp_addr", actual: "__u32" },
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
    expect(checkLayouts(compile(findToolchain(), "none.c", { directory }).object)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
