import type { HostConfig, Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { HostAddress } from "../interfaces/host-addresses.ts";
import type { LoadOptions } from "./options.ts";

/** What a load is planned from: its options, and what is on the host. */
export interface LoadInput {
  netlink: Netlink;
  /** The maps and programs loaded before; undefined on a first load. */
  previous: Objects | undefined;
  /** The configuration of `previous`. */
  old: HostConfig | undefined;
  /** The records of all servers. */
  records: readonly ServerRecord[];
  /** The host's own addresses. */
  addresses: readonly HostAddress[];
  options: LoadOptions;
}
