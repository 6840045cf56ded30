import type { DpReservedPorts } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import type { BpfMap } from "../../libbpf/map.ts";

const WORD = 64;
const PORTS = 65536;

/**
 * The ports that dp itself added to net.ipv4.ip_local_reserved_ports, and removes from it again. A port that was
 * reserved before is not among them. What the kernel refuses throws `SyscallError`.
 */
export class ReservedPorts {
  readonly #map: BpfMap<number, DpReservedPorts>;

  constructor(map: BpfMap<number, DpReservedPorts>) {
    this.#map = map;
  }

  /** Whether dp added a port. */
  has(port: number): boolean {
    return isSet(this.#words(), port);
  }

  /** All of them, by number. */
  all(): number[] {
    return this.#words().flatMap((word, index) =>
      word === 0n
        ? []
        : Array.from({ length: WORD }, (_, bit) => index * WORD + bit).filter((port) => (word & bitOf(port)) !== 0n),
    );
  }

  /** Throws `DatapathError` BAD_USAGE for a port that is none; then nothing has changed. */
  add(ports: Iterable<number>): void {
    this.#change(ports, (word, bit) => word | bit);
  }

  /** Ports that are not among them are passed over. Throws as {@link add}. */
  remove(ports: Iterable<number>): void {
    this.#change(ports, (word, bit) => word & ~bit);
  }

  #change(ports: Iterable<number>, change: (word: bigint, bit: bigint) => bigint): void {
    const words = [...this.#words()];
    for (const port of ports) {
      if (!Number.isInteger(port) || port < 0 || port >= PORTS) {
        throw new DatapathError("BAD_USAGE", "note reserved ports", `${port} is not a port: 0 to ${PORTS - 1}`);
      }
      const index = Math.floor(port / WORD);
      words[index] = change(words[index] ?? 0n, bitOf(port));
    }
    this.#map.set(0, { ports: words });
  }

  #words(): readonly bigint[] {
    return this.#map.get(0)?.ports ?? Array.from({ length: PORTS / WORD }, () => 0n);
  }
}

function bitOf(port: number): bigint {
  return 1n << BigInt(port % WORD);
}

function isSet(words: readonly bigint[], port: number): boolean {
  return ((words[Math.floor(port / WORD)] ?? 0n) & bitOf(port)) !== 0n;
}
