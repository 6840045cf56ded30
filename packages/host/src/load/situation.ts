import type { HostConfig, Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { HostAddress } from "../interfaces/host-addresses.ts";
import type { LoadOptions } from "./options.ts";

/** What a load finds, and is asked for. */
export interface Situation {
  netlink: Netlink;
  /** What is loaded already. */
  previous: Objects | undefined;
  /** Its configuration. */
  old: HostConfig | undefined;
  /** Of the servers there are. */
  records: readonly ServerRecord[];
  /** The host's own. */
  addresses: readonly HostAddress[];
  options: LoadOptions;
}
