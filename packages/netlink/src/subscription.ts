import { Errno, type Fd, MSG_PEEK, SyscallError } from "@dp/sys";
import { ControlType, type Frame, readFrames } from "./codec/frame.ts";
import { linkMessage } from "./codec/link.ts";
import { RtnlType } from "./codec/type.ts";
import { type Address, readAddress } from "./operations/address.ts";
import { type Link, readLink } from "./operations/link.ts";
import { type Neighbour, readNeighbour } from "./operations/neighbour.ts";
import { readRoute, type Route } from "./operations/route.ts";
import { type NetlinkSocket, openRouteSocket } from "./socket.ts";

/** What can be subscribed to. */
export type Topic = "link" | "address" | "route" | "neighbour";

/** "set": it is new, or changed. "deleted": it is as it was before. */
export type Change = "set" | "deleted";

/** Something that changed. */
export type Notification =
  | { topic: "link"; change: Change; link: Link }
  | { topic: "address"; change: Change; address: Address }
  | { topic: "route"; change: Change; route: Route }
  | { topic: "neighbour"; change: Change; neighbour: Neighbour };

/** What came since the last time. */
export interface News {
  /** In the order it happened. */
  notifications: Notification[];
  /** More happened than there was room for: what was known has to be read anew. */
  overrun: boolean;
}

/** What to hear of. */
export interface SubscriptionOptions {
  topics: readonly Topic[];
  /** The network namespace to hear of. Default: the calling thread's. Needed only during the call. */
  netns?: Fd | undefined;
  /** Bytes of notifications that may wait (SO_RCVBUF; the kernel has a limit of its own). Default 1 MiB. */
  room?: number | undefined;
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
 * Hears of what changes in a network namespace, whoever changes it.
 *
 *     using changes = Subscription.open({ topics: ["link"] });
 *     const { notifications, overrun } = changes.read(); // at once, empty when nothing has happened
 *
 * The kernel drops notifications for which there is no room and says so once: `overrun`.
 * What the kernel refuses is a `SyscallError`; a subscription that was closed throws when it is used.
 */
export class Subscription implements Disposable {
  readonly #socket: NetlinkSocket;
  #buffer = new Uint8Array(32 * 1024);

  /** Takes ownership of a socket that has joined its groups. Most callers want {@link Subscription.open}. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** What happens from now on is heard of. Throws `SyscallError`. */
  static open({ topics, netns, room }: SubscriptionOptions): Subscription {
    const groups = topics.flatMap((topic) => GROUPS[topic]);
    return new Subscription(openRouteSocket({ netns, timeoutMs: 0, room, groups }));
  }

  /** Everything there is to hear, without waiting for more. Throws `SyscallError`. */
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

  /** Closes the socket. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const { RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR } = RtnlType;
const { RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEIGH, RTM_DELNEIGH } = RtnlType;

/** None for what is of no topic. */
function readNotification(frame: Frame): Notification[] {
  switch (frame.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      // Bridges tell of their ports in the same group: one that is "deleted" there is still an interface.
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
