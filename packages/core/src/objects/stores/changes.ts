import { type DpChange, DpChangeKind } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { decodeTime, encodeTime } from "./time.ts";

/** A change note. */
export interface ServerChange {
  id: number;
  /**
   * `running`: a command is changing the server. If the reader holds the lock, that command was killed. `removed`: the
   * server was removed, and its id is not free yet.
   */
  kind: "running" | "removed";
  since: Date;
}

/**
 * The change notes, by server id (dp_changes). By them a command finds the servers that a killed command was changing.
 * An error of the kernel throws `SyscallError`, a full map `MapFullError`.
 */
export class Changes {
  readonly #map: BpfMap<number, DpChange>;

  constructor(map: BpfMap<number, DpChange>) {
    this.#map = map;
  }

  /** The change of a server; undefined without one. */
  get(id: number): ServerChange | undefined {
    const change = this.#map.get(id);
    return change === undefined ? undefined : decodeChange(id, change);
  }

  /** Notes that a command is about to change a server. */
  begin(id: number): void {
    this.#set(id, "running");
  }

  /** Notes that the change is finished or undone. Without a change it does nothing. */
  end(id: number): void {
    this.#map.delete(id);
  }

  /** Notes that the server is removed: {@link ServerIds} frees its id after a grace period. */
  remove(id: number): void {
    this.#set(id, "removed");
  }

  /** All changes, by id. */
  all(): ServerChange[] {
    return [...this.#map].map(([id, change]) => decodeChange(id, change)).sort((one, other) => one.id - other.id);
  }

  #set(id: number, kind: ServerChange["kind"]): void {
    this.#map.set(id, { since: encodeTime(new Date()), kind: DpChangeKind[kind] });
  }
}

function decodeChange(id: number, { since, kind }: DpChange): ServerChange {
  return { id, kind: kind === DpChangeKind.removed ? "removed" : "running", since: decodeTime(since) };
}
