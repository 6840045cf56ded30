import type { DpEndpoint, DpEndpointKey } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { decodeEndpoint, encodeEndpoint, type Endpoint, familyOfAddress } from "./endpoint.ts";
import { endpointsOf } from "./forward.ts";
import type { ServerRecord } from "./server-record.ts";

/** The server and the container endpoint of a public endpoint. */
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
 * The public endpoints of all servers (dp_endpoints). The map is also the index of the records by public endpoint: an
 * entry is created, closed, before the record of its server. An entry that does not match the record is an orphan.
 *
 * An entry takes effect with the next packet. An error of the kernel throws `SyscallError`, a full map `MapFullError`,
 * an invalid value `DatapathError` BAD_USAGE.
 */
export class Endpoints {
  readonly #map: BpfMap<DpEndpointKey, DpEndpoint>;

  constructor(map: BpfMap<DpEndpointKey, DpEndpoint>) {
    this.#map = map;
  }

  /** Creates or replaces an entry. Its counter keeps its value. */
  set(endpoint: Endpoint, entry: EndpointEntry): void {
    this.#map.set(encodeEndpoint(endpoint), encodeEntry(entry));
  }

  /** undefined when no server has this public endpoint. */
  get(endpoint: Endpoint): EndpointEntry | undefined {
    const entry = this.#map.get(encodeEndpoint(endpoint));
    return entry === undefined ? undefined : decodeEntry(entry);
  }

  /** From the next packet on, packets to this endpoint go to the host. False when there was no entry. */
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
 * The entries of a server's public endpoints, made from its record. Everything that writes or checks these entries uses
 * this function.
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
