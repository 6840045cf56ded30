import { ContainerUsage } from "./container-usage.ts";
import { DestinationPorts } from "./destination-ports.ts";
import type { ProxyLimits } from "./limits.ts";
import { TokenBuckets } from "./token-buckets.ts";

/** A connection has two sockets, a query one. */
const CONNECTION_DESCRIPTORS = 2;
const QUERY_DESCRIPTORS = 1;

/** What one container has open now. */
export interface Usage {
  readonly address: string;
  readonly connections: number;
  readonly queries: number;
  readonly bufferedBytes: number;
}

/** Counts what each container (by its address) and all containers together use, and enforces the limits. */
export class UsageTable {
  readonly #limits: ProxyLimits;
  readonly #containers = new Map<string, ContainerUsage>();
  readonly #newConnections: TokenBuckets;
  readonly #newQueries: TokenBuckets;
  readonly #ports = new DestinationPorts();
  #descriptors = 0;

  constructor(limits: ProxyLimits) {
    this.#limits = limits;
    this.#newConnections = new TokenBuckets(limits.ratePerServer);
    this.#newQueries = new TokenBuckets(limits.ratePerServer);
  }

  /** Counts a new connection, or returns undefined at a limit. The caller ends it with `closeConnection`. */
  openConnection(address: string): ContainerUsage | undefined {
    if (!this.#newConnections.take(address)) return undefined;
    const container = this.#container(address);
    if (container.connections >= this.#limits.connectionsPerServer) return undefined;
    if (!this.#takeDescriptors(container, CONNECTION_DESCRIPTORS)) return undefined;
    container.connections++;
    this.#containers.set(address, container);
    return container;
  }

  closeConnection(container: ContainerUsage): void {
    container.connections--;
    this.#descriptors -= CONNECTION_DESCRIPTORS;
    this.#removeIfUnused(container);
  }

  /** Counts a new DNS query, or returns undefined at a limit. The caller ends it with `closeQuery`. */
  openQuery(address: string): ContainerUsage | undefined {
    if (!this.#newQueries.take(address)) return undefined;
    const container = this.#container(address);
    if (container.queries >= this.#limits.queriesPerServer) return undefined;
    if (!this.#takeDescriptors(container, QUERY_DESCRIPTORS)) return undefined;
    container.queries++;
    this.#containers.set(address, container);
    return container;
  }

  closeQuery(container: ContainerUsage): void {
    container.queries--;
    this.#descriptors -= QUERY_DESCRIPTORS;
    this.#removeIfUnused(container);
  }

  /** Removes the rates of containers that opened nothing lately. To be called about once a second. */
  removeIdle(): void {
    this.#newConnections.removeFull();
    this.#newQueries.removeFull();
    this.#ports.removeOld();
  }

  /** Counts a port of the host towards a destination; false at the container's share. Ended with `closePort`. */
  openPort(address: string, destination: string): boolean {
    return this.#ports.open(address, destination);
  }

  closePort(address: string, destination: string): void {
    this.#ports.close(address, destination);
  }

  /** The containers that have something open. */
  usage(): Usage[] {
    return [...this.#containers.values()].map(({ address, connections, queries, bufferedBytes }) => {
      return { address, connections, queries, bufferedBytes };
    });
  }

  /** A new entry is stored only when something is opened: a refused source must not leave an entry behind. */
  #container(address: string): ContainerUsage {
    return this.#containers.get(address) ?? new ContainerUsage(address, this.#limits.bufferedBytesPerServer);
  }

  /** No container gets more than half of the descriptors: one container alone must not shut out all others. */
  #takeDescriptors({ connections, queries }: ContainerUsage, count: number): boolean {
    const { descriptors } = this.#limits;
    const used = CONNECTION_DESCRIPTORS * connections + QUERY_DESCRIPTORS * queries;
    if (this.#descriptors + count > descriptors || used + count > descriptors / 2) return false;
    this.#descriptors += count;
    return true;
  }

  #removeIfUnused(container: ContainerUsage): void {
    if (container.connections === 0 && container.queries === 0) this.#containers.delete(container.address);
  }
}
