import { DatapathError, sleepSync } from "@dp/sys";
import { MORE_ROOM } from "../upgrade/map-sizes.ts";
import type { Drops } from "./drops.ts";
import type { Flows } from "./flows.ts";
import type { HostPeers } from "./host-peers.ts";
import type { Players } from "./players.ts";
import type { Records } from "./records.ts";

/** The stores that may still have the id of a removed server. */
export interface IdStores {
  records: Records;
  hostPeers: HostPeers;
  players: Players;
  drops: Drops;
  flows: Flows;
}

/** The name of a server's host peer. Throws nothing. */
export function hostPeerName(id: number): string {
  return `dp${id}`;
}

/**
 * How long the id of a removed server is not used again, in milliseconds. Programs that were running when the server
 * was removed have ended by then.
 */
const GRACE_MS = 2000;

/**
 * Finds free ids of servers. Removing a server leaves an entry in {@link Changes}. After a grace period, when no map
 * has the id, the entry is deleted and the id is free.
 *
 * The caller must hold the pin root's lock. What the kernel refuses throws `SyscallError`.
 */
export class ServerIds {
  readonly #stores: IdStores;
  readonly #hasInterface: (name: string) => boolean;

  /** @param hasInterface whether the host has an interface of that name */
  constructor(stores: IdStores, hasInterface: (name: string) => boolean) {
    this.#stores = stores;
    this.#hasInterface = hasInterface;
  }

  /**
   * The lowest free id. It is taken when a change of its server begins: {@link Changes.begin}. When none is free, it
   * waits for the end of the next grace period, up to two seconds. Throws `DatapathError` FAILED when no id is free
   * then.
   */
  lowestFree(): number {
    this.release();
    let id = this.#firstFree();
    if (id === undefined && this.#waitForRelease()) id = this.#firstFree();
    if (id !== undefined) return id;
    throw new DatapathError(
      "FAILED",
      "choose an id for the server",
      `all ${this.#stores.records.maxServers} ids are taken`,
      {
        hint: MORE_ROOM,
      },
    );
  }

  #firstFree(): number | undefined {
    const { records } = this.#stores;
    const { id: from } = records.freeFrom();
    let known = from;
    for (let id = from; id <= records.maxServers; id++) {
      if (records.get(id) !== undefined || records.changes.get(id) !== undefined) {
        if (id === known) known++;
        continue;
      }
      if (this.#hasInterface(hostPeerName(id))) continue;
      if (known !== from) records.setFreeFrom({ id: known });
      return id;
    }
    return undefined;
  }

  /** Waits until the next grace period ends, and ends it. False when no id is free after that. */
  #waitForRelease(): boolean {
    const ends = this.#stores.records.changes
      .all()
      .filter(({ id, kind }) => kind === "removed" && !this.#isInUse(id))
      .map(({ since }) => since.getTime() + GRACE_MS);
    if (ends.length === 0) return false;
    // No longer than the grace period: the clock may have been set back.
    sleepSync(Math.min(Math.max(Math.min(...ends) - Date.now(), 0), GRACE_MS));
    return this.release().length > 0;
  }

  /** Frees the ids of removed servers whose grace period is over and that no map has. Returns these ids. */
  release(): number[] {
    const { records } = this.#stores;
    const before = Date.now() - GRACE_MS;
    const due = records.changes.all().filter(({ kind, since }) => kind === "removed" && since.getTime() <= before);
    if (due.length === 0) return [];
    const free = due.map(({ id }) => id).filter((id) => !this.#isInUse(id));
    const [lowest] = free;
    if (lowest === undefined) return [];
    // Before the ids are free: a search that begins too low is only slow, one that begins too high misses them.
    if (lowest < records.freeFrom().id) records.setFreeFrom({ id: lowest });
    for (const id of free) records.changes.end(id);
    return free;
  }

  /**
   * The number of look-ups does not grow with the number of servers. The entries of endpoints, containers and servers
   * are not checked: they are deleted, by the record, before the removal is noted.
   */
  #isInUse(id: number): boolean {
    const { records, hostPeers, players, drops, flows } = this.#stores;
    return (
      records.get(id) !== undefined ||
      hostPeers.get(id) !== undefined ||
      players.has(id) ||
      drops.read(id) !== undefined ||
      flows.count(id) > 0
    );
  }
}
