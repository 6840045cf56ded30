import { Errno } from "@dp/sys";
import { AF_INET, AF_INET6 } from "./codec/family.ts";
import { readSockDiag, type SockDiag as Socket, sockDiagRequest, SockDiagType } from "./codec/sock-diag.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { NetlinkError } from "./error.ts";

/** Of which sockets. */
export type SocketProtocol = "tcp" | "udp";

const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** Bits of enum tcp_states. */
const ESTABLISHED = 1;
const TIME_WAIT = 6;
const CLOSE = 7;
const LISTEN = 10;
const NEW_SYN_RECV = 12;
const ALL = 0xfff;

/**
 * States of sockets that belong to a process and have a far end. An unconnected UDP socket has the state CLOSE; so has
 * a TCP socket without a connection.
 */
const CONNECTED = {
  tcp: ALL & ~((1 << TIME_WAIT) | (1 << CLOSE) | (1 << LISTEN) | (1 << NEW_SYN_RECV) | 1),
  udp: 1 << ESTABLISHED,
} as const;

/**
 * The TCP and UDP sockets of one network namespace (NETLINK_SOCK_DIAG): the way to end them on kernels without
 * bpf_sock_destroy.
 */
export class SockDiag implements Disposable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Opens a netlink socket. Throws `SyscallError`: EPROTONOSUPPORT on a kernel without sock_diag. */
  static open(options: Omit<ConnectionOptions, "protocol"> = {}): SockDiag {
    return new SockDiag(Connection.open({ ...options, protocol: "sockDiag" }));
  }

  /** How many connected sockets there are. Throws `NetlinkError` ENOENT on a kernel that cannot list them. */
  count(protocol: SocketProtocol): number {
    return this.#connected(protocol).length;
  }

  /**
   * Ends the connected sockets: the far end of TCP gets a reset, the process ECONNABORTED. Listeners, unconnected UDP
   * sockets, and what no process holds stay.
   *
   * @param remote only those connected to this address. Default: all
   * @returns how many
   * @throws NetlinkError EOPNOTSUPP on a kernel that cannot (CONFIG_INET_DIAG_DESTROY)
   */
  destroyConnected(protocol: SocketProtocol, remote?: string): number {
    return this.#connected(protocol)
      .filter(({ remoteAddress }) => remote === undefined || remoteAddress === remote)
      .filter((socket) => this.#destroy(protocol, socket)).length;
  }

  /** Closes the socket. Throws nothing. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #connected(protocol: SocketProtocol): Socket[] {
    return [AF_INET, AF_INET6].flatMap((family) => {
      const payload = sockDiagRequest({ family, protocol: PROTOCOLS[protocol], states: CONNECTED[protocol] });
      const request = { type: SockDiagType.SOCK_DIAG_BY_FAMILY, payload };
      return this.#connection
        .dump(request, `list ${protocol.toUpperCase()} sockets`)
        .map((frame) => readSockDiag(frame.payload));
    });
  }

  /** False when it has ended meanwhile. */
  #destroy(protocol: SocketProtocol, { family, id }: Socket): boolean {
    const payload = sockDiagRequest({ family, protocol: PROTOCOLS[protocol], states: ALL }, id);
    try {
      this.#connection.change(
        { type: SockDiagType.SOCK_DESTROY, payload },
        `destroy a ${protocol.toUpperCase()} socket`,
      );
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === Errno.ENOENT) return false;
      throw error;
    }
  }
}
