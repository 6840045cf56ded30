/**
 * dp_lookup with real sockets: who reaches the listener ports of the proxy.
 *
 *     container 10.2.0.1 ── dp0 10.1.0.1  host  up0 192.0.2.1 ── stranger 192.0.2.2
 */
import { beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { bindSocket, Errno, type Fd, receive, sleepSync, socket, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { loadBpf, type Objects, readInterface } from "../src/index.ts";
import { Link } from "../src/libbpf/index.ts";

requireRoot();

const PORTS = { httpPort: 15080, dnsPort: 15053, tcpPort: 15001 };
const OTHER_PORT = 15999;
const GATEWAY = "10.1.0.1";
const PUBLIC = "192.0.2.1";

let bpffs: Bpffs;
let host: NetworkNamespace;
let container: NetworkNamespace;
let stranger: NetworkNamespace;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (host = new NetworkNamespace()),
  () => (container = new NetworkNamespace()),
  () => (stranger = new NetworkNamespace()),
);

beforeEach(() => {
  wire("dp0", GATEWAY, container, "10.2.0.1");
  wire("up0", PUBLIC, stranger, "192.0.2.2");
  host.ip("link", "set", "lo", "up");
  stranger.ip("route", "add", GATEWAY, "via", PUBLIC);
});

function wire(iface: string, address: string, other: NetworkNamespace, otherAddress: string): void {
  run("ip", "link", "add", iface, "netns", host.name, "type", "veth", "peer", "name", "eth0", "netns", other.name);
  host.ip("address", "add", address, "peer", otherAddress, "dev", iface);
  other.ip("address", "add", otherAddress, "peer", address, "dev", "eth0");
  host.ip("link", "set", iface, "up");
  other.ip("link", "set", "eth0", "up");
}

/** Calls `body` in the host's namespace, with the host peer known and dp_lookup attached. */
function onHost<T>(body: (objects: Objects) => T extends PromiseLike<unknown> ? never : T): T {
  using objects = loadBpf({ pinRoot: bpffs.path });
  objects.config.set({ hostSubnets: { ipv4: "10.1.0.0/16" }, containerSubnets: { ipv4: "10.2.0.0/16" }, ...PORTS });
  return host.inside<unknown>(() => {
    const { index } = readInterface("dp0");
    objects.servers.set(index, {
      id: 7,
      group: 0,
      netnsCookie: 1n,
      addresses: { ipv4: { container: "10.2.0.1", gateway: GATEWAY } },
      containerMac: "0a:58:00:00:00:07",
      forwards: [],
    });
    return body(objects);
  }) as T;
}

/** Whether a TCP connection from there comes about. */
function connects(from: NetworkNamespace, address: string, port: number): boolean {
  const script = `exec 3<>/dev/tcp/${address}/${port}`;
  const [file = "", ...args] = from.command("timeout", "20", "bash", "-c", script);
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0 && !stderr.includes("refused")) throw new Error(`neither connected nor refused: ${stderr}`);
  return status === 0;
}

/** Sends a datagram from there: whether this socket of the host gets it. */
function delivers(listener: Fd, from: NetworkNamespace, address: string, port: number): boolean {
  const before = refusedDatagrams();
  const [file = "", ...args] = from.command("bash", "-c", `printf x >/dev/udp/${address}/${port}`);
  spawnSync(file, args);
  for (let tries = 0; tries < 5000; tries++) {
    if (readable(listener)) return true;
    if (refusedDatagrams() > before) return false;
    sleepSync(1);
  }
  throw new Error("the datagram was neither delivered nor refused");
}

/** Takes one datagram off the socket. */
function readable(listener: Fd): boolean {
  const MSG_DONTWAIT = 0x40;
  try {
    return receive(listener, new Uint8Array(16), MSG_DONTWAIT, "receive") > 0;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.EAGAIN) return false;
    throw error;
  }
}

/** Datagrams that no socket of the calling thread's namespace was for (udpNoPorts of RFC 4113). */
function refusedDatagrams(): number {
  const [names = [], values = []] = readFileSync("/proc/thread-self/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp: "))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("NoPorts")]);
}

function udpSocket(port: number): Fd {
  const fd = socket(2, 2, 0);
  const address = new DataView(new ArrayBuffer(16)); // struct sockaddr_in
  address.setUint16(0, 2, true);
  address.setUint16(2, port);
  bindSocket(fd, new Uint8Array(address.buffer));
  return fd;
}

const listen = (hostname: string, port: number) => Bun.listen({ hostname, port, socket: { data() {} } });

describe("a listener port of the proxy", () => {
  for (const [name, port] of Object.entries(PORTS)) {
    test(`(${name}) over TCP is reached by a host peer and by loopback, and by no uplink`, () => {
      onHost((objects) => {
        const listener = listen("0.0.0.0", port);
        try {
          expect(connects(stranger, PUBLIC, port)).toBe(true);
          expect(objects.attachments.attachToSkLookup()).toBe("attached");
          expect(connects(stranger, PUBLIC, port)).toBe(false);
          expect(connects(stranger, GATEWAY, port)).toBe(false);
          expect(connects(container, GATEWAY, port)).toBe(true);
          expect(connects(host, "127.0.0.1", port)).toBe(true);
          expect(connects(host, GATEWAY, port)).toBe(true);
        } finally {
          listener.stop(true);
        }
      });
    });
  }

  test("over UDP is reached by a host peer and by loopback, and by no uplink", () => {
    onHost((objects) => {
      using listener = udpSocket(PORTS.dnsPort);
      expect(delivers(listener, stranger, PUBLIC, PORTS.dnsPort)).toBe(true);
      objects.attachments.attachToSkLookup();
      expect(delivers(listener, stranger, PUBLIC, PORTS.dnsPort)).toBe(false);
      expect(delivers(listener, stranger, GATEWAY, PORTS.dnsPort)).toBe(false);
      expect(delivers(listener, container, GATEWAY, PORTS.dnsPort)).toBe(true);
      expect(delivers(listener, host, "127.0.0.1", PORTS.dnsPort)).toBe(true);
    });
  });

  test("is not reached by a host peer of a server that is gone", () => {
    onHost((objects) => {
      objects.attachments.attachToSkLookup();
      const listener = listen("0.0.0.0", PORTS.tcpPort);
      try {
        objects.servers.delete(readInterface("dp0").index);
        expect(connects(container, GATEWAY, PORTS.tcpPort)).toBe(false);
      } finally {
        listener.stop(true);
      }
    });
  });
});

test("other ports are left alone: TCP, and UDP of a port that is the proxy's for TCP only", () => {
  onHost((objects) => {
    objects.attachments.attachToSkLookup();
    const listener = listen("0.0.0.0", OTHER_PORT);
    using datagrams = udpSocket(PORTS.tcpPort);
    try {
      expect(connects(stranger, PUBLIC, OTHER_PORT)).toBe(true);
      expect(delivers(datagrams, stranger, PUBLIC, PORTS.tcpPort)).toBe(true);
    } finally {
      listener.stop(true);
    }
  });
});

test("it is replaced in one step, detached once, and gone when everything is unpinned", () => {
  const pin = bpffs.join("progs", "dp_lookup_host");
  const ids = [0, 1].map(() =>
    onHost((objects) => {
      objects.attachments.attachToSkLookup();
      using link = Link.fromPin(pin);
      expect(link.attached).toBe(true);
      return link.info();
    }),
  );
  expect(ids[0]?.id).toBe(ids[1]?.id ?? 0);
  expect(ids[0]?.programId).not.toBe(ids[1]?.programId ?? 0);
  onHost((objects) => {
    using link = Link.fromPin(pin);
    expect(objects.attachments.detachFromSkLookup()).toBe(true);
    expect(objects.attachments.detachFromSkLookup()).toBe(false);
    expect(link.attached).toBe(false);
    objects.attachments.attachToSkLookup();
    using again = Link.fromPin(pin);
    objects.unpinAll();
    expect(again.attached).toBe(false);
  });
  expect(bpffs.list()).toEqual([]);
});
