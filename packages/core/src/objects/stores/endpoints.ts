import type { DpEndpoint, DpEndpointKey } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { decodeEndpoint, encodeEndpoint, type Endpoint, familyOfAddress } from "./endpoint.ts";
import { endpointsOf } from "./forward.ts";
import type { ServerRecord } from "./server-record.ts";

/** Where the packets of a public endpoint go. */
export interface EndpointEntry {
  /** The id of the server that has this public endpoint. */
  server: number;
  /** Index of the forward's counter. */
  counter: number;
  /** The container endpoint; an address of the same family. "" while the server has no address of that family. */
  containerAddress: string;
  containerPort: number;
  /** The container peer's. */
  containerMac: string;
  /** When false, the server has this public endpoint but gets no packets: they go to the host. */
  open: boolean;
}

/**
 * The public endpoints of all servers (dp_endpoints). It is also the index of the records by public endpoint: an entry
 * is there, closed, before its server's record is. An entry that the record of its server does not confirm is an
 * orphan.
 *
 * An entry takes effect with the next packet. What the kernel refuses throws `SyscallError`, a full map `MapFullError`,
 * a value that cannot be `DatapathError` BAD_USAGE.
 */
export class Endpoints {
  readonly #map: BpfMap<DpEndpointKey, DpEndpoint>;

  constructor(map: BpfMap<DpEndpointKey, DpEndpoint>) {
    this.#map = map;
  }

  /** Makes or replaces an entry. Its counter goes on. */
  set(endpoint: Endpoint, entry: EndpointEntry): void {
    this.#map.set(encodeEndpoint(endpoint), encodeEntry(entry));
  }

  /** undefined when no server has this public endpoint. */
  get(endpoint: Endpoint): EndpointEntry | undefined {
    const entry = this.#map.get(encodeEndpoint(endpoint));
    return entry === undefined ? undefined : decodeEntry(entry);
  }

  /** From the next packet on, what arrives is the host's. False when there was no entry. */
  delete(endpoint: Endpoint): boolean {
    return this.#map.delete(encodeEndpoint(endpoint));
  }

  /** As {@link set} for each. Not a transaction: on an error the first of them may have been set. */
  setMany(entries: Iterable<readonly [Endpoint, EndpointEntry]>): void {
    this.#map.setMany([...entries].map(([endpoint, entry]) => [encodeEndpoint(endpoint), encodeEntry(entry)]));
  }

  /** Deletes entries and returns how many there were. */
  deleteMany(endpoints: Iterable<Endpoint>): number {
    return this.#map.deleteMany([...endpoints].map(encodeEndpoint));
  }

  /** All entries, in no order. */
  all(): [Endpoint, EndpointEntry][] {
    return [...this.#map].map(([key, entry]) => [decodeEndpoint(key), decodeEntry(entry)]);
  }
}

/**
 * The entries that a server's public endpoints have to have, by its record. This is the only place that says what they
 * contain.
 *
 * Throws nothing.
 *
 * @param open whether the server gets packets. Default: it is active. An entry without a container address is closed
 */
export function entriesOf(record: ServerRecord, open = record.state === "active"): [Endpoint, EndpointEntry][] {
  return record.forwards.flatMap((forward) => {
    const containerAddress = record.addresses[familyOfAddress(forward.address)]?.container ?? "";
    return Array.from(endpointsOf(forward), (endpoint, index): [Endpoint, EndpointEntry] => [
      endpoint,
      {
        server: record.id,
        counter: forward.counter,
        containerAddress,
        containerPort: forward.containerPort + index,
        containerMac: record.containerPeer.mac,
        open: open && containerAddress !== "",
      },
    ]);
  });
}

function encodeEntry(entry: EndpointEntry): DpEndpoint {
  return {
    server: entry.server,
    counter: entry.counter,
    container: entry.containerAddress,
    port: entry.containerPort,
    mac: entry.containerMac,
    open: entry.open ? 1 : 0,
  };
}

function decodeEntry(entry: DpEndpoint): EndpointEntry {
  return {
    server: entry.server,
    counter: entry.counter,
    containerAddress: entry.container,
    containerPort: entry.port,
    containerMac: entry.mac,
    open: entry.open !== 0,
  };
}
