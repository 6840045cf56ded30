/** While flows are moved, containers cannot open flows: see bpf/lib/hold.h. */
import { mapLayouts } from "@dp/bpf";
import { monotonicNow } from "../../ffi/libc.ts";
import { openAnyLayout } from "../maps.ts";
import type { PinRoot } from "../programs/pin-root.ts";

/** The end of the hold if the load is killed: longer than an upgrade takes, shorter than TCP retries. */
const LONGEST_NS = 30_000_000_000n;

/** The programs of older builds do not hold flows: then flows that are opened during the upgrade may be lost. */
export function holdFlows(root: PinRoot, hold: boolean): void {
  using configs = openAnyLayout(root, mapLayouts.dp_configs);
  const config = configs?.get(0);
  if (config !== undefined) configs?.set(0, { ...config, heldUntil: hold ? monotonicNow() + LONGEST_NS : 0n });
}
