/**
 * Every operation against the running kernel, judged by `ip -d -j`. A test works in namespaces of its own:
 *
 *     host: dp0 7e:90:c4:ed:df:d0 ======== eth0 7e:90:c4:ed:df:d1 :container
 */
import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { DatapathError, netnsInode } from "@dp/sys";
import { type IpObject, NetworkNamespace, namespacesLeft } from "@dp/test-kit/network-namespace.ts";
import { openNetlinkDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { Netlink, NetlinkError, openNamespace } from "../src/index.ts";
import { netlinkIn } from "./netlink-in.ts";

const HOST_MAC = "7e:90:c4:ed:df:d0";
const CONTAINER_MAC = "7e:90:c4:ed:df:d1";

requireRoot();

afterEach(() => {
  expect(openNetlinkDescriptors()).toEqual([]);
});

/** A host and a container namespace, the pair between them, both ends up. */
class Pair implements Disposable {
  readonly host = new NetworkNamespace();
  readonly container = new NetworkNamespace();
  readonly netlink = netlinkIn(this.host);
  readonly inside = netlinkIn(this.container);
  readonly dp0: number;
  readonly eth0: number;

  constructor() {
    using namespace = openNamespace(this.container.path);
    this.netlink.createVeth({
      name: "dp0",
      mac: HOST_MAC,
      peer: { name: "eth0", mac: CONTAINER_MAC, netns: namespace.fd },
    });
    this.dp0 = this.netlink.link("dp0")?.index ?? 0;
    this.eth0 = this.inside.link("eth0")?.index ?? 0;
    // Otherwise an IPv6 address and its routes turn up while a test compares.
    this.host.ip("link", "set", "dp0", "addrgenmode", "none");
    this.container.ip("link", "set", "eth0", "addrgenmode", "none");
    this.netlink.setLink(this.dp0, { up: true });
    this.inside.setLink(this.eth0, { up: true });
  }

  [Symbol.dispose](): void {
    this.netlink.close();
    this.inside.close();
    this.host[Symbol.dispose]();
    this.container[Symbol.dispose]();
  }
}

describe("links", () => {
  test("a veth pair is made with both MACs and MTUs, the peer inside the other namespace", () => {
    using host = new NetworkNamespace();
    using container = new NetworkNamespace();
    using netlink = netlinkIn(host);
    using namespace = openNamespace(container.name);
    netlink.createVeth({
      name: "dp25570",
      mac: HOST_MAC,
      mtu: 1400,
      peer: { name: "eth0", mac: CONTAINER_MAC, mtu: 1300, netns: namespace.fd },
    });
    expect(host.ipJson("link", "show", "dp25570")).toMatchObject([
      { address: HOST_MAC, mtu: 1400, operstate: "DOWN", linkinfo: { info_kind: "veth" } },
    ]);
    expect(container.ipJson("link", "show", "eth0")).toMatchObject([
      { address: CONTAINER_MAC, mtu: 1300, operstate: "DOWN", linkinfo: { info_kind: "veth" } },
    ]);
    expect(() => host.ipJson("link", "show", "eth0")).toThrow("does not exist");
  });

  test("MAC addresses of the creating request count as set by hand, which udev respects", () => {
    using pair = new Pair();
    const assigned = (namespace: NetworkNamespace, name: string): string =>
      run("ip", "netns", "exec", namespace.name, "cat", `/sys/class/net/${name}/addr_assign_type`).trim();
    const NET_ADDR_SET = "3";
    expect(assigned(pair.host, "dp0")).toBe(NET_ADDR_SET);
    expect(assigned(pair.container, "eth0")).toBe(NET_ADDR_SET);
  });

  test("each end has as many queues as it is given", () => {
    using host = new NetworkNamespace();
    using netlink = netlinkIn(host);
    netlink.createVeth({
      name: "left",
      mac: HOST_MAC,
      queues: 1,
      peer: { name: "right", mac: CONTAINER_MAC, queues: 3 },
    });
    expect(host.ipJson("-d", "link", "show", "left")).toMatchObject([{ num_tx_queues: 1, num_rx_queues: 1 }]);
    expect(host.ipJson("-d", "link", "show", "right")).toMatchObject([{ num_tx_queues: 3, num_rx_queues: 3 }]);
  });

  test("without a namespace the peer is created beside its other end", () => {
    using host = new NetworkNamespace();
    using netlink = netlinkIn(host);
    netlink.createVeth({ name: "left", mac: HOST_MAC, peer: { name: "right", mac: CONTAINER_MAC } });
    const [left, right] = [netlink.link("left"), netlink.link("right")];
    expect(left).toMatchObject({ kind: "veth", mac: HOST_MAC, peerIndex: right?.index, peerNetnsId: undefined });
    expect(right).toMatchObject({ kind: "veth", mac: CONTAINER_MAC, peerIndex: left?.index });
  });

  test("the ends of a pair point at each other across namespaces", () => {
    using pair = new Pair();
    const dp0 = pair.netlink.link(pair.dp0);
    expect(dp0).toMatchObject({ name: "dp0", peerIndex: pair.eth0, up: true, operState: "up" });
    expect(pair.inside.link("eth0")).toMatchObject({ index: pair.eth0, peerIndex: pair.dp0, up: true });
    expect(pair.host.ipJson("link", "show", "dp0")).toMatchObject([
      { link_index: pair.eth0, link_netnsid: dp0?.peerNetnsId as number },
    ]);
  });

  test("the list says of every interface what `ip link` says", () => {
    using pair = new Pair();
    pair.host.ip("link", "add", "br0", "type", "bridge");
    pair.host.ip("link", "set", "dp0", "master", "br0", "alias", "to the container");
    pair.host.ip("link", "property", "add", "dev", "dp0", "altname", "a-longer-name-than-fifteen", "altname", "two");
    pair.host.ip("tuntap", "add", "tun0", "mode", "tun");
    pair.host.ip("link", "add", "vx0", "type", "vxlan", "id", "4", "dstport", "4789", "remote", "10.0.0.1");
    const expected = pair.host.ipJson("link", "show").map((link) => ({
      index: link["ifindex"],
      name: link["ifname"],
      mac: link["address"] ?? "",
      mtu: link["mtu"],
      up: (link["flags"] as string[]).includes("UP"),
      operState: (link["operstate"] as string).toLowerCase(),
      kind: (link["linkinfo"] as { info_kind?: string } | undefined)?.info_kind,
      peerIndex: link["link_index"],
      peerNetnsId: link["link_netnsid"],
      master: link["master"],
      alias: link["ifalias"],
      altNames: link["altnames"] ?? [],
    }));
    const links = pair.netlink.links();
    const nameOf = new Map(links.map(({ index, name }) => [index, name]));
    const actual = links.map(({ flags: _flags, type: _type, group: _group, master, ...rest }) => ({
      ...rest,
      master: master === undefined ? undefined : nameOf.get(master),
    }));
    expect(actual as unknown).toEqual(expected);
    expect(links.find(({ name }) => name === "tun0")).toMatchObject({ mac: "", kind: "tun" });
    expect(links.find(({ name }) => name === "lo")).toMatchObject({ mac: "00:00:00:00:00:00", type: 772 });
  });

  test("an interface is found by index, name and alternative name; one that is not there is undefined", () => {
    using pair = new Pair();
    const long = "a-name-longer-than-fifteen-bytes";
    pair.host.ip("link", "property", "add", "dev", "dp0", "altname", "other", "altname", long);
    expect(pair.netlink.link("dp0")?.index).toBe(pair.dp0);
    expect(pair.netlink.link(pair.dp0)?.name).toBe("dp0");
    expect(pair.netlink.link("other")?.name).toBe("dp0");
    expect(pair.netlink.link(long)?.name).toBe("dp0");
    expect(pair.netlink.link(`${long}-still`)).toBeUndefined();
    pair.netlink.setLink(long, { mtu: 1280 });
    expect(pair.netlink.link("dp0")?.mtu).toBe(1280);
    expect(pair.netlink.link("dp1")).toBeUndefined();
    expect(pair.netlink.link(99_999)).toBeUndefined();
  });

  test("counters come when asked for", () => {
    using host = new NetworkNamespace();
    using netlink = netlinkIn(host);
    netlink.setLink("lo", { up: true });
    run("ip", "netns", "exec", host.name, "bash", "-c", "echo hello >/dev/udp/127.0.0.1/9");
    expect(netlink.link("lo")?.stats).toBeUndefined();
    const [expected] = host.ipJson("-s", "link", "show", "lo") as { stats64: { rx: IpCounters; tx: IpCounters } }[];
    const stats = netlink.link("lo", { stats: true })?.stats;
    expect(stats?.sentPackets).toBeGreaterThan(0n);
    expect(stats).toEqual({
      receivedPackets: BigInt(expected?.stats64.rx.packets as number),
      receivedBytes: BigInt(expected?.stats64.rx.bytes as number),
      receiveErrors: 0n,
      receiveDropped: 0n,
      sentPackets: BigInt(expected?.stats64.tx.packets as number),
      sentBytes: BigInt(expected?.stats64.tx.bytes as number),
      sendErrors: 0n,
      sendDropped: 0n,
    });
    expect(netlink.links({ stats: true })[0]?.stats).toEqual(stats);
  });

  test("an interface is set up and down, and given another MTU, MAC and name, by index or name", () => {
    using pair = new Pair();
    pair.netlink.setLink("dp0", { up: false });
    expect(pair.host.ipJson("link", "show", "dp0")[0]?.["flags"]).not.toContain("UP");
    pair.netlink.setLink(pair.dp0, { mtu: 1280, mac: "02:00:00:00:00:07", name: "dp7", up: true });
    const [changed] = pair.host.ipJson("link", "show", "dp7");
    expect(changed).toMatchObject({ ifindex: pair.dp0, mtu: 1280, address: "02:00:00:00:00:07" });
    expect(changed?.["flags"]).toContain("UP");
    pair.netlink.setLink("dp7", { up: false });
    pair.netlink.setLink("dp7", { name: "dp8" });
    expect(pair.netlink.link("dp8")?.index).toBe(pair.dp0);
  });

  test("an interface moves to another namespace", () => {
    using pair = new Pair();
    using namespace = openNamespace(pair.container.path);
    pair.netlink.setLink(pair.dp0, { netns: namespace.fd });
    expect(pair.netlink.link("dp0")).toBeUndefined();
    expect(pair.inside.link("dp0")?.mac).toBe(HOST_MAC);
  });

  test("deleting one end of a pair deletes both; deleting what is not there says so", () => {
    using pair = new Pair();
    expect(pair.netlink.deleteLink(pair.dp0)).toBe(true);
    expect(pair.inside.link("eth0")).toBeUndefined();
    expect(pair.netlink.deleteLink(pair.dp0)).toBe(false);
    expect(pair.netlink.deleteLink("dp0")).toBe(false);
    expect(pair.host.ipJson("link", "show")).toHaveLength(1);
  });

  test("a pair whose name is taken leaves nothing, and the error says which end it was", () => {
    using pair = new Pair();
    using namespace = openNamespace(pair.container.path);
    const make = (name: string, peer: string): (() => void) => {
      return () =>
        pair.netlink.createVeth({ name, mac: HOST_MAC, peer: { name: peer, mac: CONTAINER_MAC, netns: namespace.fd } });
    };
    const here = thrown(NetlinkError, make("dp0", "eth1"));
    expect(here.message).toBe("create veth pair dp0 and eth1: an interface named dp0 exists already (EEXIST)");
    expect(here.code).toBe("CONFLICT");
    const there = thrown(NetlinkError, make("dp1", "eth0"));
    expect(there.reason).toBe("an interface named eth0 exists already in the peer's namespace (EEXIST)");
    expect(pair.netlink.links().map(({ name }) => name)).toEqual(["lo", "dp0"]);
    expect(pair.inside.links().map(({ name }) => name)).toEqual(["lo", "eth0"]);
  });

  test("a refusal names the interface, the kernel's reason and the place in the request", () => {
    using pair = new Pair();
    const error = thrown(NetlinkError, () => pair.netlink.setLink(pair.dp0, { mtu: 1_000_000 }));
    expect(error.op).toBe("set mtu 1000000 on dp0");
    expect(error.errnoName).toBe("EINVAL");
    expect(error.kernelMessage).toBe("mtu greater than device maximum");
    expect(error.message).toBe("set mtu 1000000 on dp0: mtu greater than device maximum (EINVAL)");
    const missing = thrown(NetlinkError, () => pair.netlink.setLink(4711, { up: true }));
    expect(missing.message).toBe("set up on interface 4711: No such device (ENODEV)");
  });
});

interface IpCounters {
  packets: number;
  bytes: number;
}

describe("addresses", () => {
  test("addresses are added as `ip address add` does it, and listed as `ip address` does", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.addAddress({ ifindex: dp0, address: "10.1.0.2", prefix: 32 });
    netlink.addAddress({ ifindex: dp0, address: "10.9.0.1", prefix: 24, scope: "link" });
    netlink.addAddress({ ifindex: dp0, address: "fd00::2", prefix: 64, noDuplicateDetection: true });
    pair.host.ip("address", "add", "10.8.0.1", "peer", "10.8.0.2/32", "brd", "10.8.0.255", "dev", "dp0");
    netlink.addAddress({ ifindex: 1, address: "127.0.0.7", prefix: 8 });

    const expected = pair.host.ipJson("address", "show").flatMap((link) =>
      (link["addr_info"] as IpObject[]).map((info) => ({
        ifindex: link["ifindex"],
        family: info["family"],
        address: info["local"],
        prefix: info["prefixlen"],
        scope: info["scope"],
        peer: info["address"],
        broadcast: info["broadcast"],
        label: info["label"],
      })),
    );
    const actual = netlink.addresses().map(({ flags: _flags, ...rest }) => rest);
    const byKey = (a: { ifindex?: unknown; address?: unknown }): string => `${a.ifindex} ${a.address}`;
    const sorted = <T extends { ifindex?: unknown; address?: unknown }>(list: T[]): T[] =>
      list.toSorted((a, b) => byKey(a).localeCompare(byKey(b)));
    expect(sorted(actual) as unknown).toEqual(sorted(expected));
    expect(actual).toContainEqual({
      ifindex: dp0,
      family: "inet",
      address: "10.1.0.2",
      prefix: 32,
      scope: "global",
      peer: undefined,
      broadcast: undefined,
      label: "dp0",
    });
    expect(actual.find(({ address }) => address === "127.0.0.7")?.scope).toBe("host");
  });

  test("a filter is exact, and an interface that does not exist has no addresses", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.addAddress({ ifindex: dp0, address: "10.1.0.2", prefix: 32 });
    netlink.setLink("lo", { up: true });
    expect(netlink.addresses({ ifindex: dp0, family: "inet" }).map(({ address }) => address)).toEqual(["10.1.0.2"]);
    expect(netlink.addresses({ family: "inet6" }).every(({ family }) => family === "inet6")).toBe(true);
    expect(netlink.addresses({ ifindex: 4711 })).toEqual([]);
  });

  test("an address twice is a conflict; deleting it twice is true, then false", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    const address = { ifindex: dp0, address: "10.1.0.2", prefix: 32 };
    netlink.addAddress(address);
    const error = thrown(NetlinkError, () => netlink.addAddress(address));
    expect([error.code, error.errnoName, error.op]).toEqual(["CONFLICT", "EEXIST", "add address 10.1.0.2/32 to dp0"]);
    expect(netlink.deleteAddress({ ...address, prefix: 24 })).toBe(false);
    expect(netlink.deleteAddress(address)).toBe(true);
    expect(netlink.deleteAddress(address)).toBe(false);
    expect(netlink.deleteAddress({ ...address, ifindex: 4711 })).toBe(false);
    expect(pair.host.ipJson("-4", "address", "show", "dev", "dp0")).toEqual([]);
  });

  test("noPrefixRoute keeps the kernel from making a route", () => {
    using pair = new Pair();
    pair.netlink.addAddress({ ifindex: pair.dp0, address: "10.9.0.1", prefix: 24, noPrefixRoute: true });
    expect(pair.netlink.routes({ family: "inet" })).toEqual([]);
    expect(pair.host.ipJson("-4", "address", "show", "dp0")[0]?.["addr_info"]).toMatchObject([{ noprefixroute: true }]);
  });
});

describe("routes", () => {
  test("a server's routes: the container's address through its veth, a default route with an onlink gateway", () => {
    using pair = new Pair();
    const { netlink, inside, dp0, eth0 } = pair;
    netlink.addAddress({ ifindex: dp0, address: "10.1.0.2", prefix: 32 });
    netlink.addRoute({ destination: "10.2.0.2/32", ifindex: dp0, scope: "link", source: "10.1.0.2" });
    inside.addAddress({ ifindex: eth0, address: "10.2.0.2", prefix: 32 });
    inside.addRoute({ destination: "default", gateway: "10.1.0.2", ifindex: eth0, onlink: true });

    expect(pair.host.ipJson("route", "show", "10.2.0.2/32")).toMatchObject([
      { type: "unicast", dst: "10.2.0.2", dev: "dp0", protocol: "boot", scope: "link", prefsrc: "10.1.0.2", flags: [] },
    ]);
    expect(pair.container.ipJson("route", "show", "default")).toMatchObject([
      { type: "unicast", dst: "default", gateway: "10.1.0.2", dev: "eth0", scope: "global", flags: ["onlink"] },
    ]);
    expect(inside.routes({ family: "inet" })).toEqual([
      {
        family: "inet",
        destination: "default",
        gateway: "10.1.0.2",
        ifindex: eth0,
        type: "unicast",
        scope: "global",
        onlink: true,
        source: undefined,
        metric: 0,
        table: 254,
        protocol: "boot",
        flags: 4,
        nextHops: [],
      },
    ]);
    // The host answers, if only with a reset, because no socket listens there.
    expect(() =>
      run("ip", "netns", "exec", pair.container.name, "timeout", "10", "bash", "-c", "exec 3<>/dev/tcp/10.1.0.2/9"),
    ).toThrow("Connection refused");
  });

  test("all tables are listed as `ip route show table all` lists them", () => {
    using pair = new Pair();
    const { netlink, dp0, host } = pair;
    netlink.setLink("lo", { up: true });
    netlink.addAddress({ ifindex: dp0, address: "10.9.0.1", prefix: 24 });
    netlink.addAddress({ ifindex: dp0, address: "fd00::1", prefix: 64, noDuplicateDetection: true });
    netlink.addRoute({
      destination: "10.20.0.0/16",
      gateway: "10.9.0.2",
      ifindex: dp0,
      metric: 50,
      protocol: "static",
    });
    netlink.addRoute({ destination: "10.21.0.0/16", gateway: "fd00::2", ifindex: dp0 });
    netlink.addRoute({ destination: "10.30.0.0/16", ifindex: dp0, table: 1000, protocol: 77 });
    netlink.addRoute({ destination: "fd01::/64", gateway: "fd00::2", ifindex: dp0, metric: 7 });
    netlink.addRoute({ destination: "default", gateway: "fd00::2", ifindex: dp0 });
    netlink.addRoute({ destination: "10.99.0.1", ifindex: 1, type: "local", table: 255 });
    host.ip("route", "add", "blackhole", "10.40.0.0/16");
    host.ip("route", "add", "10.50.0.0/16", "nexthop", "via", "10.9.0.3", "weight", "3", "nexthop", "via", "10.9.0.4");

    const tables: Record<string, number> = { main: 254, local: 255 };
    const nameOf = new Map(netlink.links().map(({ index, name }) => [index, name]));
    const families = ["inet", "inet6"] as const;
    for (const family of families) {
      const expected = host.ipJson("-f", family, "route", "show", "table", "all").map((route) => ({
        destination: route["dst"],
        type: route["type"],
        gateway: route["gateway"] ?? (route["via"] as { host?: string } | undefined)?.host,
        dev: route["dev"],
        scope: route["scope"],
        protocol: route["protocol"],
        table: tables[String(route["table"] ?? "main")] ?? Number(route["table"]),
        metric: route["metric"] ?? 0,
        source: route["prefsrc"],
        nextHops: ((route["nexthops"] ?? []) as IpObject[]).map(({ gateway, dev, weight }) => ({
          gateway,
          dev,
          weight,
          onlink: false,
        })),
      }));
      const actual = netlink.routes({ family, table: "all" }).map((route) => ({
        destination: route.destination.replace(family === "inet" ? /\/32$/ : /\/128$/, ""),
        type: route.type,
        gateway: route.gateway,
        dev: route.ifindex === undefined ? undefined : nameOf.get(route.ifindex),
        scope: route.scope,
        // `ip` prints the numbers it has no name for as text.
        protocol: typeof route.protocol === "number" ? String(route.protocol) : route.protocol,
        table: route.table,
        metric: route.metric,
        source: route.source,
        nextHops: route.nextHops.map(({ ifindex, ...hop }) => ({ ...hop, dev: nameOf.get(ifindex) })),
      }));
      expect(actual.length).toBeGreaterThan(5);
      expect(actual as unknown).toEqual(expected);
    }
  });

  test("a filter by table, interface and family is exact; a table or interface that is not there has no routes", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.setLink("lo", { up: true });
    netlink.addRoute({ destination: "10.30.0.0/16", ifindex: dp0, table: 1000 });
    netlink.addRoute({ destination: "10.31.0.0/16", ifindex: dp0 });
    netlink.addRoute({ destination: "10.32.0.0/16", ifindex: 1 });
    netlink.addRoute({ destination: "fd01::/64", ifindex: dp0 });
    const destinations = (filter: Parameters<Netlink["routes"]>[0]): string[] =>
      netlink.routes({ family: "inet", ...filter }).map(({ destination }) => destination);
    expect(destinations({})).toEqual(["10.31.0.0/16", "10.32.0.0/16"]);
    expect(destinations({ ifindex: dp0 })).toEqual(["10.31.0.0/16"]);
    expect(destinations({ table: 1000 })).toEqual(["10.30.0.0/16"]);
    expect(destinations({ table: "all", ifindex: dp0 })).toEqual(["10.30.0.0/16", "10.31.0.0/16"]);
    expect(destinations({ table: 4711 })).toEqual([]);
    expect(destinations({ ifindex: 4711 })).toEqual([]);
    expect(netlink.routes({ family: "inet6", ifindex: dp0 }).map(({ destination }) => destination)).toEqual([
      "fd01::/64",
    ]);
  });

  test("a route twice is a conflict unless it is to replace the first", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.addAddress({ ifindex: dp0, address: "10.1.0.2", prefix: 32 });
    netlink.addRoute({ destination: "10.2.0.5", ifindex: dp0 });
    const error = thrown(NetlinkError, () => netlink.addRoute({ destination: "10.2.0.5", ifindex: dp0 }));
    expect([error.code, error.errnoName, error.op]).toEqual(["CONFLICT", "EEXIST", "add route 10.2.0.5 to dp0"]);
    netlink.addRoute({ destination: "10.2.0.5", ifindex: dp0, source: "10.1.0.2", mode: "replace" });
    expect(pair.host.ipJson("route", "show", "10.2.0.5")).toMatchObject([{ prefsrc: "10.1.0.2" }]);
  });

  test("a deletion matches what it is given, and says whether there was anything", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.addRoute({ destination: "10.2.0.5/32", ifindex: dp0 });
    netlink.addRoute({ destination: "10.2.0.5/32", ifindex: dp0, metric: 7 });
    netlink.addRoute({ destination: "default", ifindex: dp0, table: 1000 });
    netlink.addRoute({ destination: "fd01::/64", ifindex: dp0 });
    expect(netlink.deleteRoute({ destination: "10.2.0.5/32", ifindex: 1 })).toBe(false);
    expect(netlink.deleteRoute({ destination: "10.2.0.5/32", metric: 8 })).toBe(false);
    expect(netlink.deleteRoute({ destination: "10.2.0.5/32", ifindex: dp0, metric: 7 })).toBe(true);
    expect(pair.host.ipJson("route", "show", "10.2.0.5").map(({ metric }) => metric)).toEqual([undefined]);
    expect(netlink.deleteRoute({ destination: "10.2.0.5/32", ifindex: dp0 })).toBe(true);
    expect(netlink.deleteRoute({ destination: "10.2.0.5/32", ifindex: dp0 })).toBe(false);
    expect(netlink.deleteRoute({ destination: "default" })).toBe(false);
    expect(netlink.deleteRoute({ destination: "default", table: 1000 })).toBe(true);
    expect(netlink.deleteRoute({ destination: "default", table: 4711 })).toBe(false);
    expect(netlink.deleteRoute({ destination: "fd01::/64" })).toBe(true);
    expect(netlink.deleteRoute({ destination: "fd01::/64", ifindex: 4711 })).toBe(false);
  });

  test("an unreachable gateway is refused in the kernel's own words", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    const error = thrown(NetlinkError, () =>
      netlink.addRoute({ destination: "10.2.0.0/16", gateway: "10.77.0.1", ifindex: dp0 }),
    );
    expect(error.message).toBe("add route 10.2.0.0/16 to dp0: Nexthop has invalid gateway (ENETUNREACH)");
    expect(error.kernelMessage).toBe("Nexthop has invalid gateway");
    expect(error.code).toBe("FAILED");
    const source = thrown(NetlinkError, () =>
      netlink.addRoute({ destination: "10.2.0.0/16", source: "10.77.0.1", ifindex: dp0 }),
    );
    expect(source.reason).toContain("Invalid prefsrc address");
  });

  test("looking up a route gives the kernel's choice as `ip route get` does; undefined where there is none", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.setLink("lo", { up: true });
    netlink.addAddress({ ifindex: dp0, address: "10.9.0.1", prefix: 24 });
    netlink.addAddress({ ifindex: dp0, address: "10.9.0.9", prefix: 24 });
    netlink.addRoute({ destination: "10.20.0.0/16", gateway: "10.9.0.2", ifindex: dp0 });
    expect(pair.host.ipJson("route", "get", "10.20.1.1")).toMatchObject([
      { dst: "10.20.1.1", gateway: "10.9.0.2", dev: "dp0", prefsrc: "10.9.0.1" },
    ]);
    expect(netlink.getRoute("10.20.1.1")).toMatchObject({
      destination: "10.20.1.1/32",
      gateway: "10.9.0.2",
      ifindex: dp0,
      type: "unicast",
      source: "10.9.0.1",
      table: 254,
    });
    expect(netlink.getRoute("10.9.0.1")).toMatchObject({ type: "local", ifindex: 1 });
    expect(netlink.getRoute("10.9.0.5", { source: "10.9.0.9", ifindex: dp0 })).toMatchObject({ ifindex: dp0 });
    expect(netlink.getRoute("8.8.8.8")).toBeUndefined();
    expect(netlink.getRoute("2001:db8::1")).toBeUndefined();
    expect(netlink.getRoute("::1")).toMatchObject({ destination: "::1/128", type: "local", ifindex: 1 });
    pair.host.ip("route", "add", "prohibit", "10.66.0.0/16");
    expect(thrown(NetlinkError, () => netlink.getRoute("10.66.0.1")).errnoName).toBe("EACCES");
  });
});

describe("neighbours", () => {
  test("neighbours are set, replaced, listed as `ip neighbour` lists them, and deleted", () => {
    using pair = new Pair();
    const { netlink, dp0 } = pair;
    netlink.setNeighbour({ ifindex: dp0, address: "10.2.0.5", mac: "02:00:00:00:00:01" });
    netlink.setNeighbour({ ifindex: dp0, address: "10.2.0.6", mac: "02:00:00:00:00:02", state: "noarp" });
    netlink.setNeighbour({ ifindex: dp0, address: "10.2.0.7", mac: "02:00:00:00:00:03", state: "stale" });
    netlink.setNeighbour({ ifindex: dp0, address: "fd00::5", mac: "02:00:00:00:00:04" });
    netlink.setNeighbour({ ifindex: dp0, address: "10.2.0.5", mac: "02:00:00:00:00:05" });

    const expected = pair.host.ipJson("neighbour", "show", "nud", "all", "dev", "dp0").map((entry) => ({
      address: entry["dst"],
      mac: entry["lladdr"],
      state: (entry["state"] as string[])[0]?.toLowerCase(),
    }));
    const actual = netlink.neighbours({ ifindex: dp0 }).map(({ address, mac, state }) => ({ address, mac, state }));
    const byAddress = (a: { address: unknown }, b: { address: unknown }): number =>
      String(a.address).localeCompare(String(b.address));
    expect(actual.toSorted(byAddress) as unknown).toEqual(expected.toSorted(byAddress));
    expect(actual).toContainEqual({ address: "10.2.0.5", mac: "02:00:00:00:00:05", state: "permanent" });
    expect(netlink.neighbours({ ifindex: dp0, family: "inet" })).toHaveLength(3);
    expect(netlink.neighbours({ ifindex: 4711 })).toEqual([]);

    expect(netlink.deleteNeighbour({ ifindex: dp0, address: "10.2.0.5" })).toBe(true);
    expect(netlink.deleteNeighbour({ ifindex: dp0, address: "10.2.0.99" })).toBe(false);
    expect(netlink.deleteNeighbour({ ifindex: 4711, address: "10.2.0.5" })).toBe(false);
    const error = thrown(NetlinkError, () =>
      netlink.setNeighbour({ ifindex: 4711, address: "10.2.0.5", mac: "02:00:00:00:00:01" }),
    );
    expect(error.op).toBe("set neighbour 10.2.0.5 to 02:00:00:00:00:01 on interface 4711");
  });
});

describe("filters of traffic control", () => {
  test("are listed in the order they run, on clsact and on ingress", () => {
    using pair = new Pair();
    const { netlink, dp0, inside, eth0 } = pair;
    const tc = (...args: string[]) => run("tc", "-n", pair.host.name, ...args);
    expect(netlink.filters({ ifindex: dp0, direction: "ingress" })).toEqual([]);
    tc("qdisc", "add", "dev", "dp0", "clsact");
    expect(netlink.filters({ ifindex: dp0, direction: "ingress" })).toEqual([]);
    const add = (side: string, priority: string, ...filter: string[]) =>
      tc("filter", "add", "dev", "dp0", side, "prio", priority, ...filter, "classid", "1:1");
    const bytecode = ["bpf", "bytecode", "1,6 0 0 4294967295"];
    add("ingress", "7", "handle", "0x5", ...bytecode);
    add("ingress", "2", "protocol", "ip", "handle", "800::800", "u32", "match", "u32", "0", "0");
    add("ingress", "3", "chain", "4", "handle", "0x1", ...bytecode);
    add("egress", "1", "handle", "0x9", ...bytecode);
    // Without an eBPF program: these are of the classic kind.
    const program = undefined;
    const filters = netlink.filters({ ifindex: dp0, direction: "ingress" });
    expect(filters.filter(({ kind }) => kind === "bpf")).toEqual([
      { kind: "bpf", priority: 7, chain: 0, handle: 5, program },
      { kind: "bpf", priority: 3, chain: 4, handle: 1, program },
    ]);
    expect(filters[0]).toMatchObject({ kind: "u32", priority: 2, chain: 0 });
    expect(netlink.filters({ ifindex: dp0, direction: "egress" })).toEqual([
      { kind: "bpf", priority: 1, chain: 0, handle: 9, program },
    ]);

    run("tc", "-n", pair.container.name, "qdisc", "add", "dev", "eth0", "ingress");
    const ingress = ["filter", "add", "dev", "eth0", "parent", "ffff:", "prio", "1", "handle", "0x1", ...bytecode];
    run("tc", "-n", pair.container.name, ...ingress, "classid", "1:1");
    expect(inside.filters({ ifindex: eth0, direction: "ingress" })).toMatchObject([{ kind: "bpf", priority: 1 }]);
    expect(inside.filters({ ifindex: 4711, direction: "ingress" })).toEqual([]);
  });
});

describe("namespaces", () => {
  test("a namespace opens by path, by name and by process, and is the same one", async () => {
    using namespace = new NetworkNamespace();
    const sleeper = spawn("ip", ["netns", "exec", namespace.name, "sleep", "60"], { stdio: "ignore" });
    try {
      using byPath = openNamespace(namespace.path);
      using byName = openNamespace(namespace.name);
      expect([byPath.path, byName.path]).toEqual([namespace.path, namespace.path]);
      expect(netnsInode(byName.fd)).toBe(netnsInode(byPath.fd));
      // `ip netns exec` enters the namespace some time after it was started.
      const deadline = performance.now() + 10_000;
      for (;;) {
        using byPid = openNamespace(`pid:${sleeper.pid}`);
        expect(byPid.path).toBe(`/proc/${sleeper.pid}/ns/net`);
        if (netnsInode(byPid.fd) === netnsInode(byPath.fd)) break;
        expect(performance.now()).toBeLessThan(deadline);
        await sleep(5);
      }
    } finally {
      sleeper.kill("SIGKILL");
    }
  });

  test("a file that is not a namespace gets an error that says why", () => {
    const messages = {
      "nltest-none": "nothing has this name in /run/netns",
      "/run/netns/nltest-none": "there is no such file",
      "/etc/hostname/x": "there is no such file",
      "/etc/passwd": "it is not a namespace file",
      "/proc/self/ns/mnt": "it is not a network namespace",
      "pid:999999999": "there is no process 999999999",
      "pid:0": '"0" is not a process id',
      "pid:": '"" is not a process id',
      "": "expected a path, a name or pid:N",
      "..": "expected a path, a name or pid:N",
    };
    for (const [ref, message] of Object.entries(messages)) {
      const error = thrown(DatapathError, () => openNamespace(ref));
      expect(error.message).toBe(`open network namespace ${ref}: ${message}`);
    }
  });

  test("the socket stays in its namespace after the descriptor is closed, and this thread outside of it", () => {
    using namespace = new NetworkNamespace();
    using here = Netlink.open();
    const before = here.links().map(({ name }) => name);
    using there = netlinkIn(namespace);
    expect(there.links().map(({ name }) => name)).toEqual(["lo"]);
    using again = Netlink.open();
    expect(again.links().map(({ name }) => name)).toEqual(before);
  });
});

describe("robustness", () => {
  test("a list of hundreds of interfaces, in many datagrams, is complete", () => {
    using namespace = new NetworkNamespace();
    using netlink = netlinkIn(namespace);
    const mac = (n: number, end: number): string =>
      `02:00:00:0${end}:0${n >> 8}:${(n & 255).toString(16).padStart(2, "0")}`;
    for (let n = 0; n < 300; n++) {
      netlink.createVeth({ name: `a${n}`, mac: mac(n, 0), peer: { name: `b${n}`, mac: mac(n, 1) } });
    }
    const names = netlink.links().map(({ name }) => name);
    expect(new Set(names).size).toBe(601);
    expect(names).toHaveLength(601);
  });

  test("without CAP_NET_ADMIN an error says what it takes", () => {
    using namespace = new NetworkNamespace();
    const script = `
      import { Netlink } from "${import.meta.resolve("../src/index.ts")}";
      using netlink = Netlink.open();
      console.log(netlink.link("lo").name);
      try {
        netlink.setLink(1, { up: true });
      } catch ({ code, message, hint }) {
        console.log(JSON.stringify({ code, message, hint }));
      }
    `;
    const unprivileged = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    const output = run("ip", "netns", "exec", namespace.name, ...unprivileged, process.execPath, "-e", script);
    const [name, error] = output.trim().split("\n");
    expect(name).toBe("lo");
    expect(JSON.parse(error as string)).toEqual({
      code: "UNSUPPORTED",
      message: "set up on lo: Operation not permitted (EPERM)",
      hint: "this takes root, or CAP_NET_ADMIN in the network namespace",
    });
  });
});

test("the check for leaks would find one", () => {
  using _netlink = Netlink.open();
  using _namespace = openNamespace(`pid:${process.pid}`);
  expect(openNetlinkDescriptors()).toHaveLength(2);
});

test("no namespace is left behind", () => {
  expect(namespacesLeft()).toEqual([]);
});
