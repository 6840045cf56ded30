import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { Transaction } from "../transaction.ts";
import type { LoadOptions } from "./options.ts";

/** What the steps of a load need. */
export interface LoadContext {
  transaction: Transaction;
  /** The maps and programs of this load. */
  objects: Objects;
  /** The maps and programs loaded before: an undo goes back to them. */
  previous: Objects | undefined;
  netlink: Netlink;
  options: LoadOptions;
}
