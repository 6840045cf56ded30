import { mkdirSync } from "node:fs";
import { loadBpf, readInterface } from "@dp/core";
import { mountBpffs } from "@dp/sys";
import { load } from "../../src/index.ts";
import type { Sandbox } from "./sandbox.ts";

export const MECHANISMS = ["tcx", "clsact"] as const;
export type Mechanism = (typeof MECHANISMS)[number];

/** Loads on a sandbox's host by a mechanism, which all that is attached later follows. */
export async function loadBy(mechanism: Mechanism, sandbox: Sandbox): Promise<void> {
  if (mechanism === "clsact") {
    const { pinRoot } = sandbox;
    mkdirSync(pinRoot);
    mountBpffs(pinRoot);
    using objects = loadBpf({ pinRoot, mechanism });
    objects.attachAndPinDnat(readInterface("up0"));
  }
  const loaded = await load(sandbox.options);
  if (loaded.mechanism !== mechanism) throw new Error(`this is loaded by ${loaded.mechanism}, not ${mechanism}`);
}
