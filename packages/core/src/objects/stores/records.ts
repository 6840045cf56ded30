import type { DpFree, DpNamespace, DpName, DpRecord } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import type { BpfMap, SetMode } from "../../libbpf/map.ts";
import type { Maps } from "../maps.ts";
import { Changes } from "./changes.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import { type Endpoints, entriesOf } from "./endpoints.ts";
import { endpointsOf, type Forward, hasEndpoint, requireForwards } from "./forward.ts";
import { Groups } from "./groups.ts";
import { decodeRecord, encodeRecord, serverLabel, type ServerRecord } from "./server-record.ts";

/** A property that no two servers share. */
export type ServerIdentity = { name: string } | { endpoint: Endpoint } | { netnsCookie: bigint };

/** Where the searches for a free id, address, port and counter begin: all lower ones are taken. */
export interface FreeFrom {
  /** Of a server: 1 or more. */
  id: number;
  /** Position of a container's address in its subnet. */
  address: number;
  port: number;
  /** Of a counter: 1 or more. */
  counter: number;
}

type RecordMaps = Pick<Maps, "records" | "names" | "namespaces" | "changes" | "groups" | "free">;

/**
 * The records of servers, by id, and the indexes that find one without reading all: by name, by the cookie of the
 * network namespace, and, in dp_endpoints, by public endpoint.
 *
 * Index entries are written before the record and removed after it, so a record can always be found by them. An index
 * entry that does not match its record was left by a killed command and is an orphan: it is ignored, and the next
 * server with the same property replaces it.
 *
 * An error of the kernel throws `SyscallError`, a full map `MapFullError`, an invalid value `DatapathError` BAD_USAGE.
 */
export class Records {
  /** The numbers of groups. */
  readonly groups: Groups;
  /** The change notes. */
  readonly changes: Changes;
  readonly #records: BpfMap<number, DpRecord>;
  readonly #names: BpfMap<DpName, number>;
  readonly #namespaces: BpfMap<DpNamespace, number>;
  readonly #free: BpfMap<number, DpFree>;
  readonly #endpoints: Endpoints;

  constructor(maps: RecordMaps, endpoints: Endpoints) {
    this.#records = maps.records;
    this.#names = maps.names;
    this.#namespaces = maps.namespaces;
    this.#free = maps.free;
    this.#endpoints = endpoints;
    this.groups = new Groups(maps.groups, () => new Set(this.all().map(({ group }) => group)));
    this.changes = new Changes(maps.changes);
  }

  /** The number of servers there is room for, and the highest id. */
  get maxServers(): number {
    return this.#records.info.maxEntries;
  }

  /** The server with this id; undefined without one. */
  get(id: number): ServerRecord | undefined {
    const data = this.#records.get(id);
    return data === undefined ? undefined : decodeRecord(id, data);
  }

  /** All records, by id. */
  all(): ServerRecord[] {
    return Array.from(this.#records, ([id, data]) => decodeRecord(id, data)).sort((one, other) => one.id - other.id);
  }

  /** The server with a property; undefined when there is none. Takes one or two look-ups. */
  find(identity: ServerIdentity): ServerRecord | undefined {
    const id = this.#idOf(identity);
    const record = id === undefined ? undefined : this.get(id);
    return record !== undefined && hasIdentity(record, identity) ? record : undefined;
  }

  #idOf(identity: ServerIdentity): number | undefined {
    if ("endpoint" in identity) return this.#endpoints.get(identity.endpoint)?.server;
    if ("name" in identity) return identity.name === "" ? undefined : this.#names.get({ text: identity.name });
    return identity.netnsCookie === 0n ? undefined : this.#namespaces.get({ cookie: identity.netnsCookie });
  }

  /**
   * Stores a record by its id. Its new public endpoints get closed entries in {@link Endpoints}, and entries of public
   * endpoints that it no longer has are deleted. The other entries stay open or closed.
   *
   * @param mode "create" throws `SyscallError` EEXIST when there is a record with this id, "replace" ENOENT when there
   *   is none
   * @throws DatapathError CONFLICT when another server has its name, namespace or one of its public endpoints;
   *   BAD_USAGE for forwards that one server cannot have (see {@link requireForwards}). Then nothing has changed
   */
  set(record: ServerRecord, mode: SetMode = "any"): void {
    requireForwards(record.forwards, opOf(record));
    const before = this.get(record.id);
    // If the kernel will refuse the record, the index must not change.
    const isRefused = mode === (before === undefined ? "replace" : "create");
    const isIndexed = before !== undefined && hasSameIdentities(before, record);
    const reindexed = !isRefused && !isIndexed;
    if (reindexed) this.#requireUnique(record, before);
    try {
      if (reindexed) this.#index(record, before);
      this.#records.set(record.id, encodeRecord(record), mode);
    } catch (error) {
      if (reindexed) this.#unindex(record, before);
      throw error;
    }
    if (reindexed && before !== undefined) this.#unindex(before, record);
  }

  /** Deletes a record, then its index entries. False when there was no record. */
  delete(id: number): boolean {
    const record = this.get(id);
    if (record === undefined) return false;
    this.#records.delete(id);
    this.#unindex(record);
    return true;
  }

  #requireUnique(record: ServerRecord, before: ServerRecord | undefined): void {
    const conflict = (what: string, owner: ServerRecord): DatapathError =>
      new DatapathError("CONFLICT", opOf(record), `${what} is taken by ${serverLabel(owner)}`);
    const byName = this.find({ name: record.name });
    if (byName !== undefined && byName.id !== record.id) throw conflict(`the name ${record.name}`, byName);
    const byNetns = this.find({ netnsCookie: record.netns.cookie });
    if (byNetns !== undefined && byNetns.id !== record.id) {
      throw conflict(`the network namespace ${record.netns.path}`, byNetns);
    }
    for (const endpoint of newEndpoints(record, before)) {
      const owner = this.find({ endpoint });
      if (owner !== undefined && owner.id !== record.id) throw conflict(endpointText(endpoint), owner);
    }
  }

  #index(record: ServerRecord, before: ServerRecord | undefined): void {
    if (record.name !== "") this.#names.set({ text: record.name }, record.id);
    const { cookie } = record.netns;
    if (cookie !== 0n) this.#namespaces.set({ cookie }, record.id);
    this.#endpoints.setMany(entriesOf(record, false).filter(([endpoint]) => !hasPublicEndpoint(before, endpoint)));
  }

  /**
   * Deletes the index entries of a record. Entries of other servers stay.
   *
   * @param now the record that replaces it: its entries stay
   */
  #unindex(record: ServerRecord, now?: ServerRecord): void {
    const { id, name, netns } = record;
    if (name !== "" && name !== now?.name && this.#names.get({ text: name }) === id) this.#names.delete({ text: name });
    const { cookie } = netns;
    if (cookie !== 0n && cookie !== now?.netns.cookie && this.#namespaces.get({ cookie }) === id) {
      this.#namespaces.delete({ cookie });
    }
    const gone = newEndpoints(record, now).filter((endpoint) => this.#endpoints.get(endpoint)?.server === id);
    this.#endpoints.deleteMany(gone);
  }

  /**
   * Makes the indexes and the groups match the records. Correct endpoint entries stay open or closed. Orphaned endpoint
   * entries that are open stay, too: players may use them, so `dp repair` reports their removal.
   */
  reindex(): void {
    const records = this.all();
    const indexed = <K>(keyOf: (record: ServerRecord) => K, isIndexed: (record: ServerRecord) => boolean) =>
      records.filter(isIndexed).map((record): [K, number] => [keyOf(record), record.id]);
    syncIndex(
      this.#names,
      indexed(
        ({ name }) => ({ text: name }),
        ({ name }) => name !== "",
      ),
      ({ text }) => text,
    );
    syncIndex(
      this.#namespaces,
      indexed(
        ({ netns }) => ({ cookie: netns.cookie }),
        ({ netns }) => netns.cookie !== 0n,
      ),
      ({ cookie }) => `${cookie}`,
    );
    this.#reindexEndpoints(records);
    this.groups.forgetUnused();
  }

  #reindexEndpoints(records: readonly ServerRecord[]): void {
    const missing = new Map(
      records.flatMap((record) => entriesOf(record, false)).map((entry) => [endpointText(entry[0]), entry]),
    );
    const orphans: Endpoint[] = [];
    for (const [endpoint, { server, open }] of this.#endpoints.all()) {
      const text = endpointText(endpoint);
      const wanted = missing.get(text);
      if (wanted?.[1].server === server) missing.delete(text);
      else if (wanted === undefined && !open) orphans.push(endpoint);
    }
    this.#endpoints.deleteMany(orphans);
    this.#endpoints.setMany(missing.values());
  }

  /** Where the next searches begin. */
  freeFrom(): FreeFrom {
    const { id, address, port, counter } = this.#free.get(0) ?? { id: 0, address: 0, port: 0, counter: 0 };
    return { id: Math.max(id, 1), address, port, counter: Math.max(counter, 1) };
  }

  /** Stores where the next searches begin. Properties that are absent stay the same. */
  setFreeFrom(from: Partial<FreeFrom>): void {
    this.#free.set(0, { ...this.freeFrom(), ...from });
  }
}

function opOf(record: ServerRecord): string {
  return `store the record of ${serverLabel(record)}`;
}

function hasIdentity(record: ServerRecord, identity: ServerIdentity): boolean {
  if ("endpoint" in identity) return hasPublicEndpoint(record, identity.endpoint);
  return "name" in identity ? record.name === identity.name : record.netns.cookie === identity.netnsCookie;
}

function hasPublicEndpoint(record: ServerRecord | undefined, endpoint: Endpoint): boolean {
  return record?.forwards.some((forward) => hasEndpoint(forward, endpoint)) ?? false;
}

/** The public endpoints of a record that another one does not have. */
function newEndpoints(record: ServerRecord, before: ServerRecord | undefined): Endpoint[] {
  const known = before?.forwards ?? [];
  return record.forwards
    .filter((forward) => !known.some((other) => hasSameEndpoints(forward, other)))
    .flatMap((forward) => [...endpointsOf(forward)])
    .filter((endpoint) => !hasPublicEndpoint(before, endpoint));
}

function hasSameIdentities(one: ServerRecord, other: ServerRecord): boolean {
  return (
    one.name === other.name &&
    one.netns.cookie === other.netns.cookie &&
    one.forwards.length === other.forwards.length &&
    one.forwards.every((forward, index) => hasSameEndpoints(forward, other.forwards[index]))
  );
}

function hasSameEndpoints(one: Forward, other: Forward | undefined): boolean {
  return (
    one.protocol === other?.protocol &&
    one.address === other.address &&
    one.port === other.port &&
    one.count === other.count
  );
}

/** Makes an index have exactly these entries, by changing only those that differ. */
function syncIndex<K>(
  map: BpfMap<K, number>,
  wanted: readonly [key: K, id: number][],
  textOf: (key: K) => string,
): void {
  const missing = new Map(wanted.map(([key, id]) => [textOf(key), { key, id }]));
  const orphans: K[] = [];
  for (const [key, id] of map) {
    const entry = missing.get(textOf(key));
    if (entry === undefined) orphans.push(key);
    else if (entry.id === id) missing.delete(textOf(key));
  }
  map.setMany([...missing.values()].map(({ key, id }) => [key, id]));
  map.deleteMany(orphans);
}
