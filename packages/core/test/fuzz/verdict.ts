/** What a model says of a packet. */
import type { DropReason } from "@dp/test-kit/program-runner.ts";
import type { Packet } from "./model-packet.ts";

export interface Verdict {
  verdict: "next" | "pass" | "drop" | "redirect";
  /** Unchanged when left out. */
  packet?: Uint8Array;
  drop?: DropReason;
}

export const NEXT: Verdict = { verdict: "next" };
export const PASS: Verdict = { verdict: "pass" };
export const drop = (reason: DropReason): Verdict => ({ verdict: "drop", drop: reason });
export const redirect = (packet: Packet): Verdict => ({ verdict: "redirect", packet: packet.bytes });
export const nextAs = (packet: Packet): Verdict => ({ verdict: "next", packet: packet.bytes });
