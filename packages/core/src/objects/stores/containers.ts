import type { DpContainer } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";

/** The server that has a container address. */
export interface ContainerEntry {
  /** The server's id. */
  server: number;
  /** ifindex of its host peer. */
  hostPeer: number;
}

/**
 * The servers by their containers' addresses, of both families (dp_containers). What the kernel refuses throws
 * `SyscallError`, a full map `MapFullError`, an address that is none `DatapathError` BAD_USAGE.
 */
export class Containers {
  readonly #map: BpfMap<string, DpContainer>;

  constructor(map: BpfMap<string, DpContainer>) {
    this.#map = map;
  }

  /** Makes or replaces an entry: from the next packet on, what the container opens is redirected to the proxy. */
  set(address: string, entry: ContainerEntry): void {
    this.#map.set(address, entry);
  }

  /** undefined when no server has this address. */
  get(address: string): ContainerEntry | undefined {
    return this.#map.get(address);
  }

  /** False when there was no entry. The server's flows stay: see {@link Flows}. */
  delete(address: string): boolean {
    return this.#map.delete(address);
  }

  /** All entries, in no order. */
  all(): [address: string, entry: ContainerEntry][] {
    return [...this.#map];
  }

  /** The first few of {@link all}, without looking at the others. */
  some(most: number): [address: string, entry: ContainerEntry][] {
    const some: [string, ContainerEntry][] = [];
    for (const entry of this.#map) {
      if (some.length >= most) break;
      some.push(entry);
    }
    return some;
  }
}
