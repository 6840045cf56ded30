/**
 * Notifications of changes: by a scripted kernel for rare events, and by the running one.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { Errno, MSG_PEEK, SyscallError } from "@dp/sys";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openNetlinkDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { ControlType, writeFrame } from "../src/codec/frame.ts";
import { ifinfomsg } from "../src/codec/link.ts";
import { RtnlType } from "../src/codec/type.ts";
import { type NetlinkSocket, openNamespace, type News, Subscription, type Topic } from "../src/index.ts";

requireRoot();

afterEach(() => {
  expect(openNetlinkDescriptors()).toEqual([]);
});

/** Gives these datagrams, or errno numbers, one after the other; then there is nothing. */
function scripted(...queue: (Uint8Array | number)[]): NetlinkSocket {
  return {
    send: () => undefined,
    receive(buffer, flags, op) {
      const [next = Errno.EAGAIN] = queue;
      if (typeof next === "number") {
        queue.shift();
        throw new SyscallError(op, "recv", next);
      }
      if ((flags & MSG_PEEK) === 0) queue.shift();
      buffer.set(next.subarray(0, buffer.byteLength));
      return next.byteLength;
    },
    close: () => undefined,
  };
}

function linkFrame(index: number, family = 0, type: number = RtnlType.RTM_NEWLINK): Uint8Array {
  const payload = ifinfomsg.write(ifinfomsg.of({ ifi_family: family, ifi_index: index }));
  return writeFrame({ type, flags: 0, sequence: 0, portId: 0, payload });
}

function indexes({ notifications }: News): number[] {
  return notifications.flatMap((each) => (each.topic === "link" ? each.link.index : []));
}

describe("reading", () => {
  test("returns all waiting notifications, and none when none wait", () => {
    const changes = new Subscription(scripted(linkFrame(3), linkFrame(4)));
    const news = changes.read();
    expect(indexes(news)).toEqual([3, 4]);
    expect(news.overrun).toBe(false);
    expect(changes.read()).toEqual({ notifications: [], overrun: false });
  });

  test("continues after an overrun, and reports it", () => {
    const changes = new Subscription(scripted(linkFrame(3), Errno.ENOBUFS, linkFrame(4)));
    const news = changes.read();
    expect(indexes(news)).toEqual([3, 4]);
    expect(news.overrun).toBe(true);
    expect(changes.read().overrun).toBe(false);
  });

  test("takes an overrun message for an overrun", () => {
    const overrun = writeFrame({
      type: ControlType.NLMSG_OVERRUN,
      flags: 0,
      sequence: 0,
      portId: 0,
      payload: new Uint8Array(0),
    });
    expect(new Subscription(scripted(overrun)).read()).toEqual({ notifications: [], overrun: true });
  });

  test("leaves out bridges' messages about their ports, and messages of no topic", () => {
    const AF_BRIDGE = 7;
    const port = linkFrame(3, AF_BRIDGE, RtnlType.RTM_DELLINK);
    const other = writeFrame({ type: 80, flags: 0, sequence: 0, portId: 0, payload: new Uint8Array(12) });
    expect(new Subscription(scripted(port, other)).read()).toEqual({ notifications: [], overrun: false });
  });

  test("passes on other errors", () => {
    expect(() => new Subscription(scripted(Errno.EPERM)).read()).toThrow(SyscallError);
  });
});

describe("iterating", () => {
  test("yields notifications as they come, until the signal is aborted", async () => {
    const queue: (Uint8Array | number)[] = [linkFrame(3), linkFrame(4), Errno.EAGAIN, Errno.EAGAIN, linkFrame(5)];
    const stop = new AbortController();
    const seen: number[][] = [];
    for await (const news of new Subscription(scripted(...queue)).news({ signal: stop.signal, pollMs: 1 })) {
      seen.push(indexes(news));
      if (seen.length === 2) stop.abort();
    }
    expect(seen).toEqual([[3, 4], [5]]);
  });

  test("is over at once when the signal is aborted while it waits, or before it begins", async () => {
    const stop = new AbortController();
    const waiting = new Subscription(scripted()).news({ signal: stop.signal, pollMs: 3_600_000 }).next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    const aborted = new Subscription(scripted(linkFrame(3))).news({ signal: stop.signal });
    expect(await aborted.next()).toEqual({ done: true, value: undefined });
  });

  test("ends when the subscription is closed", async () => {
    const changes = new Subscription(scripted(linkFrame(3)));
    for await (const news of changes) {
      expect(indexes(news)).toEqual([3]);
      changes.close();
    }
  });

  test("yields each look, empty or not, for callers that have more to do", async () => {
    const seen: number[][] = [];
    for await (const news of new Subscription(scripted(linkFrame(3))).news({ pollMs: 1, idle: true })) {
      seen.push(indexes(news));
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([[3], [], []]);
  });

  test("passes on what the kernel refuses", async () => {
    const first = new Subscription(scripted(Errno.EPERM)).news().next();
    expect(await first.catch((error: unknown) => error)).toBeInstanceOf(SyscallError);
  });
});

describe("the kernel", () => {
  function subscribe({ path }: NetworkNamespace, topics: Topic[], room?: number): Subscription {
    using namespace = openNamespace(path);
    return Subscription.open({ topics, netns: namespace.fd, room });
  }

  test("reports interfaces, addresses, routes and neighbours that come, change and go", () => {
    using namespace = new NetworkNamespace();
    namespace.ip("link", "set", "lo", "up");
    using changes = subscribe(namespace, ["link", "address", "route", "neighbour"]);
    expect(changes.read()).toEqual({ notifications: [], overrun: false });

    namespace.ip("link", "add", "dp0", "type", "veth", "peer", "name", "dp1");
    const { notifications: made } = changes.read();
    expect(made).toContainEqual(expect.objectContaining({ topic: "link", change: "set" }));
    expect(made.flatMap((each) => (each.topic === "link" ? each.link.name : [])).sort()).toEqual(["dp0", "dp1"]);

    namespace.ip("link", "set", "dp1", "up");
    namespace.ip("link", "set", "dp0", "up");
    namespace.ip("address", "add", "10.1.0.2/24", "dev", "dp0");
    namespace.ip("neighbour", "add", "10.1.0.3", "lladdr", "02:00:00:00:00:03", "dev", "dp0");
    const { notifications: added } = changes.read();
    expect(added).toContainEqual(
      expect.objectContaining({ change: "set", link: expect.objectContaining({ name: "dp0", up: true }) }),
    );
    expect(added).toContainEqual(
      expect.objectContaining({ change: "set", address: expect.objectContaining({ address: "10.1.0.2" }) }),
    );
    expect(added).toContainEqual(
      expect.objectContaining({ change: "set", route: expect.objectContaining({ destination: "10.1.0.0/24" }) }),
    );
    expect(added).toContainEqual(
      expect.objectContaining({ change: "set", neighbour: expect.objectContaining({ address: "10.1.0.3" }) }),
    );

    namespace.ip("link", "delete", "dp0");
    const { notifications: gone } = changes.read();
    expect(gone).toContainEqual(
      expect.objectContaining({ change: "deleted", address: expect.objectContaining({ address: "10.1.0.2" }) }),
    );
    expect(gone).toContainEqual(
      expect.objectContaining({ change: "deleted", link: expect.objectContaining({ name: "dp0" }) }),
    );
  });

  test("reports only the subscribed topics", () => {
    using namespace = new NetworkNamespace();
    using changes = subscribe(namespace, ["address"]);
    namespace.ip("link", "add", "dp0", "type", "veth", "peer", "name", "dp1");
    namespace.ip("address", "add", "10.1.0.2/24", "dev", "dp0");
    expect(changes.read().notifications.map(({ topic }) => topic)).toEqual(["address"]);
  });

  test("reports an overrun, and continues", () => {
    using namespace = new NetworkNamespace();
    // The kernel makes at least some room of it.
    using changes = subscribe(namespace, ["link"], 1);
    namespace.ip("link", "add", "dp0", "type", "veth", "peer", "name", "dp1");
    for (let round = 0; round < 20; round++) namespace.ip("link", "set", "dp0", "mtu", `${1000 + round}`);
    expect(changes.read().overrun).toBe(true);
    expect(changes.read()).toEqual({ notifications: [], overrun: false });
    namespace.ip("link", "delete", "dp0");
    expect(changes.read().notifications).toContainEqual(expect.objectContaining({ topic: "link", change: "deleted" }));
  });
});
