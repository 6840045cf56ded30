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

/** What only one server has. */
export type ServerIdentity = { name: string } | { endpoint: Endpoint } | { netnsCookie: bigint };

/** Where the search for something free begins: everything below is taken. */
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
 * Index entries are written before the record and removed after it. So each record is found by what it has at every
 * instant. An index entry that its record does not confirm, left by a killed command, is an orphan: it is not found,
 * and the next server that wants the same gets it.
 *
 * What the kernel refuses throws `SyscallError`, a full map `MapFullError`, a value that cannot be `DatapathError`
 * BAD_USAGE.
 */
export class Records {
  /** The numbers of groups. */
  readonly groups: Groups;
  /** The changes that are not over. */
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

  /** The server that has this; undefined when none does. One look-up, or two. */
  find(identity: ServerIdentity): ServerRecord | undefined {
    const id = this.#idOf(identity);
    const record = id === undefined ? undefined : this.get(id);
    return record !== undefined && has(record, identity) ? record : undefined;
  }

  #idOf(identity: ServerIdentity): number | undefined {
    if ("endpoint" in identity) return this.#endpoints.get(identity.endpoint)?.server;
    if ("name" in identity) return identity.name === "" ? undefined : this.#names.get({ text: identity.name });
    return identity.netnsCookie === 0n ? undefined : this.#namespaces.get({ cookie: identity.netnsCookie });
  }

  /**
   * Keeps a record, under its id. Its new public endpoints get closed entries in {@link Endpoints}; those it no longer
   * has are deleted there; entries it keeps stay as they are, open or closed.
   *
   * @param mode "create" throws `SyscallError` EEXIST when there is a record with this id, "replace" ENOENT when there
   *   is none
   * @throws DatapathError CONFLICT when another server has its name, namespace or one of its public endpoints;
   *   BAD_USAGE for forwards that one server cannot have (see {@link requireForwards}). Then nothing has changed
   */
  set(record: ServerRecord, mode: SetMode = "any"): void {
    requireForwards(record.forwards, opOf(record));
    const before = this.get(record.id);
    // Where the kernel will refuse the record, the index stays as it is.
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
    this.#endpoints.setMany(entriesOf(record, false).filter(([endpoint]) => !hasAny(before, endpoint)));
  }

  /**
   * Deletes the index entries of a record, as far as they are its own.
   *
   * @param now the record that takes its place: what that has stays
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
   * Makes the indexes and the groups agree with the records. Endpoint entries that are right stay open or closed.
   * Orphans among them stay: players reach a container by them, so their removal is reported.
   */
  reindex(): void {
    const records = this.all();
    const indexed = <K>(keyOf: (record: ServerRecord) => K, isIndexed: (record: ServerRecord) => boolean) =>
      records.filter(isIndexed).map((record): [K, number] => [keyOf(record), record.id]);
    agree(
      this.#names,
      indexed(
        ({ name }) => ({ text: name }),
        ({ name }) => name !== "",
      ),
      ({ text }) => text,
    );
    agree(
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
    for (const [endpoint, { server }] of this.#endpoints.all()) {
      const text = endpointText(endpoint);
      if (missing.get(text)?.[1].server === server) missing.delete(text);
    }
    this.#endpoints.setMany(missing.values());
  }

  /** Where to begin looking for what is free. */
  freeFrom(): FreeFrom {
    const { id, address, port, counter } = this.#free.get(0) ?? { id: 0, address: 0, port: 0, counter: 0 };
    return { id: Math.max(id, 1), address, port, counter: Math.max(counter, 1) };
  }

  /** Notes where to begin looking the next time. What is not given stays. */
  setFreeFrom(from: Partial<FreeFrom>): void {
    this.#free.set(0, { ...this.freeFrom(), ...from });
  }
}

function opOf(record: ServerRecord): string {
  return `keep the record of ${serverLabel(record)}`;
}

function has(record: ServerRecord, identity: ServerIdentity): boolean {
  if ("endpoint" in identity) return hasAny(record, identity.endpoint);
  return "name" in identity ? record.name === identity.name : record.netns.cookie === identity.netnsCookie;
}

function hasAny(record: ServerRecord | undefined, endpoint: Endpoint): boolean {
  return record?.forwards.some((forward) => hasEndpoint(forward, endpoint)) ?? false;
}

/** The public endpoints of a record that another one does not have. */
function newEndpoints(record: ServerRecord, before: ServerRecord | undefined): Endpoint[] {
  const known = before?.forwards ?? [];
  return record.forwards
    .filter((forward) => !known.some((other) => hasSameEndpoints(forward, other)))
    .flatMap((forward) => [...endpointsOf(forward)])
    .filter((endpoint) => !hasAny(before, endpoint));
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

/** Makes an index have these entries and no others, and changes only what is different. */
function agree<K>(map: BpfMap<K, number>, wanted: readonly [key: K, id: number][], textOf: (key: K) => string): void {
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
