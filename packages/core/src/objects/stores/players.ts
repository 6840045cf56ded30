import { u32 } from "../../libbpf/codec.ts";
import { BpfMap } from "../../libbpf/map.ts";

/** DP_PLAYER_SLOTS of bpf/maps/players.h. All tables have this size for ever. */
const SLOTS = 8192;

/**
 * The tables of players, one for each server, by id (dp_players). Programs read and write them; a server without a
 * table has no players, and takes none. What the kernel refuses throws `SyscallError`.
 */
export class Players {
  readonly #tables: BpfMap<number, number>;

  /** @param tables takes a map's descriptor, gives its id */
  constructor(tables: BpfMap<number, number>) {
    this.#tables = tables;
  }

  /** Gives a server an empty table. It waits until no program uses the table that was there before. */
  add(id: number): void {
    using table = BpfMap.create({ name: "dp_player_table", type: "array", maxEntries: SLOTS }, u32, u32);
    this.#tables.set(id, table.fd);
  }

  /** Deletes a server's table: it has no players from the next packet on. False when there was none. */
  delete(id: number): boolean {
    return this.#tables.delete(id);
  }

  has(id: number): boolean {
    return this.#tables.get(id) !== undefined;
  }

  /** The ids of the servers that have a table, in order. */
  ids(): number[] {
    return [...this.#tables.keys()];
  }
}
