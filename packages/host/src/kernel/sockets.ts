import { readFileSync } from "node:fs";
import { bindSocket, Errno, formatIpv4, socket, SyscallError } from "@dp/sys";

/** A TCP socket of the host, as /proc/net/tcp lists it. */
export interface TcpSocket {
  /** The local address: dotted, or 32 hex digits for IPv6. */
  address: string;
  port: number;
  state: "listen" | "time-wait" | "other";
  /** The user who made it. */
  uid: number;
  /** Leads to the processes that have it open; "0" when there are none. */
  inode: string;
}

const TCP_TIME_WAIT = 6;
const TCP_LISTEN = 10;

/**
 * The rows of /proc/net/tcp or tcp6: `sl: LOCAL:PORT REMOTE:PORT STATE ... INODE ...`, numbers in hex but the inode's,
 * an address as 32-bit words in host byte order. Other lines are skipped.
 */
export function parseProcNetTcp(text: string): TcpSocket[] {
  return text.split("\n").flatMap((line) => {
    const [, address, port, state, uid, inode] = ROW.exec(line) ?? [];
    if (address === undefined || port === undefined || state === undefined || inode === undefined) return [];
    return [
      {
        address: addressOf(address),
        port: parseInt(port, 16),
        state: stateOf(parseInt(state, 16)),
        uid: Number(uid),
        inode,
      },
    ];
  });
}

const ROW = new RegExp(
  /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.source +
    // Queues, timer, retransmits, user, timeout.
    /\S+ \S+ +\S+ +(\d+) +\S+ (\d+)/.source,
);

function addressOf(hex: string): string {
  if (hex.length === 32) return hex.toLowerCase();
  const word = parseInt(hex, 16);
  return formatIpv4(littleEndian ? swap(word) : word);
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function swap(word: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word);
  return view.getUint32(0, true);
}

function stateOf(state: number): TcpSocket["state"] {
  if (state === TCP_LISTEN) return "listen";
  return state === TCP_TIME_WAIT ? "time-wait" : "other";
}

const AF_INET = 2;
const SOCK_STREAM = 1;

/**
 * Whether a TCP socket can be bound to this port on all addresses now: then no socket listens for IPv4 connections on
 * it, and no connection has it. For the calling thread's network namespace. The cost does not depend on the number of
 * sockets.
 */
export function isUnused(port: number): boolean {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, littleEndian);
  view.setUint16(2, port);
  try {
    using probe = socket(AF_INET, SOCK_STREAM, 0, "ask for a port");
    bindSocket(probe, address, "ask for a port");
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.EADDRINUSE) return false;
    throw error;
  }
}

/** The local ports of a host's TCP sockets. */
export interface PortsInUse {
  /** Ports with listening sockets: the inode numbers of these sockets. */
  listening: ReadonlyMap<number, readonly string[]>;
  /** Ports of the host's connections, without a listening socket. */
  connected: ReadonlySet<number>;
}

/** Reads the ports of the calling thread's network namespace. */
export function portsInUse(): PortsInUse {
  // Not /proc/net: that is the main thread's namespace.
  const sockets = ["tcp", "tcp6"].flatMap((file) => {
    try {
      return parseProcNetTcp(readFileSync(`/proc/thread-self/net/${file}`, "latin1"));
    } catch (error) {
      // A kernel without IPv6 has no tcp6.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
  const listening = new Map<number, string[]>();
  for (const { state, port, inode } of sockets) {
    if (state === "listen") listening.set(port, [...(listening.get(port) ?? []), inode]);
  }
  const connected = sockets.filter(({ state, port }) => state === "other" && !listening.has(port));
  return { listening, connected: new Set(connected.map(({ port }) => port)) };
}
