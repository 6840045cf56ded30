import type { BpfMap } from "../../libbpf/map.ts";

/**
 * The interfaces by which packets get into containers, by server id (dp_host_peers). The kernel takes an interface out
 * the moment it is deleted or moves to another network namespace: a packet goes to that interface or is dropped,
 * whatever gets its index later. What the kernel refuses throws `SyscallError`.
 */
export class HostPeers {
  readonly #map: BpfMap<number, number>;

  constructor(map: BpfMap<number, number>) {
    this.#map = map;
  }

  /**
   * Lets packets into the container of a server by an interface of the calling thread's network namespace. Throws
   * `SyscallError`: EINVAL without such an interface, E2BIG for an id above the number of servers.
   */
  set(id: number, ifindex: number): void {
    this.#map.set(id, ifindex);
  }

  /** The ifindex of a server's host peer; undefined when that interface is gone. */
  get(id: number): number | undefined {
    return this.#map.get(id);
  }

  /** From the next packet on, nothing gets into that container. False when there was no entry. */
  delete(id: number): boolean {
    // The kernel's delete of an empty entry succeeds.
    const had = this.#map.get(id) !== undefined;
    this.#map.delete(id);
    return had;
  }

  /** The host peers of all servers whose interface is there. Slow: the kernel has no batches for this kind of map. */
  all(): [id: number, ifindex: number][] {
    return [...this.#map];
  }
}
