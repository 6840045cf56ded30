import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { type Fields, NativeStruct, struct, type StructType } from "../src/ffi/native-struct.ts";
import { TC_HOOK, TC_OPTS } from "../src/libbpf/clsact.ts";
import { BTF_INFO, MAP_INFO, PROGRAM_INFO } from "../src/libbpf/info.ts";
import { ITER_CREATE_OPTS } from "../src/libbpf/iter.ts";
import { CGROUP_LINK_INFO, ITER_LINK_INFO, TCX_LINK_INFO } from "../src/libbpf/link.ts";
import { BATCH_OPTS } from "../src/libbpf/map-batch.ts";
import { MAP_CREATE_OPTS } from "../src/libbpf/map.ts";
import { NETFILTER_LINK_CREATE } from "../src/libbpf/netfilter.ts";
import { OBJECT_OPEN_OPTS } from "../src/libbpf/object.ts";
import { TCX_LINK_CREATE, TCX_QUERY } from "../src/libbpf/tcx.ts";
import { TEST_RUN_OPTS } from "../src/libbpf/test-run.ts";

interface Claim {
  type: StructType<Fields>;
  c: string;
  /** C's name of a field where it is not the same: members of unions. */
  rename?: Record<string, string>;
  /** Fields newer than the headers of Debian 12. */
  newer?: string[];
  /** We declare the whole of it, not only its head. */
  whole: boolean;
}

const union = (member: string, ...fields: string[]) =>
  Object.fromEntries(fields.map((field) => [field, `${member}.${field}`]));

const CLAIMS: Claim[] = [
  { type: TEST_RUN_OPTS, c: "struct bpf_test_run_opts", whole: true },
  { type: OBJECT_OPEN_OPTS, c: "struct bpf_object_open_opts", whole: true },
  { type: BATCH_OPTS, c: "struct bpf_map_batch_opts", whole: true },
  { type: MAP_CREATE_OPTS, c: "struct bpf_map_create_opts", whole: false },
  { type: TC_HOOK, c: "struct bpf_tc_hook", whole: true },
  { type: TC_OPTS, c: "struct bpf_tc_opts", whole: true },
  { type: ITER_CREATE_OPTS, c: "struct bpf_link_create_opts", whole: false },
  { type: PROGRAM_INFO, c: "struct bpf_prog_info", whole: false },
  { type: MAP_INFO, c: "struct bpf_map_info", whole: false },
  { type: BTF_INFO, c: "struct bpf_btf_info", whole: false },
  // Debian 12's headers are older than TCX: other members of the union have the same fields in the same places.
  {
    type: TCX_LINK_INFO,
    c: "struct bpf_link_info",
    rename: { ifindex: "xdp.ifindex", attach_type: "netns.attach_type" },
    whole: false,
  },
  {
    type: CGROUP_LINK_INFO,
    c: "struct bpf_link_info",
    rename: union("cgroup", "cgroup_id", "attach_type"),
    whole: false,
  },
  {
    type: ITER_LINK_INFO,
    c: "struct bpf_link_info",
    rename: union("iter", "target_name", "target_name_len"),
    whole: false,
  },
  {
    type: TCX_LINK_CREATE,
    c: "union bpf_attr",
    rename: {
      ...union("link_create", "prog_fd", "attach_type", "flags"),
      target_ifindex: "link_create.target_ifindex",
      relative_fd_or_id: "link_create.target_btf_id",
    },
    newer: ["expected_revision"],
    whole: false,
  },
  {
    type: NETFILTER_LINK_CREATE,
    c: "union bpf_attr",
    rename: union("link_create", "prog_fd", "target_fd", "attach_type", "flags"),
    newer: ["pf", "hooknum", "priority", "netfilter_flags"],
    whole: false,
  },
  {
    type: TCX_QUERY,
    c: "union bpf_attr",
    rename: {
      ...union("query", "attach_type", "query_flags", "attach_flags", "prog_ids", "prog_attach_flags"),
      target_ifindex: "query.target_fd",
      count: "query.prog_cnt",
    },
    newer: ["link_ids", "link_attach_flags", "revision"],
    whole: false,
  },
];

test("every structure lies in memory as the C compiler lays it", () => {
  const lines = ["#include <stddef.h>", "#include <bpf/libbpf.h>", "#include <bpf/bpf.h>", "#include <linux/bpf.h>"];
  for (const { type, c, rename = {}, newer = [], whole } of CLAIMS) {
    if (whole) lines.push(`_Static_assert(sizeof(${c}) == ${type.size}, "size of ${c}");`);
    for (const [field, offset] of Object.entries(type.offsets)) {
      if (field.startsWith("_") || newer.includes(field)) continue;
      lines.push(`_Static_assert(offsetof(${c}, ${rename[field] ?? field}) == ${offset}, "${c} ${field}");`);
    }
  }
  const compiler = spawnSync("clang", ["-fsyntax-only", "-x", "c", "-"], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
  });
  expect(compiler.stderr).toBe("");
  expect(lines.length).toBeGreaterThan(80);
});

const SAMPLE = struct("sample", { sz: "u64", flag: "u8", number: "u32", big: "u64", where: "pointer", tag: "bytes8" });

test("sz is set, everything not given is zero, fields read back", () => {
  using sample = new NativeStruct(SAMPLE, { number: 0xdeadbeef, big: 1n << 40n, flag: undefined });
  expect(sample.get("sz")).toBe(BigInt(SAMPLE.size));
  expect(sample.get("number")).toBe(0xdeadbeef);
  expect(sample.get("big")).toBe(1n << 40n);
  expect(sample.get("flag")).toBe(0);
  expect(sample.get("where")).toBe(0n);
  expect([...sample.get("tag")]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

test("a pointer is the address of the bytes themselves, and stays so while garbage is collected", () => {
  const small = new Uint8Array(3);
  using sample = new NativeStruct(SAMPLE, { where: small });
  const address = sample.get("where");
  for (let round = 0; round < 20; round++) {
    Bun.gc(true);
    using again = new NativeStruct(SAMPLE, { where: small });
    expect(again.get("where")).toBe(address);
  }
});
