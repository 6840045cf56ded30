/** A server that is to be added. */
export interface ServerOptions {
  /** The public port players connect to, or "auto": the lowest free one of the port range. */
  port: number | "auto";
  /** The container's network namespace: a path, a name in /run/netns, or "pid:N". This, or `container`. */
  netns?: string | undefined;
  /** A container of docker, podman, nerdctl, ctr or runc, by name or id; "podman:NAME" names the engine, too. */
  container?: string | undefined;
  /** Default: the container's name, or "server-PORT". */
  name?: string | undefined;
  /** Servers of one group reach each other's forwards. Default: none. */
  group?: string | undefined;
  /** The public address players connect to, one of the host's. Default: that of `load`. */
  address?: string | undefined;
  /** The container's address. Default: the lowest free one of the container subnet. */
  containerAddress?: string | undefined;
  /**
   * The gateway's address. Default: the same position in the host subnet as the container address in the container
   * subnet.
   */
  gatewayAddress?: string | undefined;
  /** The interface's name inside the container. Default "eth0". */
  ifname?: string | undefined;
  /** The port the server listens on inside its container. Default 25565. */
  containerPort?: number | undefined;
  /** MTU of both peers, in bytes. Default: the uplink's. */
  mtu?: number | undefined;
  /** Who manages the server: `cli`, `file:NAME` or `cni:NETWORK`. Default `cli`. */
  owner?: string | undefined;
  /**
   * Also a container whose processes could administer the host's network: its network namespace belongs to the host's
   * user namespace, and they can have CAP_NET_ADMIN or a capability that leads to it. Default false.
   */
  trusted?: boolean | undefined;
  /**
   * Also a port of the host's ephemeral range. It is reserved like any other (net.ipv4.ip_local_reserved_ports), so the
   * kernel gives it to no new connection. Default false.
   */
  force?: boolean | undefined;
}
