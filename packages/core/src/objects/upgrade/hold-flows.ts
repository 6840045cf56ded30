/** Containers open no new flows while flows are migrated: the packet is dropped, and the container sends it again. */
import { mapLayouts } from "@dp/bpf";
import { monotonicNow } from "../../ffi/libc.ts";
import { openAnyLayout } from "../maps.ts";
import type { PinRoot } from "../programs/pin-root.ts";

/** In case the load is killed: longer than an upgrade takes, shorter than TCP goes on trying. */
const LONGEST_NS = 30_000_000_000n;

/** An older build without this may lose the flows that are opened meanwhile. */
export function holdFlows(root: PinRoot, hold: boolean): void {
  using configs = openAnyLayout(root, mapLayouts.dp_configs);
  const config = configs?.get(0);
  if (config !== undefined) configs?.set(0, { ...config, heldUntil: hold ? monotonicNow() + LONGEST_NS : 0n });
}
