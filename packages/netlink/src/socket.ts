import { bindSocket, type Fd, MSG_TRUNC, receive, send, setSocketOption, socket, withNetns } from "@dp/sys";
import { LITTLE_ENDIAN } from "./codec/scalar.ts";

/** The three system calls a {@link Connection} makes, so that its logic can be tested without a kernel. */
export interface NetlinkSocket {
  /** send(2) of one datagram. Throws `SyscallError`. */
  send(datagram: Uint8Array, op: string): void;
  /** recv(2); the return value is the datagram's real length, even if longer than `buffer`. Throws `SyscallError`. */
  receive(buffer: Uint8Array, flags: number, op: string): number;
  /** close(2). */
  close(): void;
}

export interface SocketOptions {
  /** Which part of the kernel it talks to. Default "route". */
  protocol?: Protocol | undefined;
  /** The network namespace the socket belongs to. Default: the calling thread's. The caller keeps it. */
  netns?: Fd | undefined;
  /** How long to wait for the kernel's answer, in milliseconds. 0: without a limit. */
  timeoutMs: number;
  /** Bytes that may wait to be received. Default 1 MiB. */
  room?: number | undefined;
  /** Groups of enum rtnetlink_groups to join. Default: none. */
  groups?: readonly number[] | undefined;
}

/** A family of netlink. */
export type Protocol = keyof typeof PROTOCOLS;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER. */
const PROTOCOLS = { route: 0, sockDiag: 4, netfilter: 12 } as const;

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** Opens a netlink socket. Throws `SyscallError`. */
export function openSocket({
  protocol = "route",
  netns,
  timeoutMs,
  room = 1 << 20,
  groups = [],
}: SocketOptions): NetlinkSocket {
  const op = "open a netlink socket";
  const create = (): Fd => socket(AF_NETLINK, SOCK_RAW, PROTOCOLS[protocol], op);
  const fd = netns === undefined ? create() : withNetns(netns, create);
  try {
    const on = intBytes(1);
    // Acknowledgements have the reason as text, and leave out the request.
    setSocketOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, on, op);
    setSocketOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, on, op);
    // The kernel refuses what it does not understand in a get, and filters dumps itself.
    setSocketOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on, op);
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, intBytes(room), op);
    setSocketOption(fd, SOL_SOCKET, SO_RCVTIMEO, timevalBytes(timeoutMs), op);
    // The kernel skips a socket without an address: it takes it for the socket that made the change.
    if (groups.length > 0) bindSocket(fd, anyAddress(), op);
    for (const group of groups) setSocketOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, intBytes(group), op);
  } catch (error) {
    fd.close();
    throw error;
  }
  return {
    send: (datagram, sendOp) => send(fd, datagram, sendOp),
    receive: (buffer, flags, receiveOp) => receive(fd, buffer, flags | MSG_TRUNC, receiveOp),
    close: () => fd.close(),
  };
}

/** struct sockaddr_nl: the family; port 0, for which the kernel chooses one; no groups of the first 32. */
function anyAddress(): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
  return bytes;
}

function intBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return bytes;
}

/** struct timeval of a 64-bit machine: seconds and microseconds. */
function timevalBytes(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(Math.floor(milliseconds / 1000)), LITTLE_ENDIAN);
  view.setBigInt64(8, BigInt(Math.round((milliseconds % 1000) * 1000)), LITTLE_ENDIAN);
  return bytes;
}
