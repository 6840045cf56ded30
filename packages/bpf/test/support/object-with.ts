import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, findToolchain } from "../../src/bpf2ts/clang.ts";

/** Compiles a map whose value is a struct with this body, beside whatever else it needs. */
export function objectWith(struct: string, body: string, more = ""): Uint8Array {
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
    return compile(findToolchain(), "map.c", { directory }).object;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
