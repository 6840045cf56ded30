import type { HostOptions } from "../host-options.ts";

/** What failed, as errors say it. */
export const OP = "load";

/** Options that later loads keep unless they are given again. */
export interface LoadParameters {
  /** Host peers' addresses. */
  hostSubnet: string;
  /** Containers' addresses. */
  containerSubnet: string;
  /** The ports for "auto", both ends included. */
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

/** The names of the parameters for the proxy's listeners. */
export const LISTENER_PORTS = ["httpPort", "dnsPort", "tcpPort"] as const satisfies (keyof LoadParameters)[];

/** An option that is absent has the value of the last load; at the first load it has its default. */
export interface LoadOptions
  extends HostOptions, Partial<{ [K in keyof LoadParameters]: LoadParameters[K] | undefined }> {
  /** The uplinks: the interfaces that players' packets arrive by. Default: those of the default route. */
  ifaces?: readonly string[] | undefined;
  /** Public addresses. The first one is the default public address. */
  addresses?: readonly string[] | undefined;
  /** A cgroup2 folder: proxies in it, or below it, learn the original destinations. Default: the cgroup2 mount. */
  cgroup?: string | undefined;
  /** The number of servers that the maps have room for. Default: that of the last load; at the first load 4,096. */
  maxServers?: number | undefined;
  /** The version of the build that loads, for messages of other builds. */
  build?: string | undefined;
}
