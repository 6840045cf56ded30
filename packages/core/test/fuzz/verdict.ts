/** What a model says of a packet. */
import type { DropReason } from "@dp/test-kit/program-runner.ts";
import type { Packet } from "./model-packet.ts";

export interface Verdict {
  verdict: "next" | "pass" | "drop" | "redirect";
  /** Unchanged when left out. */
  packet?: Uint8Array;
  drop?: DropReason;
  /** The counter of the forward that it is counted for, and the direction: "11 in". */
  counted?: string;
}

export const NEXT: Verdict = { verdict: "next" };
export const PASS: Verdict = { verdict: "pass" };
export const drop = (reason: DropReason): Verdict => ({ verdict: "drop", drop: reason });
export const redirect = (packet: Packet, counted?: string): Verdict => ({
  verdict: "redirect",
  packet: packet.bytes,
  ...(counted === undefined ? {} : { counted }),
});
export const nextAs = (packet: Packet): Verdict => ({ verdict: "next", packet: packet.bytes });
