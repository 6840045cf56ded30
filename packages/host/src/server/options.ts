/** A server that is to be. */
export interface ServerOptions {
  /** The host port players connect to, or "auto": the lowest free one of the port range. */
  port: number | "auto";
  /** The container's network namespace: a path, a name in /run/netns, or "pid:N". This, or `container`. */
  netns?: string | undefined;
  /** A container of docker, podman, nerdctl, ctr or runc, by name or id; "podman:NAME" for one of that engine. */
  container?: string | undefined;
  /** Default: the container's name, or "server-PORT". */
  name?: string | undefined;
  /** Servers of one group reach each other's game port. Default: none. */
  group?: string | undefined;
  /** The public address players connect to, one of the host's. Default: that of `load`. */
  address?: string | undefined;
  /** Default: the lowest free one of the container subnet. */
  containerIp?: string | undefined;
  /** The host peer's, the container's gateway. Default: the one of the host subnet that ends like the container's. */
  hostIp?: string | undefined;
  /** The interface's name inside the container. Default "eth0". */
  ifname?: string | undefined;
  /** Where the server listens inside its container. Default 25565. */
  gamePort?: number | undefined;
  /** Default: the uplink's. */
  mtu?: number | undefined;
  /**
   * Also a port of the host's ephemeral range. It is reserved like any other (net.ipv4.ip_local_reserved_ports), so the
   * kernel gives it to no new connection. Default false.
   */
  force?: boolean | undefined;
}
