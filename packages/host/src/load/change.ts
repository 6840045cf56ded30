import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { Transaction } from "../transaction.ts";
import type { LoadOptions } from "./options.ts";

/** A load that is being carried out: what its steps are taken with. */
export interface Change {
  transaction: Transaction;
  /** Just loaded. */
  objects: Objects;
  /** What was loaded before, to go back to. */
  previous: Objects | undefined;
  netlink: Netlink;
  options: LoadOptions;
}
