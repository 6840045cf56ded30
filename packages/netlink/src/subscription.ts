import { setTimeout as sleep } from "node:timers/promises";
import { Errno, type Fd, MSG_PEEK, SyscallError } from "@dp/sys";
import { ControlType, type Frame, readFrames } from "./codec/frame.ts";
import { linkMessage } from "./codec/link.ts";
import { RtnlType } from "./codec/type.ts";
import { type Address, readAddress } from "./operations/address.ts";
import { type Link, readLink } from "./operations/link.ts";
import { type Neighbour, readNeighbour } from "./operations/neighbour.ts";
import { readRoute, type Route } from "./operations/route.ts";
import { type NetlinkSocket, openSocket } from "./socket.ts";

/** A kind of object that can be subscribed to. */
export type Topic = "link" | "address" | "route" | "neighbour";

/** "set": the object is new or was changed. "deleted": the object has its last state. */
export type Change = "set" | "deleted";

/** One change. */
export type Notification =
  | { topic: "link"; change: Change; link: Link }
  | { topic: "address"; change: Change; address: Address }
  | { topic: "route"; change: Change; route: Route }
  | { topic: "neighbour"; change: Change; neighbour: Neighbour };

/** The notifications since the last read. */
export interface News {
  /** In the kernel's order. */
  notifications: Notification[];
  /** The kernel dropped notifications for lack of room: the state that was known has to be read again. */
  overrun: boolean;
}

/** Which notifications to receive. */
export interface SubscriptionOptions {
  topics: readonly Topic[];
  /** The network namespace. Default: the calling thread's. Needed only during the call. */
  netns?: Fd | undefined;
  /** Bytes of notifications that may wait (SO_RCVBUF; the kernel limits it). Default 1 MiB. */
  room?: number | undefined;
}

/** How to wait for notifications. */
export interface NewsOptions {
  /** Ends the iteration, without an error. */
  signal?: AbortSignal | undefined;
  /** How often to look, in milliseconds: the runtime cannot wait for a netlink socket. Default 100. */
  pollMs?: number | undefined;
  /** Whether to yield each time, also without notifications. Default false. */
  idle?: boolean | undefined;
}

/** enum rtnetlink_groups (linux/rtnetlink.h). */
const GROUPS: Readonly<Record<Topic, readonly number[]>> = {
  link: [1],
  neighbour: [3],
  // IPv4, IPv6.
  address: [5, 9],
  route: [7, 11],
};

const MSG_DONTWAIT = 0x40;

/**
 * Receives a notification of each change in a network namespace, by any process.
 *
 *     using changes = Subscription.open({ topics: ["link"] });
 *     for await (const { notifications, overrun } of changes) console.log(notifications, overrun);
 *
 * The kernel drops notifications for which there is no room and says so once: `overrun`.
 * What the kernel refuses is a `SyscallError`.
 */
export class Subscription implements AsyncIterable<News>, Disposable {
  readonly #socket: NetlinkSocket;
  #closed = false;
  #buffer = new Uint8Array(32 * 1024);

  /** Takes ownership of a socket that has joined its groups. Most callers want {@link Subscription.open}. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Subscribes: no change from now on is missed. Throws `SyscallError`. */
  static open({ topics, netns, room }: SubscriptionOptions): Subscription {
    const groups = topics.flatMap((topic) => GROUPS[topic]);
    return new Subscription(openSocket({ netns, timeoutMs: 0, room, groups }));
  }

  /** As {@link news}, without options. */
  [Symbol.asyncIterator](): AsyncGenerator<News, void, undefined> {
    return this.news();
  }

  /**
   * The notifications as they come, until the signal is aborted or the subscription is closed. The first look is at
   * once. Throws `SyscallError`.
   */
  async *news({ signal, pollMs = 100, idle = false }: NewsOptions = {}): AsyncGenerator<News, void, undefined> {
    const isOver = () => this.#closed || signal?.aborted === true;
    while (!isOver()) {
      const news = this.read();
      const isEmpty = !news.overrun && news.notifications.length === 0;
      if (!isEmpty || idle) yield news;
      if (isEmpty || idle) await interruptible(pollMs, signal);
    }
  }

  /**
   * The notifications that are there, without waiting for more. Throws `SyscallError`, and once it is closed `Error`.
   */
  read(): News {
    const news: News = { notifications: [], overrun: false };
    for (;;) {
      let datagram: Uint8Array;
      try {
        datagram = this.#receive();
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        if (error.errno === Errno.EAGAIN) return news;
        if (error.errno !== Errno.ENOBUFS) throw error;
        news.overrun = true;
        continue;
      }
      for (const frame of readFrames(datagram)) {
        if (frame.type === ControlType.NLMSG_OVERRUN) news.overrun = true;
        else news.notifications.push(...readNotification(frame));
      }
    }
  }

  #receive(): Uint8Array {
    const op = "receive a netlink notification";
    const length = this.#socket.receive(this.#buffer, MSG_DONTWAIT | MSG_PEEK, op);
    if (length > this.#buffer.byteLength) this.#buffer = new Uint8Array(length);
    return this.#buffer.slice(0, this.#socket.receive(this.#buffer, MSG_DONTWAIT, op));
  }

  /** Closes the socket, and ends an iteration at its next look. Throws nothing. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function interruptible(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal && { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}

const { RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR } = RtnlType;
const { RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEIGH, RTM_DELNEIGH } = RtnlType;

/** Empty for a message of no topic. */
function readNotification(frame: Frame): Notification[] {
  switch (frame.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      // Bridges report their ports in the same group: a port that is "deleted" there is still an interface.
      if (linkMessage.read(frame.payload).header.ifi_family !== 0) return [];
      return [{ topic: "link", change: changeOf(frame, RTM_DELLINK), link: readLink(frame, {}) }];
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const change = changeOf(frame, RTM_DELADDR);
      return readAddress({ ...frame, type: RTM_NEWADDR }).map((address) => ({ topic: "address", change, address }));
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const change = changeOf(frame, RTM_DELROUTE);
      return readRoute({ ...frame, type: RTM_NEWROUTE }).map((route) => ({ topic: "route", change, route }));
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const change = changeOf(frame, RTM_DELNEIGH);
      const neighbours = readNeighbour({ ...frame, type: RTM_NEWNEIGH });
      return neighbours.map((neighbour) => ({ topic: "neighbour", change, neighbour }));
    }
    default:
      return [];
  }
}

function changeOf({ type }: Frame, deleted: number): Change {
  return type === deleted ? "deleted" : "set";
}
