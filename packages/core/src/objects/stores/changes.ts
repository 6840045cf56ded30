import { type DpChange, DpChangeKind } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { decodeTime, encodeTime } from "./time.ts";

/** A change of a server that is not over. */
export interface ServerChange {
  id: number;
  /**
   * `running`: a command is changing the server; read while holding the lock, the command was killed. `removed`: the
   * server was removed, and its id is not used again yet.
   */
  kind: "running" | "removed";
  since: Date;
}

/**
 * Changes of servers, by id: how a command finds out what a killed one did not finish. What the kernel refuses throws
 * `SyscallError`, a full map `MapFullError`.
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

  /** Notes that the server is removed: {@link ServerIds} gives its id out again, after a while. */
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
