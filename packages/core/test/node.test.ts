/** The built package under Node: the same steps as a user's first script. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

const DIST = join(import.meta.dirname, "..", "dist", "libbpf", "index.js");

test("the built package loads, runs, attaches and pins under Node", () => {
  if (!existsSync(DIST)) throw new Error("the package is not built: run `bun run build` at the repository's root");
  using namespace = NetworkNamespace.withPair();
  using bpffs = new Bpffs();
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [
      "nsenter",
      `--net=${namespace.path}`,
      "node",
      "--expose-gc",
      join(import.meta.dirname, "support", "under-node.mjs"),
      bpffs.path,
      `${namespace.index("dp0")}`,
    ],
    { stdin: fixture("packet") },
  );
  expect(stderr.toString()).toBe("");
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout.toString())).toEqual({
    retval: 2,
    runs: 41,
    entries: 100,
    errors: ["LibbpfError", "MapFullError", "DatapathError"],
    chain: 1,
    attachments: ["dnat dp0"],
    record: undefined,
    leaked: [],
  });
});
