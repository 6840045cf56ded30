import type { BpfMap } from "../../libbpf/map.ts";

/**
 * The interfaces that players' packets are redirected to, by server id (dp_host_peers). The kernel removes an interface
 * when it is deleted or moved to another network namespace. So no packet goes to another interface that gets its index
 * later. What the kernel refuses throws `SyscallError`.
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

  /** From the next packet on, no packet is redirected to this container. False when there was no entry. */
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
