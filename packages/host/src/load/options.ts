import type { HostOptions } from "../host-options.ts";

/** What failed, as errors say it. */
export const OP = "load";

/** What is left out stays as it was at the last load, or gets its default at the first. */
export interface LoadOptions extends HostOptions {
  /** The interfaces players come in by. Default: those of the default route. */
  ifaces?: readonly string[] | undefined;
  /** Addresses of the host players connect to; servers get the first unless they are given another. */
  addresses?: readonly string[] | undefined;
  /** Default "10.1.0.0/16". */
  hostSubnet?: string | undefined;
  /** Default "10.2.0.0/16". */
  containerSubnet?: string | undefined;
  /** What port "auto" takes from, both ends included. Default 25565 to 30564. */
  portRange?: readonly [first: number, last: number] | undefined;
  /** The transparent proxy's listeners, on every host peer's address. Default 9080, 9053, 9111. */
  httpPort?: number | undefined;
  dnsPort?: number | undefined;
  tcpPort?: number | undefined;
  /** A cgroup2 folder: proxies in it, or below, learn where connections were going. Default: the cgroup2 mount. */
  cgroup?: string | undefined;
  /** How many servers there is room for. Default: as many as before, 65,536 at the first load. */
  maxServers?: number | undefined;
  /** The version of who loads, for people who find it loaded by another. */
  build?: string | undefined;
}
