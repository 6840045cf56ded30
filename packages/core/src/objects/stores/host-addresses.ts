import type { DpHostAddr } from "@dp/bpf";
import { parseAddress } from "@dp/sys";
import type { BpfMap } from "../../libbpf/map.ts";
import type { Config } from "./config.ts";

/** An address of the host itself. */
export interface HostAddress {
  /** IPv4 or IPv6, in canonical text. */
  address: string;
  /** Of the interface that has it. */
  ifindex: number;
}

/**
 * The addresses of the host itself, besides those of host peers: a server's reply to one of them goes to the host's
 * stack (dp_host_addrs). What the kernel refuses throws `SyscallError`, a full map `MapFullError`, an address that is
 * none `DatapathError` BAD_USAGE.
 */
export class HostAddresses {
  readonly #map: BpfMap<string, DpHostAddr>;
  readonly #config: Config;

  constructor(map: BpfMap<string, DpHostAddr>, config: Config) {
    this.#map = map;
    this.#config = config;
  }

  /** Replaces the host's addresses. An address that is in the old and the new list is never missing. */
  set(addresses: readonly HostAddress[]): void {
    const wanted = new Set(addresses.map(({ address }) => address));
    const old = [...this.#map.keys()].filter((address) => !wanted.has(address));
    for (const { address, ifindex } of addresses) this.#map.set(address, { ifindex });
    // After the new addresses are added, and before old ones are deleted: the filter must match what is in the map.
    this.#config.setHostFilter(hostFilter(wanted));
    this.#map.deleteMany(old);
  }

  /** ifindex of the interface that has an address of the host; undefined when the host does not have it. */
  ownerOf(address: string): number | undefined {
    return this.#map.get(address)?.ifindex;
  }

  /** All of them, in no order. */
  all(): HostAddress[] {
    return Array.from(this.#map, ([address, { ifindex }]) => ({ address, ifindex }));
  }
}

const WORD = 64;
const WORDS = 4;

/**
 * The 256 bits of dp_config.host_filter: bit n is set when the last byte of one of the addresses is n. A reply to a
 * player whose address ends otherwise needs no look-up to know that it is not the host's.
 */
export function hostFilter(addresses: Iterable<string>): bigint[] {
  const words = Array.from({ length: WORDS }, () => 0n);
  for (const address of addresses) {
    const last = parseAddress(address)?.at(-1) ?? 0;
    const word = Math.floor(last / WORD);
    words[word] = (words[word] ?? 0n) | (1n << BigInt(last % WORD));
  }
  return words;
}
