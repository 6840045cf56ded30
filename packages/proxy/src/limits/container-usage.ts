import type { ProxyLimits } from "./limits.ts";
import { Rates } from "./token-buckets.ts";

/** Something that reads from a container's connection and can be told to stop for a while. */
export interface Throttled {
  throttle(on: boolean): void;
}

/** What one container has in use. */
export interface Usage {
  readonly address: string;
  readonly connections: number;
  readonly queries: number;
  readonly bufferedBytes: number;
}

/** Counts what each container (by its address) uses, and what all of them use together. */
export class Accounts {
  readonly #limits: ProxyLimits;
  readonly #accounts = new Map<string, Account>();
  readonly #connectionRates: Rates;
  readonly #queryRates: Rates;
  #descriptors = 0;

  constructor(limits: ProxyLimits) {
    this.#limits = limits;
    this.#connectionRates = new Rates(limits.ratePerServer);
    this.#queryRates = new Rates(limits.ratePerServer);
  }

  /** Takes a place for a connection, or returns undefined when there is none left. Give it back with `close`. */
  openConnection(address: string): Account | undefined {
    if (!this.#connectionRates.take(address)) return undefined;
    const account = this.#account(address);
    if (account.connections >= this.#limits.connectionsPerServer || !this.#takeDescriptors(account, 2))
      return undefined;
    account.connections++;
    this.#accounts.set(address, account);
    return account;
  }

  closeConnection(account: Account): void {
    account.connections--;
    this.#descriptors -= 2;
    this.#drop(account);
  }

  /** Takes a place for a DNS query, or returns undefined when there is none left. Give it back with `closeQuery`. */
  openQuery(address: string): Account | undefined {
    if (!this.#queryRates.take(address)) return undefined;
    const account = this.#account(address);
    if (account.queries >= this.#limits.queriesPerServer || !this.#takeDescriptors(account, 1)) return undefined;
    account.queries++;
    this.#accounts.set(address, account);
    return account;
  }

  closeQuery(account: Account): void {
    account.queries--;
    this.#descriptors--;
    this.#drop(account);
  }

  /** Forgets who has been quiet. To be called now and then. */
  forget(): void {
    this.#connectionRates.forget();
    this.#queryRates.forget();
  }

  usage(): Usage[] {
    return [...this.#accounts.values()].map(({ address, connections, queries, bufferedBytes }) => {
      return { address, connections, queries, bufferedBytes };
    });
  }

  /** An account is kept only while something is open: a refused stranger must not leave an entry behind. */
  #account(address: string): Account {
    return this.#accounts.get(address) ?? new Account(address, this.#limits.bufferedBytesPerServer);
  }

  /** Where descriptors are few, no container gets more than half of them: one alone must not shut out all others. */
  #takeDescriptors({ connections, queries }: Account, count: number): boolean {
    const { descriptors } = this.#limits;
    if (this.#descriptors + count > descriptors || 2 * connections + queries + count > descriptors / 2) return false;
    this.#descriptors += count;
    return true;
  }

  #drop(account: Account): void {
    if (account.connections === 0 && account.queries === 0) this.#accounts.delete(account.address);
  }
}

/** With the default budget: what the first sixteen connections have. */
const UNLIMITED_SHARE = 1024 * 1024;
const LEAST_SHARE = 16 * 1024;

export class Account {
  readonly address: string;
  connections = 0;
  queries = 0;
  readonly #budget: number;
  readonly #readers = new Set<Throttled>();
  #buffered = 0;
  #throttled = false;

  constructor(address: string, budget: number) {
    this.address = address;
    this.#budget = budget;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  /**
   * How much a new connection may hold in each of the kernel's buffers; undefined for as much as the kernel likes. The
   * more connections a container has, the less each new one gets: few are as fast as they would be without a proxy,
   * many hold no more together than a few do.
   */
  get bufferShare(): number | undefined {
    const share = Math.floor(this.#budget / (2 * this.connections));
    return share < UNLIMITED_SHARE ? Math.max(share, LEAST_SHARE) : undefined;
  }

  /** Adds a reader that is throttled while the container's connections hold too much. */
  join(reader: Throttled): void {
    this.#readers.add(reader);
    if (this.#throttled) reader.throttle(true);
  }

  leave(reader: Throttled): void {
    this.#readers.delete(reader);
  }

  /** Counts bytes that were read and not yet taken by the other side (negative: that were taken). */
  buffer(bytes: number): void {
    this.#buffered += bytes;
    const throttled = this.#buffered > this.#budget;
    if (throttled === this.#throttled) return;
    this.#throttled = throttled;
    for (const reader of this.#readers) reader.throttle(throttled);
  }
}
