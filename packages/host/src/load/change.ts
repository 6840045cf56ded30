import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { Transaction } from "../transaction.ts";
import type { LoadOptions } from "./options.ts";

/** What the steps of applying a plan need. */
export interface LoadChange {
  transaction: Transaction;
  /** The maps and programs of this load. */
  objects: Objects;
  /** The maps and programs loaded before: an undo goes back to them. */
  previous: Objects | undefined;
  host: Netlink;
  options: LoadOptions;
}
