import type { BpfMap } from "../../libbpf/map.ts";

/**
 * The uplinks: the interfaces that replies to players may leave by (dp_uplinks). The kernel removes an interface
 * when it is deleted or moved to another network namespace. What the kernel refuses throws `SyscallError`.
 */
export class Uplinks {
  readonly #map: BpfMap<number, number>;

  constructor(map: BpfMap<number, number>) {
    this.#map = map;
  }

  /**
   * Lets replies leave by an interface of the calling thread's network namespace. Throws `SyscallError` EINVAL without
   * such an interface, `MapFullError` when there are too many.
   */
  set(ifindex: number): void {
    this.#map.set(ifindex, ifindex);
  }

  /** False when it was no uplink. */
  delete(ifindex: number): boolean {
    return this.#map.delete(ifindex);
  }

  /** The ifindexes of all uplinks that exist. */
  all(): number[] {
    return [...this.#map.keys()];
  }
}
