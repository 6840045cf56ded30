import type { HostOptions } from "../host-options.ts";

/** What failed, as errors say it. */
export const OP = "load";

/** Values that a load is given once, and later loads keep unless they are given others. */
export interface LoadParameters {
  /** Host peers' addresses. */
  hostSubnet: string;
  /** Containers' addresses. */
  containerSubnet: string;
  /** What port "auto" takes from, both ends included. */
  portRange: readonly [first: number, last: number];
  /** The transparent proxy's listeners, on every host peer's address. */
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
}

/** The values of a first load. */
export const DEFAULT_PARAMETERS: LoadParameters = {
  hostSubnet: "10.1.0.0/16",
  containerSubnet: "10.2.0.0/16",
  portRange: [25565, 30564],
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
};

/** The parameters with the ports of the proxy's listeners. */
export const LISTENER_PORTS = ["httpPort", "dnsPort", "tcpPort"] as const satisfies (keyof LoadParameters)[];

/** An option that is left out stays as at the last load; at the first load it has its default. */
export interface LoadOptions
  extends HostOptions, Partial<{ [K in keyof LoadParameters]: LoadParameters[K] | undefined }> {
  /** The interfaces players come in by. Default: those of the default route. */
  ifaces?: readonly string[] | undefined;
  /** Addresses of the host that players connect to; servers get the first unless they are given another. */
  addresses?: readonly string[] | undefined;
  /** A cgroup2 folder: proxies in it, or below, learn the original destinations. Default: the cgroup2 mount. */
  cgroup?: string | undefined;
  /** How many servers there is room for. Default: as many as before, 4,096 at the first load. */
  maxServers?: number | undefined;
  /** The version of the build that loads, for people to read when another build finds it. */
  build?: string | undefined;
}
