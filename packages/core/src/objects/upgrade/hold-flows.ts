/** While flows move to other maps, containers open no new ones: what they send is dropped, and sent again. */
import { mapLayouts } from "@dp/bpf";
import { monotonicNow } from "../../ffi/libc.ts";
import { openAnyLayout } from "../maps.ts";
import type { PinRoot } from "../programs/pin-root.ts";

/** Longer than an upgrade takes, shorter than TCP goes on trying: who asked for it may be killed. */
const LONGEST_NS = 30_000_000_000n;

/** From an older build that knows of no such thing, flows that are opened meanwhile may be lost. */
export function holdFlows(root: PinRoot, hold: boolean): void {
  using configs = openAnyLayout(root, mapLayouts.dp_configs);
  const config = configs?.get(0);
  if (config !== undefined) configs?.set(0, { ...config, heldUntil: hold ? monotonicNow() + LONGEST_NS : 0n });
}
