import { type DpDrops, DpDrop, dpDropNames, type DpTraffic } from "@dp/bpf";

/** Why a packet of a container was dropped (enum dp_drop in bpf/drop.h). */
export type DropReason = Exclude<keyof typeof DpDrop, "none" | "max">;

/** What went one way. */
export interface Traffic {
  /** A GSO super-packet is one. */
  packets: bigint;
  /** With Ethernet headers. */
  bytes: bigint;
}

/** What a server's packets came to since it was added. */
export interface Counters {
  /** From players to the container, as dnat sent them on. */
  in: Traffic;
  /** From the container to players, as snat sent them on. */
  out: Traffic;
  /** Packets of the container that were dropped, for every reason there is. */
  drops: Record<DropReason, bigint>;
}

const REASONS = Object.entries(dpDropNames)
  .map(([number, name]) => [Number(number), name] as const)
  .filter((entry): entry is readonly [number, DropReason] => entry[1] !== "none");

export const NO_TRAFFIC: DpTraffic = { packets: 0n, bytes: 0n };

export const NO_DROPS: DpDrops = { packets: Array.from({ length: DpDrop.max }, () => 0n) };

/** Adds up what each CPU has counted. */
export function sumTraffic(perCpu: readonly { traffic: DpTraffic }[] = []): Traffic {
  return {
    packets: perCpu.reduce((total, { traffic }) => total + traffic.packets, 0n),
    bytes: perCpu.reduce((total, { traffic }) => total + traffic.bytes, 0n),
  };
}

/** Adds up what each CPU has counted, by reason. */
export function sumDrops(perCpu: readonly DpDrops[] = []): Record<DropReason, bigint> {
  const sum = (reason: number) => perCpu.reduce((total, { packets }) => total + (packets[reason] ?? 0n), 0n);
  return Object.fromEntries(REASONS.map(([number, name]) => [name, sum(number)])) as Record<DropReason, bigint>;
}
