import type { MapOfMaps } from "../../libbpf/map-of-maps.ts";

/**
 * The player tables, one for each server, by id (dp_players). Programs read and write them. A server without a table
 * has no players: all its replies are dropped. What the kernel refuses throws `SyscallError`.
 *
 * The kernel waits for a grace period after each change, and before Linux 6.8 after each look-up: about 8 ms, or 0.02
 * ms while `expediteGracePeriods` of `@dp/sys` holds.
 */
export class Players {
  readonly #tables: MapOfMaps<number, number, readonly number[]>;

  constructor(tables: MapOfMaps<number, number, readonly number[]>) {
    this.#tables = tables;
  }

  /** Gives a server an empty table, in place of the table it had. */
  add(id: number): void {
    using table = this.#tables.createInner("dp_player_table");
    this.#tables.set(id, table);
  }

  /** Deletes a server's table: from the next packet on the server has no players. False when there was no table. */
  delete(id: number): boolean {
    return this.#tables.delete(id);
  }

  /** Whether a server has a table. */
  has(id: number): boolean {
    return this.#tables.id(id) !== undefined;
  }

  /** The ids of the servers that have a table, in order. */
  ids(): number[] {
    return Array.from(this.#tables.ids(), ([id]) => id);
  }
}
