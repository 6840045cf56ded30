import type { DpForwardTraffic } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { type BpfMap, MapFullError, type PerCpuMap } from "../../libbpf/map.ts";
import { MORE_ROOM } from "../upgrade/map-sizes.ts";
import { onEachCpu } from "./per-cpu.ts";
import type { Records } from "./records.ts";

/** The traffic of one direction. */
export interface Traffic {
  /** A GSO packet is one. */
  packets: bigint;
  /** With Ethernet headers. */
  bytes: bigint;
}

/** The traffic of a forward since it was added. */
export interface ForwardTraffic {
  /** From players to the container, counted by dp_dnat. */
  in: Traffic;
  /** From the container to players, counted by dp_snat. */
  out: Traffic;
}

interface CounterMaps {
  /** dp_counters: the server that has a counter. */
  counters: BpfMap<number, number>;
  /** dp_traffic, by counter. */
  traffic: PerCpuMap<number, DpForwardTraffic>;
}

const NO_TRAFFIC: DpForwardTraffic = { in: { packets: 0n, bytes: 0n }, out: { packets: 0n, bytes: 0n } };

/** The first counter: 0 is never used. */
const FIRST = 1;

/**
 * The counters of forwards, and which server has which. What the kernel refuses throws `SyscallError`.
 *
 * Nothing is locked: a free counter is free as long as the caller holds the pin root's lock.
 */
export class Counters {
  readonly #owners: BpfMap<number, number>;
  readonly #traffic: PerCpuMap<number, DpForwardTraffic>;
  readonly #records: Records;

  constructor({ counters, traffic }: CounterMaps, records: Records) {
    this.#owners = counters;
    this.#traffic = traffic;
    this.#records = records;
  }

  /** The lowest free counters, for {@link claim}. Throws `MapFullError` when there are not so many. */
  lowestFree(howMany: number): number[] {
    const { counter: from } = this.#records.freeFrom();
    const { maxEntries } = this.#traffic.info;
    const free: number[] = [];
    for (let counter = from; free.length < howMany; counter++) {
      if (counter >= maxEntries) throw new MapFullError(this.#traffic.name, maxEntries, MORE_ROOM);
      if (this.#owners.get(counter) === undefined) free.push(counter);
    }
    const [first] = free;
    if (first !== undefined && first !== from) this.#records.setFreeFrom({ counter: first });
    return free;
  }

  /**
   * Gives a counter to a server and sets it to zero. A counter that the server has already is left as it is. Throws
   * `DatapathError` CONFLICT when another server has it, BAD_USAGE for a counter that does not exist.
   */
  claim(counter: number, id: number): void {
    const op = `claim counter ${counter} for server ${id}`;
    const { maxEntries } = this.#traffic.info;
    if (!Number.isInteger(counter) || counter < FIRST || counter >= maxEntries) {
      throw new DatapathError("BAD_USAGE", op, `counters are ${FIRST} to ${maxEntries - 1}`);
    }
    const owner = this.owner(counter);
    if (owner === id) return;
    if (owner !== undefined) throw new DatapathError("CONFLICT", op, `server ${owner} has it`);
    this.#owners.set(counter, id, "create");
    this.clear(counter);
  }

  /** Frees a counter. False when no server had it. */
  release(counter: number): boolean {
    if (counter < this.#records.freeFrom().counter) this.#records.setFreeFrom({ counter });
    return this.#owners.delete(counter);
  }

  /** The id of the server that has a counter; undefined when it is free. */
  owner(counter: number): number | undefined {
    return this.#owners.get(counter);
  }

  /** All counters that servers have, in no order. */
  all(): [counter: number, id: number][] {
    return [...this.#owners];
  }

  /** Sets a counter to zero. Packets counted meanwhile may be lost. */
  clear(counter: number): void {
    this.#traffic.set(counter, onEachCpu(NO_TRAFFIC));
  }

  /** What a counter has counted since it was given to its server. Zero for one that does not exist. */
  read(counter: number): ForwardTraffic {
    return sumTraffic(this.#traffic.get(counter) ?? []);
  }

  /** As {@link read} for each, in batches where many of all counters are asked for. */
  readMany(counters: Iterable<number>): Map<number, ForwardTraffic> {
    const wanted = new Set(counters);
    const traffic = new Map<number, ForwardTraffic>();
    if (wanted.size * MANY < this.#traffic.info.maxEntries) {
      for (const counter of wanted) traffic.set(counter, this.read(counter));
      return traffic;
    }
    for (const [counter, perCpu] of this.#traffic) if (wanted.has(counter)) traffic.set(counter, sumTraffic(perCpu));
    return traffic;
  }
}

/** Reading one entry takes as long as reading this many in a batch. */
const MANY = 4;

/** Adds up what each CPU has counted. */
export function sumTraffic(perCpu: readonly DpForwardTraffic[]): ForwardTraffic {
  const sum = (way: "in" | "out", what: keyof Traffic) => perCpu.reduce((total, each) => total + each[way][what], 0n);
  return {
    in: { packets: sum("in", "packets"), bytes: sum("in", "bytes") },
    out: { packets: sum("out", "packets"), bytes: sum("out", "bytes") },
  };
}
