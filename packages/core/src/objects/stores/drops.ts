import { type DpDrops, DpDropReason, dpDropReasonNames } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import type { PerCpuMap } from "../../libbpf/map.ts";
import { onEachCpu } from "./per-cpu.ts";

/** Why a packet was dropped (enum dp_drop_reason in bpf/maps/drop_reason.h). */
export type DropReason = Exclude<keyof typeof DpDropReason, "none" | "max">;

/** How many packets were dropped, for every reason there is. */
export type DropCounts = Readonly<Record<DropReason, bigint>>;

/** The key of the drops of packets that belong to no server. */
const NO_SERVER = 0;

const REASONS = Object.entries(dpDropReasonNames)
  .map(([number, name]) => [Number(number), name] as const)
  .filter((entry): entry is readonly [number, DropReason] => entry[1] !== "none");

const NO_DROPS: DpDrops = { packets: Array.from({ length: DpDropReason.max }, () => 0n) };

/**
 * The drop counts of servers, by id; id 0 counts packets that belong to no server (dp_drop_counts). An error of the
 * kernel throws `SyscallError`, a full map `MapFullError`.
 */
export class Drops {
  readonly #map: PerCpuMap<number, DpDrops>;

  constructor(map: PerCpuMap<number, DpDrops>) {
    this.#map = map;
  }

  /** Starts counting the drops of a server, from zero. Without an entry they are counted for id 0. */
  add(id: number): void {
    this.#map.set(id, onEachCpu(NO_DROPS));
  }

  /** Internal: creates the entry of id 0, if it does not exist. */
  start(): void {
    if (this.#map.get(NO_SERVER) === undefined) this.add(NO_SERVER);
  }

  /** The drops since {@link add}; undefined when this id has no entry. */
  read(id: number = NO_SERVER): DropCounts | undefined {
    const perCpu = this.#map.get(id);
    return perCpu === undefined ? undefined : sumDrops(perCpu);
  }

  /** False when there were none. Throws `DatapathError` BAD_USAGE for id 0: the counts of no server always stay. */
  delete(id: number): boolean {
    if (id === NO_SERVER) {
      throw new DatapathError("BAD_USAGE", "delete drop counts", "those of no server (id 0) always stay");
    }
    return this.#map.delete(id);
  }

  /** The ids of the servers that have drop counts, in no order. */
  ids(): number[] {
    return [...this.#map.keys()].filter((id) => id !== NO_SERVER);
  }
}

/** Adds up what each CPU has counted, by reason. */
export function sumDrops(perCpu: readonly DpDrops[]): DropCounts {
  const sum = (reason: number) => perCpu.reduce((total, { packets }) => total + (packets[reason] ?? 0n), 0n);
  return Object.fromEntries(REASONS.map(([number, name]) => [name, sum(number)])) as DropCounts;
}
