import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { Fd } from "@dp/sys";
import type { HostOptions } from "../../host-options.ts";
import type { Problem } from "../../repair/problem.ts";
import type { View } from "../../repair/view.ts";

/** A server that is being added. */
export interface Addition {
  readonly objects: Objects;
  readonly host: Netlink;
  /** In the container's network namespace. */
  readonly inside: Netlink;
  readonly netns: Fd;
  /** Of both peers. */
  readonly mtu: number;
  readonly options: HostOptions;
  /** The current record: a part may replace it for the parts after it. */
  record: ServerRecord;
}

/** Undoes adding a part. */
type Undo = () => void;

/** A server that is being removed. Some of its parts may be gone already. */
export interface Removal {
  readonly objects: Objects;
  readonly host: Netlink;
  readonly options: HostOptions;
  readonly record: ServerRecord;
}

/**
 * A part of a server: how it is added, removed and checked, and how its orphans are found.
 *
 * All parts are in {@link SERVER_PARTS}, in the order they are added. A server is removed in the reverse order.
 */
export interface ServerPart {
  /** For messages and steps: "host peer entry". */
  readonly name: string;
  /**
   * Adds the part, after the parts before it in the list. Absent for a part that is not added with a server.
   *
   * @returns how to undo that, if not by {@link remove}
   */
  add?(addition: Addition): Undo | void;
  /** Removes the part, also when it is incomplete. Repeated, it does nothing. */
  remove?(removal: Removal): void;
  /** Compares the part with the record. Only for a server that has its host peer and is not pending. */
  check?(view: View, record: ServerRecord): Problem[];
  /** Finds entries, pins or interfaces of this part that belong to no record. */
  orphans?(view: View): Problem[];
}
