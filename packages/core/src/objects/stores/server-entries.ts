import { DpFamily, type DpForward, type DpServer } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { FAMILIES, familyOfAddress, protocolNumber, protocolOf } from "./endpoint.ts";
import type { Forward } from "./forward.ts";
import type { Addresses, AddressPair, ServerRecord } from "./server-record.ts";

/** A server as the programs on its peers see it. */
export interface ServerEntry {
  id: number;
  /** The number of its group, of {@link Groups}; 0 for none. Servers of one group reach each other's forwards. */
  group: number;
  /** Of the container's network namespace: no other namespace opens flows as this server. */
  netnsCookie: bigint;
  addresses: Addresses;
  /** The container peer's: the only source MAC address the container may use. */
  containerMac: string;
  /** At most 32. */
  forwards: readonly Omit<Forward, "mtu">[];
}

/**
 * The servers as the programs on their peers see them, by the ifindex of the host peer (dp_servers).
 *
 * An entry must exist before the host peer goes up and until it is down: dp_guard recognizes host peers by it.
 * What the kernel refuses throws `SyscallError`, a full map `MapFullError`, a value that cannot be `DatapathError`
 * BAD_USAGE.
 */
export class ServerEntries {
  readonly #map: BpfMap<number, DpServer>;

  constructor(map: BpfMap<number, DpServer>) {
    this.#map = map;
  }

  /** Makes or replaces the entry of a host peer, in one step. */
  set(hostPeer: number, entry: ServerEntry): void {
    this.#map.set(hostPeer, encodeEntry(entry));
  }

  /** undefined when the interface is not a server's host peer. */
  get(hostPeer: number): ServerEntry | undefined {
    const entry = this.#map.get(hostPeer);
    return entry === undefined ? undefined : decodeEntry(entry);
  }

  /** From the next packet on, all packets of this container are dropped. False when there was no entry. */
  delete(hostPeer: number): boolean {
    return this.#map.delete(hostPeer);
  }

  /** All entries with the ifindexes of their host peers, in no order. */
  all(): [hostPeer: number, entry: ServerEntry][] {
    return Array.from(this.#map, ([hostPeer, entry]) => [hostPeer, decodeEntry(entry)]);
  }
}

/**
 * The dp_servers entry of a server, made from its record. Everything that writes or checks this entry uses this
 * function.
 *
 * Throws nothing.
 *
 * @param group the number of the record's group
 */
export function entryOf(record: ServerRecord, group: number): ServerEntry {
  return {
    id: record.id,
    group,
    netnsCookie: record.netns.cookie,
    addresses: record.addresses,
    containerMac: record.containerPeer.mac,
    forwards: record.forwards.map(({ protocol, address, port, count, containerPort, uplink, counter }) => {
      return { protocol, address, port, count, containerPort, uplink, counter };
    }),
  };
}

function encodeEntry(entry: ServerEntry): DpServer {
  const byFamily = (end: keyof AddressPair) => FAMILIES.map((family) => entry.addresses[family]?.[end] ?? "");
  return {
    id: entry.id,
    group: entry.group,
    netnsCookie: entry.netnsCookie,
    addr: byFamily("container"),
    gateway: byFamily("gateway"),
    mac: entry.containerMac,
    forwards: entry.forwards.map(encodeForward),
  };
}

function decodeEntry(entry: DpServer): ServerEntry {
  const addresses: { -readonly [family in keyof Addresses]: Addresses[family] } = {};
  for (const family of FAMILIES) {
    const [container = "", gateway = ""] = [entry.addr[DpFamily[family]], entry.gateway[DpFamily[family]]];
    if (container !== "" || gateway !== "") addresses[family] = { container, gateway };
  }
  return {
    id: entry.id,
    group: entry.group,
    netnsCookie: entry.netnsCookie,
    addresses,
    containerMac: entry.mac,
    forwards: entry.forwards.map(decodeForward),
  };
}

function encodeForward(forward: Omit<Forward, "mtu">): DpForward {
  return {
    first: forward.containerPort,
    count: forward.count,
    publicFirst: forward.port,
    protocol: protocolNumber(forward.protocol),
    family: DpFamily[familyOfAddress(forward.address)],
    uplink: forward.uplink,
    counter: forward.counter,
    publicAddr: forward.address,
  };
}

function decodeForward(forward: DpForward): Omit<Forward, "mtu"> {
  return {
    protocol: protocolOf(forward.protocol),
    address: forward.publicAddr,
    port: forward.publicFirst,
    count: forward.count,
    containerPort: forward.first,
    uplink: forward.uplink,
    counter: forward.counter,
  };
}
