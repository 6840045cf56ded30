/** Input that cannot be right is refused before anything is sent. */
import { describe, expect, test } from "bun:test";
import { DatapathError } from "@dp/sys";
import { Connection, Netlink } from "../src/index.ts";
import { checkInterfaceName, checkNetwork } from "../src/input.ts";

/** Whatever reaches the socket has passed the checks. */
const netlink = new Netlink(
  new Connection({
    send: () => {
      throw new Error("sent");
    },
    receive: () => 0,
    close: () => {},
  }),
);

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (!(error instanceof DatapathError)) throw error;
    expect(error.code).toBe("BAD_USAGE");
    return error.message;
  }
  throw new Error("it was accepted");
}

const mac = "7e:90:c4:ed:df:d0";
const peer = { name: "eth0", mac };

describe("interfaces", () => {
  test("names are what the kernel takes", () => {
    for (const name of ["a", "eth0", "dp-25570.1_x@y", "fifteen-bytes-x", "ééééééé"]) {
      expect(checkInterfaceName(name, "test")).toBe(name);
    }
    for (const name of [
      "",
      "sixteen-bytes-xx",
      "éééééééé",
      "a/b",
      "a b",
      "a\tb",
      "a\u0000b",
      ".",
      "..",
      "a:b",
      "a%d",
    ]) {
      expect(refusal(() => netlink.createVeth({ name, mac, peer }))).toStartWith(`create veth pair ${name} and eth0: `);
      expect(refusal(() => netlink.createVeth({ name: "dp0", mac, peer: { ...peer, name } }))).toContain("name");
      expect(refusal(() => netlink.setLink(1, { name }))).toContain("name");
    }
    expect(refusal(() => netlink.setLink(1, { name: "sixteen-bytes-xx" }))).toBe(
      'set name sixteen-bytes-xx on 1: "sixteen-bytes-xx" is 16 bytes long, an interface name has at most 15',
    );
  });

  test("an existing interface may go by an alternative name, which is longer", () => {
    expect(() => netlink.link("an-alternative-name-of-some-length")).toThrow("sent");
    for (const name of ["", "a b", "../x", "x".repeat(128)]) {
      refusal(() => netlink.link(name));
      refusal(() => netlink.deleteLink(name));
    }
  });

  test("MAC addresses are six octets that may belong to one interface", () => {
    const messages = {
      "7e:90:c4:ed:df": "is not a MAC address like 7e:90:c4:ed:df:d0",
      "7e:90:c4:ed:df:d0:01": "is not a MAC address like 7e:90:c4:ed:df:d0",
      "7e-90-c4-ed-df-d0": "is not a MAC address like 7e:90:c4:ed:df:d0",
      "": "is not a MAC address like 7e:90:c4:ed:df:d0",
      "01:00:5e:00:00:01": "is a multicast address, which no interface can have",
      "ff:ff:ff:ff:ff:ff": "is a multicast address, which no interface can have",
      "00:00:00:00:00:00": "is not the address of an interface",
    };
    for (const [address, message] of Object.entries(messages)) {
      expect(refusal(() => netlink.createVeth({ name: "dp0", mac: address, peer }))).toEndWith(message);
      expect(refusal(() => netlink.setLink(1, { mac: address }))).toEndWith(message);
      expect(refusal(() => netlink.setNeighbour({ ifindex: 1, address: "10.0.0.1", mac: address }))).toEndWith(message);
    }
  });

  test("indexes and MTUs are whole numbers in range", () => {
    for (const index of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      expect(refusal(() => netlink.deleteLink(index))).toContain("is not an interface index");
      expect(refusal(() => netlink.addresses({ ifindex: index }))).toContain("is not an interface index");
      expect(refusal(() => netlink.setLink(1, { mtu: index }))).toContain("is not an MTU");
    }
  });
});

describe("addresses and routes", () => {
  test("addresses and prefixes are of their family", () => {
    const add = (address: string, prefix: number): string =>
      refusal(() => netlink.addAddress({ ifindex: 1, address, prefix }));
    expect(add("10.1.0", 32)).toBe('add address 10.1.0/32: "10.1.0" is not an IP address');
    expect(add("10.1.0.2", 33)).toContain(
      "33 is not a prefix length of an inet address: it is a whole number from 0 to 32",
    );
    expect(add("fd00::1", 129)).toContain("from 0 to 128");
    expect(add("10.1.0.2", Number.NaN)).toContain("is not a prefix length");
    expect(
      refusal(() => netlink.addAddress({ ifindex: 1, address: "10.1.0.2", prefix: 32, scope: "x" as "link" })),
    ).toBe('add address 10.1.0.2/32: "x" is not a scope: one of global, site, link, host, nowhere');
  });

  test("networks have nothing behind their prefix", () => {
    expect(checkNetwork("10.2.0.0/16", "test")).toEqual({ family: "inet", address: "10.2.0.0", prefix: 16 });
    expect(checkNetwork("10.2.0.5", "test")).toEqual({ family: "inet", address: "10.2.0.5", prefix: 32 });
    expect(checkNetwork("128.0.0.0/1", "test").prefix).toBe(1);
    expect(checkNetwork("0.0.0.0/0", "test").prefix).toBe(0);
    expect(checkNetwork("FD00:0::/64", "test")).toEqual({ family: "inet6", address: "fd00::", prefix: 64 });
    expect(refusal(() => checkNetwork("10.2.0.5/24", "test"))).toContain("did you mean 10.2.0.0/24?");
    expect(refusal(() => checkNetwork("10.2.0.129/25", "test"))).toContain("did you mean 10.2.0.128/25?");
    for (const text of ["", "10.2.0.0/", "10.2.0.0/x", "10.2.0.0/1/2", "10.2.0.0/-1", "10.2.0.0/33", "/16", "all"]) {
      refusal(() => checkNetwork(text, "test"));
    }
  });

  test("routes do not mix families, but for an IPv4 network behind an IPv6 gateway", () => {
    const add = (options: object): string =>
      refusal(() => netlink.addRoute({ destination: "10.2.0.0/16", ifindex: 1, ...options }));
    const other = "is of the other address family";
    expect(add({ destination: "fd00::/64", gateway: "10.0.0.1" })).toBe(
      `add route fd00::/64: the gateway 10.0.0.1 ${other}`,
    );
    expect(add({ source: "fd00::1" })).toContain(`the source fd00::1 ${other}`);
    expect(add({ family: "inet6" })).toContain(`the destination 10.2.0.0/16 ${other}`);
    expect(refusal(() => netlink.getRoute("10.0.0.1", { source: "fd00::1" }))).toContain(other);
    expect(() => netlink.addRoute({ destination: "10.2.0.0/16", ifindex: 1, gateway: "fe80::1" })).toThrow("sent");
  });

  test("the rest of a route is checked, too", () => {
    const add = (options: object): string =>
      refusal(() => netlink.addRoute({ destination: "10.2.0.0/16", ifindex: 1, ...options }));
    expect(add({ onlink: true })).toContain("onlink needs a gateway");
    expect(add({ table: 0 })).toContain("is not a routing table");
    expect(add({ metric: -1 })).toContain("is not a metric");
    expect(add({ protocol: 256 })).toContain("is not a routing protocol");
    expect(add({ protocol: "toString" })).toContain('"toString" is not a routing protocol');
    expect(add({ mode: "append" })).toContain("is not a mode");
    expect(add({ type: "blackhole" })).toContain("is not a type of route to add: one of unicast, local");
    expect(add({ scope: "toString" })).toContain("is not a scope");
    expect(refusal(() => netlink.getRoute("10.0.0.0/8"))).toContain("is not an IP address");
    expect(
      refusal(() => netlink.setNeighbour({ ifindex: 1, address: "10.0.0.1", mac, state: "failed" as "stale" })),
    ).toContain("is not a state to set");
  });
});
