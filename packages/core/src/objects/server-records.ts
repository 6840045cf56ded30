import { DatapathError } from "@dp/sys";
import type { BpfMap, SetMode } from "../libbpf/map.ts";
import { GroupNumbers } from "./group-numbers.ts";
import type { Maps } from "./maps.ts";
import { decodeRecord, encodeRecord, type ServerRecord } from "./server-record.ts";
import { encodeEndpoint, type PublicEndpoint } from "./target.ts";

/** What only one server has. */
export type ServerIdentity = { endpoint: PublicEndpoint } | { name: string } | { netnsCookie: bigint };

/** Where the search for something free begins: everything below is taken. */
export interface FreeFrom {
  /** Of an address in its subnet. */
  index: number;
  port: number;
}

type RecordMaps = Pick<Maps, "netRecords" | "endpoints" | "names" | "namespaces" | "changes" | "groups" | "free">;

/**
 * The records of servers, by their containers' addresses, and the ways to find one without reading all.
 *
 * An index entry is written before the record and removed after it. So at every instant each record is found by what it
 * has; and an entry that its record does not agree with, left by a process that was killed, is nobody's.
 */
export class ServerRecords {
  /** The numbers of their groups. */
  readonly groups: GroupNumbers;
  readonly #maps: RecordMaps;

  constructor(maps: RecordMaps) {
    this.#maps = maps;
    this.groups = new GroupNumbers(maps.groups);
  }

  get(containerAddress: string): ServerRecord | undefined {
    const data = this.#maps.netRecords.get(containerAddress);
    return data === undefined ? undefined : decodeRecord(data);
  }

  /** All there are, by port, then by address. */
  all(): ServerRecord[] {
    const records = [...this.#maps.netRecords].map(([, data]) => decodeRecord(data));
    return records.sort(
      (one, other) => one.hostPort - other.hostPort || compare(one.publicAddress, other.publicAddress),
    );
  }

  /** The server that has this; undefined when none does. One look-up, or two. */
  find(identity: ServerIdentity): ServerRecord | undefined {
    const address = this.#addressOf(identity);
    const record = address === undefined ? undefined : this.get(address);
    return record !== undefined && has(record, identity) ? record : undefined;
  }

  #addressOf(identity: ServerIdentity): string | undefined {
    const { endpoints, names, namespaces } = this.#maps;
    if ("endpoint" in identity) return endpoints.get(encodeEndpoint(identity.endpoint));
    if ("name" in identity) return names.get({ text: identity.name });
    return namespaces.get({ cookie: identity.netnsCookie });
  }

  /**
   * Keeps a record. Throws `DatapathError` CONFLICT when another server has its endpoint, name or namespace; `mode` as
   * for maps.
   */
  set(record: ServerRecord, mode: SetMode = "any"): void {
    const { addr: key } = record.veth.podPeer;
    const before = this.get(key);
    // Where the kernel will refuse it, the index stays as it is.
    const isRefused = mode === (before === undefined ? "replace" : "create");
    const isFound = before !== undefined && identitiesOf(record).every((identity) => has(before, identity));
    const reindexed = !isRefused && !isFound;
    if (reindexed) this.#requireUnique(record);
    try {
      if (reindexed) this.#index(record);
      this.#maps.netRecords.set(key, encodeRecord(record), mode);
    } catch (error) {
      if (reindexed) this.#unindex(record, before);
      throw error;
    }
    if (reindexed && before !== undefined) this.#unindex(before, record);
  }

  /** False when there was none. */
  delete(containerAddress: string): boolean {
    const record = this.get(containerAddress);
    if (record === undefined) return false;
    this.#maps.netRecords.delete(containerAddress);
    this.#unindex(record);
    return true;
  }

  #requireUnique(record: ServerRecord): void {
    for (const identity of identitiesOf(record)) {
      const owner = this.find(identity);
      if (owner === undefined || owner.veth.podPeer.addr === record.veth.podPeer.addr) continue;
      const what =
        "endpoint" in identity
          ? `${identity.endpoint.address}:${identity.endpoint.port}`
          : "name" in identity
            ? `the name ${identity.name}`
            : `the namespace ${record.netns}`;
      const reason = `${what} is taken by server ${owner.hostPort} (${owner.name})`;
      throw new DatapathError("CONFLICT", `keep the record of server ${record.hostPort}`, reason);
    }
  }

  #index(record: ServerRecord): void {
    const { endpoints, names, namespaces } = this.#maps;
    const { addr } = record.veth.podPeer;
    endpoints.set(endpointOf(record), addr);
    names.set({ text: record.name }, addr);
    namespaces.set({ cookie: record.netnsCookie }, addr);
  }

  /** @param now what the record is instead */
  #unindex(record: ServerRecord, now?: ServerRecord): void {
    const { endpoints, names, namespaces } = this.#maps;
    const sameEndpoint = record.publicAddress === now?.publicAddress && record.hostPort === now.hostPort;
    if (!sameEndpoint) endpoints.delete(endpointOf(record));
    if (record.name !== now?.name) names.delete({ text: record.name });
    if (record.netnsCookie !== now?.netnsCookie) namespaces.delete({ cookie: record.netnsCookie });
  }

  /** Makes the index agree with the records, whatever became of either. */
  reindex(): void {
    const records = this.all();
    const { endpoints, names, namespaces } = this.#maps;
    const owned = <K>(keyOf: (record: ServerRecord) => K) =>
      records.map((record): [K, string] => [keyOf(record), record.veth.podPeer.addr]);
    agree(endpoints, owned(endpointOf), ({ addr, port }) => `${addr}:${port}`);
    agree(
      names,
      owned(({ name }) => ({ text: name })),
      ({ text }) => text,
    );
    agree(
      namespaces,
      owned(({ netnsCookie }) => ({ cookie: netnsCookie })),
      ({ cookie }) => `${cookie}`,
    );
    this.groups.keepOnly(new Set(records.map(({ group }) => group)));
  }

  /** Notes that a server is about to be changed: should this process be killed, the next one finds out. */
  beginChange(containerAddress: string): void {
    this.#maps.changes.set(containerAddress, { since: BigInt(Date.now()) * 1_000_000n });
  }

  endChange(containerAddress: string): void {
    this.#maps.changes.delete(containerAddress);
  }

  /** The containers' addresses of servers whose change did not end. */
  changing(): string[] {
    return [...this.#maps.changes.keys()];
  }

  freeFrom(): FreeFrom {
    return this.#maps.free.get(0) ?? { index: 0, port: 0 };
  }

  setFreeFrom(from: FreeFrom): void {
    this.#maps.free.set(0, from);
  }
}

function identitiesOf({ publicAddress, hostPort, name, netnsCookie }: ServerRecord): ServerIdentity[] {
  return [{ endpoint: { address: publicAddress, port: hostPort } }, { name }, { netnsCookie }];
}

function has(record: ServerRecord, identity: ServerIdentity): boolean {
  if ("name" in identity) return record.name === identity.name;
  if ("netnsCookie" in identity) return record.netnsCookie === identity.netnsCookie;
  const { address, port } = identity.endpoint;
  return record.publicAddress === address && record.hostPort === port;
}

function endpointOf({ publicAddress, hostPort }: ServerRecord) {
  return encodeEndpoint({ address: publicAddress, port: hostPort });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

/** Makes a map have these entries and no others, and changes only what is different. */
function agree<K>(
  map: BpfMap<K, string>,
  wanted: readonly [key: K, owner: string][],
  textOf: (key: K) => string,
): void {
  const missing = new Map(wanted.map(([key, owner]) => [textOf(key), { key, owner }]));
  const stale: K[] = [];
  for (const [key, owner] of map) {
    const entry = missing.get(textOf(key));
    if (entry === undefined) stale.push(key);
    else if (entry.owner === owner) missing.delete(textOf(key));
  }
  map.setMany([...missing.values()].map(({ key, owner }) => [key, owner]));
  map.deleteMany(stale);
}
