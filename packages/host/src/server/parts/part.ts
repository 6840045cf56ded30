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
  /** As it is by now: parts replace it, and the parts after them read it. */
  record: ServerRecord;
}

/** Takes back what adding a part did. */
type Undo = () => void;

/** A server that is being removed, with whatever is left of it. */
export interface Removal {
  readonly objects: Objects;
  readonly host: Netlink;
  readonly options: HostOptions;
  readonly record: ServerRecord;
}

/**
 * One of the things a server consists of: how it is added, removed and checked, and how to find what is left of it
 * without a server. Nothing else in this package knows these four of a part.
 *
 * All parts are in {@link SERVER_PARTS}, in the order they are added. A server is removed in the reverse order.
 */
export interface ServerPart {
  /** For messages and steps: "host peer entry". */
  readonly name: string;
  /**
   * Adds it to a server whose parts before this one are there. Left out: it is not made when a server is added.
   *
   * @returns how to undo that, where it is not by {@link remove}
   */
  add?(addition: Addition): Undo | void;
  /** Removes it, or what is there of it. Done again, it does nothing. */
  remove?(removal: Removal): void;
  /** Compares it with the record of a server whose host peer is there, and that is not being added or removed. */
  check?(view: View, record: ServerRecord): Problem[];
  /** What is there of it and belongs to no record. */
  orphans?(view: View): Problem[];
}
