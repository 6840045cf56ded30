/**
 * Loading, upgrading and attaching the real programs. Every test has a bpffs, and a namespace with a veth pair, of its
 * own.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { be32, type DpVethPair, dpVethPair, objects as images } from "@dp/bpf";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  type Interface,
  LayoutError,
  loadBpf,
  MapFullError,
  type Objects,
  openPinned,
  PROG_PIN_PATH,
  readInterface,
  type ServerRecord,
  toVethPeer,
  VerifierError,
} from "../src/index.ts";
import { adoptFilters, filtersOn, guardOf } from "../src/internal.ts";
import { attachClsact, BpfMap, BpfObject, Link, Program, queryClsact, queryTcx, u32 } from "../src/libbpf/index.ts";
import { loadImages } from "../src/objects/upgrade/open.ts";
import { fixture } from "./support/fixture.ts";
import { CONFIG, DNAT, ENDPOINT, LOBBY, SNAT } from "./support/lobby.ts";

requireRoot();

let bpffs: Bpffs;
let namespace: NetworkNamespace;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
);

const PINS = [
  "maps/dp_answer_frags",
  "maps/dp_changes",
  "maps/dp_configs",
  "maps/dp_dnat_targets",
  "maps/dp_drop_counts",
  "maps/dp_endpoints",
  "maps/dp_flows",
  "maps/dp_fragments",
  "maps/dp_free",
  "maps/dp_groups",
  "maps/dp_host_addrs",
  "maps/dp_host_peers",
  "maps/dp_meta",
  "maps/dp_names",
  "maps/dp_namespaces",
  "maps/dp_net_records",
  "maps/dp_origins",
  "maps/dp_players",
  "maps/dp_snat_targets",
  "maps/dp_sweeps",
  "maps/dp_uplinks",
  "maps/dp_veth_pairs",
  "progs/dp_arp",
  "progs/dp_dnat",
  "progs/dp_getsockopt",
  "progs/dp_snat",
  "progs/dp_sockops",
  "progs/dp_tproxy_container",
  "progs/dp_tproxy_host",
];

const IMAGES = () => ({ dnat: images.dnat(), snat: images.snat(), arp: images.arp(), tproxy: images.tproxy() });

function load(options: Parameters<typeof loadBpf>[0] = {}): Objects {
  return loadBpf({ pinRoot: bpffs.path, ...options });
}

function programIds(): number[] {
  return ["dp_dnat", "dp_snat", "dp_arp"].map((name) => {
    using program = Program.fromPin(bpffs.join("progs", name));
    return program.id;
  });
}

function programId(name: string): number {
  using program = Program.fromPin(bpffs.join("progs", name));
  return program.id;
}

function iface(name: string): Interface {
  return namespace.inside(() => readInterface(name));
}

const OTHER: ServerRecord = {
  ...LOBBY,
  hostPort: 25566,
  name: "games",
  netnsCookie: 78n,
  veth: { ...LOBBY.veth, podPeer: { ...LOBBY.veth.podPeer, addr: "10.2.0.3" } },
};

describe("maps", () => {
  test("dnat targets come and go", () => {
    using objects = load();
    expect(objects.getDnatTarget(ENDPOINT)).toBeUndefined();
    objects.addDnatTarget(ENDPOINT, DNAT);
    objects.addDnatTarget(ENDPOINT, { ...DNAT, gamePort: 25566 });
    expect(objects.getDnatTarget(ENDPOINT)).toEqual({ ...DNAT, gamePort: 25566 });
    expect(objects.dnatTargets()).toEqual([{ ...ENDPOINT, ...DNAT, gamePort: 25566 }]);
    expect(objects.delDnatTarget(ENDPOINT)).toBe(true);
    expect(objects.delDnatTarget(ENDPOINT)).toBe(false);
    expect(objects.dnatTargets()).toEqual([]);
  });

  test("snat targets come and go", () => {
    using objects = load();
    objects.addSnatTarget(70_000, SNAT);
    expect(objects.getSnatTarget(70_000)).toEqual(SNAT);
    expect(objects.snatTargets()).toEqual([{ hostPeer: 70_000, ...SNAT }]);
    expect(objects.delSnatTarget(70_000)).toBe(true);
    expect(objects.delSnatTarget(70_000)).toBe(false);
    expect(objects.getSnatTarget(70_000)).toBeUndefined();
  });

  test("the kernel takes out host peers and uplinks with their interfaces, for good", () => {
    using objects = load();
    namespace.inside(() => {
      namespace.addPair("dp6", "dp7");
      const { index } = readInterface("dp6");
      objects.addHostPeer("10.2.255.7", index);
      objects.addHostPeer("10.2.0.8", readInterface("dp0").index);
      objects.addUplink(index);
      expect(objects.getHostPeer("10.2.255.7")).toBe(index);
      expect(objects.hostPeers()).toContainEqual({ containerAddress: "10.2.255.7", hostPeer: index });
      expect([objects.hostPeers(0), objects.hostPeers(1)].map(({ length }) => length)).toEqual([0, 1]);
      expect(objects.foreignInterface()).toBeUndefined();
      expect(objects.uplinks()).toEqual([index]);

      namespace.ip("link", "delete", "dp6");
      namespace.ip("link", "add", "dp6", "index", `${index}`, "type", "veth", "peer", "name", "dp7");
      expect(objects.getHostPeer("10.2.255.7")).toBeUndefined();
      expect(objects.uplinks()).toEqual([]);
      expect(objects.hostPeers()).toEqual([{ containerAddress: "10.2.0.8", hostPeer: readInterface("dp0").index }]);
      expect(objects.delHostPeer("10.2.0.8")).toBe(true);
      expect(objects.delHostPeer("10.2.0.8")).toBe(false);
      expect(objects.delUplink(index)).toBe(false);
      expect(thrown(SyscallError, () => objects.addHostPeer("10.2.0.8", 70_000)).errno).toBe(Errno.EINVAL);
      namespace.ip("link", "delete", "dp6");
    });
  });

  test("an interface of another network namespace is told from one that is here, and from one that is gone", () => {
    using objects = load();
    const index = namespace.inside(() => {
      const { index } = readInterface("dp0");
      objects.addHostPeer("10.2.0.8", index);
      expect(objects.foreignInterface()).toBeUndefined();
      return index;
    });
    expect(objects.foreignInterface()).toBe(index);
    namespace.inside(() => objects.addUplink(index));
    objects.delHostPeer("10.2.0.8");
    expect(objects.foreignInterface()).toBe(index);
    objects.delUplink(index);
    expect(objects.foreignInterface()).toBeUndefined();
  });

  test("records are made once, changed, listed by port and deleted", () => {
    using objects = load();
    objects.addNetData(LOBBY, "create");
    expect(thrown(SyscallError, () => objects.addNetData(LOBBY, "create")).errno).toBe(Errno.EEXIST);
    objects.addNetData({ ...LOBBY, state: "frozen" }, "replace");
    objects.addNetData(OTHER);
    expect(objects.getNetData("10.2.0.2")).toEqual({ ...LOBBY, state: "frozen" });
    expect(objects.netData().map(({ hostPort }) => hostPort)).toEqual([25566, 25570]);
    expect(objects.delNetData("10.2.0.3")).toBe(true);
    expect(objects.delNetData("10.2.0.3")).toBe(false);
    expect(objects.getNetData("10.2.0.3")).toBeUndefined();
    const gone = () => objects.addNetData(OTHER, "replace");
    expect(thrown(SyscallError, gone).errno).toBe(Errno.ENOENT);
  });

  test("a name that does not fit, or an address that is none, is the caller's mistake and changes nothing", () => {
    using objects = load();
    const long = thrown(DatapathError, () => objects.addNetData({ ...LOBBY, name: "x".repeat(64) }));
    expect(long).toMatchObject({ code: "BAD_USAGE" });
    expect(long.message).toContain("dp_name.text");
    expect(thrown(DatapathError, () => objects.addDnatTarget({ address: "1.2.3", port: 1 }, DNAT)).code).toBe(
      "BAD_USAGE",
    );
    expect(thrown(DatapathError, () => objects.getNetData("10.2.0")).code).toBe("BAD_USAGE");
    expect(objects.netData()).toEqual([]);
    expect(objects.dnatTargets()).toEqual([]);
  });

  test("the configuration and the host's addresses share a map, and keep out of each other's way", () => {
    using objects = load();
    expect(objects.config()).toBeUndefined();
    objects.setHostAddresses([{ address: "203.0.113.10", ifindex: 2 }]);
    expect(objects.config()).toBeUndefined();
    objects.setConfig(CONFIG);
    expect(octets()).toEqual([10]);
    objects.setHostAddresses([
      { address: "203.0.113.10", ifindex: 3 },
      { address: "10.9.9.200", ifindex: 4 },
    ]);
    expect(objects.config()).toEqual(CONFIG);
    expect(octets()).toEqual([10, 200]);
    expect(objects.hostAddresses().toSorted((one, other) => one.ifindex - other.ifindex)).toEqual([
      { address: "203.0.113.10", ifindex: 3 },
      { address: "10.9.9.200", ifindex: 4 },
    ]);
    objects.setHostAddresses([]);
    expect(objects.hostAddresses()).toEqual([]);
    expect(octets()).toEqual([]);

    /** Bits of dp_config.host_octets, read around the API. */
    function octets(): number[] {
      using configs = BpfMap.fromPin(bpffs.join("maps", "dp_configs"), u32, rawBytes(88));
      const bits = (configs.get(0) ?? new Uint8Array()).subarray(40, 72);
      return Array.from({ length: 256 }, (_, bit) => bit).filter((bit) => ((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1);
    }
  });

  test("counters are a server's traffic and drops, and end with it", () => {
    using objects = load();
    expect(objects.counters(7)).toBeUndefined();
    objects.addCounters(7);
    objects.addSnatTarget(7, SNAT);
    objects.addDnatTarget(ENDPOINT, DNAT);
    expect(objects.counters(7)).toMatchObject({
      in: { packets: 0n, bytes: 0n },
      out: { packets: 0n, bytes: 0n },
      drops: { arp: 0n, spoofedAddress: 0n },
    });
    expect(objects.delCounters(7)).toBe(true);
    expect(objects.delCounters(7)).toBe(false);
    expect(objects.delSnatTarget(7)).toBe(true);
    expect(objects.counters(7)).toBeUndefined();
    expect(() => objects.delCounters(0)).toThrow("always stay");
    expect(objects.counters()?.drops.arp).toBe(0n);
  });

  test("what the programs count is what is read", () => {
    using objects = load();
    using snat = Program.fromPin(bpffs.join("progs", "dp_snat"));
    // Nobody is behind loopback: dropped, and counted where what belongs to no server is.
    const ipv4 = Uint8Array.from({ length: 64 }, (_, index) => (index === 12 ? 0x08 : index === 14 ? 0x45 : 0));
    snat.testRun({ data: ipv4 });
    expect(objects.counters(0)?.drops.unknownInterface).toBe(1n);
    objects.addCounters(1);
    snat.testRun({ data: ipv4 });
    expect(objects.counters(1)?.drops.unknownInterface).toBe(1n);
    expect(objects.counters(0)?.drops.unknownInterface).toBe(1n);
  });
});

function rawBytes(size: number) {
  return { size, read: (data: Uint8Array) => data.slice(), write: (data: Uint8Array) => data };
}

describe("interfaces", () => {
  test("a veth peer is an interface by its name, with its address", () => {
    namespace.ip("addr", "add", "10.1.0.2/32", "dev", "dp0");
    const [link] = JSON.parse(namespace.ip("-j", "link", "show", "dp0")) as { ifindex: number; address: string }[];
    const known = { index: link?.ifindex ?? 0, name: "dp0", mac: link?.address ?? "" };
    namespace.inside(() => {
      expect(toVethPeer("dp0")).toEqual({ iface: known, addr: "10.1.0.2" });
      expect(toVethPeer("dp0", "10.1.0.9")).toEqual({ iface: known, addr: "10.1.0.9" });
      expect(toVethPeer(known)).toEqual({ iface: known, addr: "10.1.0.2" });
      expect(toVethPeer({ ...known, name: "elsewhere" }, "10.2.0.2").addr).toBe("10.2.0.2");
      expect(thrown(SyscallError, () => toVethPeer("dp1")).errno).toBe(Errno.EADDRNOTAVAIL);
      expect(thrown(SyscallError, () => toVethPeer("nosuch")).errno).toBe(Errno.ENODEV);
      expect(thrown(DatapathError, () => toVethPeer("x".repeat(16))).code).toBe("BAD_USAGE");
    });
  });
});

describe("veth pairs and flows", () => {
  const PAIR = {
    hostPeer: { iface: { index: 7, name: "dp25570", mac: "7e:90:c4:ed:df:d0" }, addr: "10.1.0.2" },
    podPeer: { iface: { index: 2, name: "eth0", mac: "02:00:00:00:00:01" }, addr: "10.2.0.2" },
  };
  const ENTRY = {
    containerAddress: "10.2.0.2",
    containerMac: "02:00:00:00:00:01",
    hostPeer: 7,
    hostPeerAddress: "10.1.0.2",
    gamePort: 25565,
    group: 9,
    netnsCookie: 77n,
    flows: 0,
  };

  test("pairs are entered, replaced, listed and deleted, by pair or by address", () => {
    using objects = load();
    objects.addVethPairEntry(PAIR, { gamePort: 25565, group: 9, netnsCookie: 77n });
    expect(objects.getVethPairEntry("10.2.0.2")).toEqual(ENTRY);
    expect(objects.getVethPairEntry("10.2.0.3")).toBeUndefined();
    objects.addVethPairEntry(PAIR, { gamePort: 25566, group: 0, netnsCookie: 77n });
    expect(objects.vethPairEntries()).toEqual([{ ...ENTRY, gamePort: 25566, group: 0 }]);
    expect(objects.delVethPairEntry(PAIR)).toBe(true);
    expect(objects.delVethPairEntry("10.2.0.2")).toBe(false);
    expect(thrown(DatapathError, () => objects.delVethPairEntry("10.2.0")).code).toBe("BAD_USAGE");
  });

  test("entered again, a pair keeps the count of its flows", () => {
    using objects = load();
    objects.addVethPairEntry(PAIR, { gamePort: 25565, group: 9, netnsCookie: 77n });
    using pairs = BpfMap.fromPin(bpffs.join("maps", "dp_veth_pairs"), be32, dpVethPair);
    pairs.set("10.2.0.2", { ...(pairs.get("10.2.0.2") as DpVethPair), flows: 5 });
    objects.addVethPairEntry(PAIR, { gamePort: 25565, group: 1, netnsCookie: 77n });
    expect(objects.getVethPairEntry("10.2.0.2")).toEqual({ ...ENTRY, group: 1, flows: 5 });
    pairs.set("10.2.0.2", { ...(pairs.get("10.2.0.2") as DpVethPair), flows: -1 });
    expect(objects.getVethPairEntry("10.2.0.2")?.flows).toBe(0);
  });

  test("there is room for as many pairs as servers", () => {
    using objects = load({ maxServers: 2 });
    const at = (addr: string) => ({ ...PAIR, podPeer: { ...PAIR.podPeer, addr } });
    for (const addr of ["10.2.0.2", "10.2.0.3"])
      objects.addVethPairEntry(at(addr), { gamePort: 1, group: 0, netnsCookie: 77n });
    expect(() => objects.addVethPairEntry(at("10.2.0.4"), { gamePort: 1, group: 0, netnsCookie: 77n })).toThrow(
      MapFullError,
    );
  });
});

