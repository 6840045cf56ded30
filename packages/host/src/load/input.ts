import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { HostAddress } from "../interfaces/host-addresses.ts";
import type { LoadOptions } from "./options.ts";
import type { Stored } from "./parameters.ts";

/** What a load is planned from: its options and the state of the host. */
export interface LoadInput {
  host: Netlink;
  /** The maps and programs loaded before; undefined on a first load. */
  previous: Objects | undefined;
  /** What `previous` stored; undefined also when the last load did not finish. */
  old: Stored | undefined;
  /** The records of all servers. */
  records: readonly ServerRecord[];
  /** The host's own addresses. */
  addresses: readonly HostAddress[];
  options: LoadOptions;
}
