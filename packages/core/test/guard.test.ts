/**
 * dp_guard with packets that come in by a veth pair: what dp_snat has not passed is counted, and not delivered.
 *
 *     dp1 10.2.0.1 ─── dp0 10.1.0.1        one namespace; what is sent out of dp1 comes in at dp0
 */
import { beforeEach, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { bindSocket, type Fd, send, sleepSync, socket } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { ethernet, icmp, ipv4, ipv6, raw } from "@dp/test-kit/frame.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { type Interface, loadBpf, type Objects, readInterface } from "../src/index.ts";
import { Link } from "../src/libbpf/index.ts";

requireRoot();

const CONTAINER = "10.2.0.1";
const GATEWAY = "10.1.0.1";
const SERVER = 7;

let bpffs: Bpffs;
let namespace: NetworkNamespace;
let hostPeer: Interface;
let containerPeer: Interface;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
);

beforeEach(() => {
  namespace.ip("address", "add", `${GATEWAY}/32`, "dev", "dp0");
  // Or the kernel says something of its own.
  for (const iface of ["dp0", "dp1"]) setIpv6(iface, false);
  for (const iface of ["dp0", "dp1"]) namespace.ip("link", "set", iface, "up");
  namespace.ip("route", "add", `${CONTAINER}/32`, "dev", "dp0");
  [hostPeer, containerPeer] = namespace.inside(() => [readInterface("dp0"), readInterface("dp1")]);
});

function setIpv6(iface: string, on: boolean): void {
  namespace.inside(() => writeFileSync(`/proc/sys/net/ipv6/conf/${iface}/disable_ipv6`, on ? "0" : "1"));
}

function inside<T>(body: (objects: Objects) => T extends PromiseLike<unknown> ? never : T): T {
  using objects = loadBpf({ pinRoot: bpffs.path });
  return namespace.inside<unknown>(() => body(objects)) as T;
}

const outer = () => ({ src: containerPeer.mac, dst: hostPeer.mac });
const pingFrame = () => ethernet(outer(), ipv4({ src: CONTAINER, dst: GATEWAY }, icmp({ type: 8 })));

/** Out of dp1, as it is. */
function sendFrame(frame: Uint8Array): void {
  const AF_PACKET = 17;
  const SOCK_RAW = 3;
  const address = new DataView(new ArrayBuffer(20)); // struct sockaddr_ll
  address.setUint16(0, AF_PACKET, true);
  address.setUint32(4, containerPeer.index, true);
  using fd: Fd = socket(AF_PACKET, SOCK_RAW, 0);
  bindSocket(fd, new Uint8Array(address.buffer));
  send(fd, frame, "send a frame");
}

/** Pings that the stack of the calling thread's namespace got to see (icmpInEchos of RFC 2011). */
function pingsDelivered(): number {
  const [names = [], values = []] = readFileSync("/proc/thread-self/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Icmp: "))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("InEchos")]);
}

/** Sends a ping and waits until it was delivered, or counted. */
function fate(objects: Objects): "delivered" | "dropped" {
  const counted = () => bypasses(objects);
  const [delivered, dropped] = [pingsDelivered(), counted()];
  sendFrame(pingFrame());
  for (let tries = 0; tries < 5000; tries++) {
    if (pingsDelivered() > delivered) return "delivered";
    if (counted() > dropped) return "dropped";
    sleepSync(1);
  }
  throw new Error("the ping was neither delivered nor counted");
}

/** What makes dp0 the host peer of a server, with drop counts. */
function addServer(objects: Objects): void {
  objects.drops.add(SERVER);
  objects.servers.set(hostPeer.index, {
    id: SERVER,
    group: 0,
    netnsCookie: 1n,
    addresses: { ipv4: { container: CONTAINER, gateway: GATEWAY } },
    containerMac: containerPeer.mac,
    forwards: [],
  });
}

function bypasses(objects: Objects): bigint {
  return objects.drops.read(SERVER)?.bypass ?? 0n;
}

test("what comes from no host peer is delivered", () => {
  inside((objects) => {
    expect(objects.attachments.attachToHost()).toBe("attached");
    expect(fate(objects)).toBe("delivered");
  });
});

test("what comes from a host peer and has not passed dp_snat is dropped and counted, whatever else runs there", () => {
  inside((objects) => {
    addServer(objects);
    expect(fate(objects)).toBe("delivered");
    objects.attachments.attachToHost();
    expect(fate(objects)).toBe("dropped");
    expect(fate(objects)).toBe("dropped");
    expect(bypasses(objects)).toBe(2n);
  });
});

for (const mechanism of ["tcx", "clsact"] as const) {
  test(`what dp_snat let through is delivered, attached by ${mechanism}`, () => {
    using objects = loadBpf({ pinRoot: bpffs.path, mechanism });
    namespace.inside(() => {
      addServer(objects);
      objects.attachments.attachToHost();
      objects.attachments.attach("snat", hostPeer);
      expect(fate(objects)).toBe("delivered");
      objects.attachments.detach("snat", hostPeer.name);
      expect(fate(objects)).toBe("dropped");
    });
  });
}

test("a later load attaches its own in place of the one before, and a detached one is gone", () => {
  const ids = Array.from({ length: 3 }, () =>
    inside((objects) => {
      addServer(objects);
      const attached = objects.attachments.attachToHost();
      expect(fate(objects)).toBe("dropped");
      using link = Link.fromPin(bpffs.join("progs", "dp_guard_ipv4"));
      return [attached, link.info().id] as const;
    }),
  );
  expect(ids.map(([attached]) => attached)).toEqual(["attached", "updated", "updated"]);
  expect(new Set(ids.map(([, id]) => id)).size).toBe(3);
  inside((objects) => {
    expect(objects.attachments.detachFromHost()).toBe(true);
    expect(objects.attachments.detachFromHost()).toBe(false);
    expect(fate(objects)).toBe("delivered");
  });
});

test("IPv6 is dropped and counted as well, where it is on", () => {
  setIpv6("dp0", true);
  inside((objects) => {
    addServer(objects);
    objects.attachments.attachToHost();
    sendFrame(ethernet(outer(), ipv6(raw(59, ""))));
    while (bypasses(objects) !== 1n) sleepSync(1);
  });
});

test("each pin root has its own", () => {
  using other = new Bpffs();
  inside((objects) => {
    using others = loadBpf({ pinRoot: other.path });
    for (const each of [objects, others, objects, others]) each.attachments.attachToHost();
    addServer(others);
    sendFrame(pingFrame());
    while (bypasses(others) !== 1n) sleepSync(1);
    others.unpinAll();
    addServer(objects);
    expect(fate(objects)).toBe("dropped");
  });
});

test("unpinning everything detaches it", () => {
  inside((objects) => {
    addServer(objects);
    objects.attachments.attachToHost();
    using link = Link.fromPin(bpffs.join("progs", "dp_guard_ipv4"));
    objects.unpinAll();
    const before = pingsDelivered();
    sendFrame(pingFrame());
    while (pingsDelivered() === before) sleepSync(1);
    expect(link.info().kind).toBe("netfilter");
  });
  expect(bpffs.list()).toEqual([]);
});
