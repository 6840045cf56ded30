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
import { loadImages } from "../src/objects/open.ts";
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

test("the default pin root's programs have a name in the API", () => {
  expect(PROG_PIN_PATH).toBe("/sys/fs/bpf/progs");
});

describe("loading", () => {
  test("pins programs and maps under the pin root, and they stay", () => {
    load().close();
    expect(bpffs.list()).toEqual(PINS);
    using opened = openPinned({ pinRoot: bpffs.path });
    expect(opened.pinRoot).toBe(bpffs.path);
    expect(opened.counters(0)?.drops.malformed).toBe(0n);
  });

  test("again keeps the maps with what is in them, and swaps the programs", () => {
    using first = load();
    first.setConfig(CONFIG);
    const before = programIds();
    using second = load();
    expect(second.config()).toEqual(CONFIG);
    const after = programIds();
    expect(after.some((id) => before.includes(id))).toBe(false);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("makes a pin root that is a folder of the bpffs", () => {
    using objects = load({ pinRoot: bpffs.join("tenant") });
    expect(bpffs.list()).toEqual(PINS.map((pin) => `tenant/${pin}`));
    expect(objects.netData()).toEqual([]);
  });

  test("outside a bpffs is refused, with what to do, and makes nothing", () => {
    const error = thrown(DatapathError, () => loadBpf({ pinRoot: "/tmp/coretest-nowhere" }));
    expect(error.message).toBe("pin at /tmp/coretest-nowhere: /tmp is not on a bpffs");
    expect(error.hint).toBe("mount one: mount -t bpf bpf /tmp/coretest-nowhere");
    expect(() => loadBpf({ pinRoot: "/tmp/no/such/folder" })).toThrow("/tmp/no/such does not exist");
  });

  test("removes what a killed process left in the middle of replacing a pin", () => {
    load().close();
    using program = Program.fromPin(bpffs.join("progs", "dp_arp"));
    program.pin(bpffs.join("progs", "tmp_123_4"));
    load().close();
    expect(bpffs.list()).toEqual(PINS);
  });

  test("makes room for as many servers as asked, and says so when they are more", () => {
    using objects = load({ maxServers: 2 });
    const target = { hostPeer: 1, containerAddress: "10.2.0.1", gamePort: 1, containerMac: "02:00:00:00:00:01" };
    for (const port of [1, 2]) objects.addDnatTarget({ address: "192.0.2.1", port }, target);
    const error = thrown(MapFullError, () => objects.addDnatTarget({ address: "192.0.2.1", port: 3 }, target));
    expect(error.message).toContain("map dp_dnat_targets: it is full: it has room for 2 entries");
    expect(error.hint).toContain("maxServers");
    // The drops of no server have an entry besides the servers'.
    for (const hostPeer of [1, 2]) objects.addCounters(hostPeer);
    expect(() => objects.addCounters(3)).toThrow(MapFullError);
  });

  test("with another number of servers than before makes room for them, and keeps those there are", () => {
    load({ maxServers: 2 }).close();
    using objects = load({ maxServers: 3 });
    const add = (those: Objects, port: number) =>
      those.addDnatTarget(
        { address: "192.0.2.1", port },
        { hostPeer: port, containerAddress: "10.2.0.1", gamePort: 1, containerMac: "02:00:00:00:00:01" },
      );
    for (const port of [1, 2, 3]) add(objects, port);
    expect(() => add(objects, 4)).toThrow(MapFullError);
    objects.finishUpgrade();
    using more = load({ maxServers: 4 });
    add(more, 4);
    expect(
      more
        .dnatTargets()
        .map(({ port }) => port)
        .sort(),
    ).toEqual([1, 2, 3, 4]);
    expect(more.finishUpgrade()).toContain("dp_dnat_targets");
    expect(bpffs.list()).toEqual(PINS);
    for (const maxServers of [0, -1, 1.5, 2_000_000]) {
      expect(thrown(DatapathError, () => load({ maxServers })).code).toBe("BAD_USAGE");
    }
  });

  test("with less room than the servers there are need is refused, and changes nothing", () => {
    using objects = load({ maxServers: 2 });
    for (const port of [1, 2]) {
      const target = { hostPeer: port, containerAddress: "10.2.0.1", gamePort: 1, containerMac: "02:00:00:00:00:01" };
      objects.addDnatTarget({ address: "192.0.2.1", port }, target);
    }
    const before = programIds();
    const error = thrown(MapFullError, () => load({ maxServers: 1 }));
    expect(error.message).toContain("map dp_dnat_targets: it is full: it has room for 1 entries");
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
    using still = openPinned({ pinRoot: bpffs.path });
    expect(still.dnatTargets()).toHaveLength(2);
    expect(still.needsLoad).toBeUndefined();
  });
});

describe("a load that fails", () => {
  test("at the verifier leaves nothing on a root that was empty", () => {
    const error = thrown(VerifierError, () =>
      loadImages({ ...IMAGES(), arp: fixture("refused") }, { pinRoot: bpffs.path }),
    );
    expect(error.program).toBe("reads_past_end");
    expect(bpffs.list()).toEqual([]);
    expect(() => openPinned({ pinRoot: bpffs.path })).toThrow("nothing is loaded there");
  });

  test("at the verifier leaves a loaded root as it was, and running", () => {
    using objects = load();
    objects.setConfig(CONFIG);
    const before = programIds();
    const bad = { ...IMAGES(), arp: fixture("refused") };
    expect(() => loadImages(bad, { pinRoot: bpffs.path })).toThrow(VerifierError);
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
    expect(objects.config()).toEqual(CONFIG);
  });

  test("at the last pin takes the others back", () => {
    load().close();
    const [dnat, snat] = programIds();
    // A folder where dp_arp is to be pinned: the rename over it fails after the other two.
    using arp = Program.fromPin(bpffs.join("progs", "dp_arp"));
    Bun.spawnSync(["rm", bpffs.join("progs", "dp_arp")]);
    mkdirSync(bpffs.join("progs", "dp_arp"));
    expect(() => load()).toThrow(DatapathError);
    Bun.spawnSync(["rmdir", bpffs.join("progs", "dp_arp")]);
    arp.pin(bpffs.join("progs", "dp_arp"));
    expect(programIds().slice(0, 2)).toEqual([dnat, snat] as number[]);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("at the last pin of a root that was empty leaves no pin", () => {
    mkdirSync(bpffs.join("progs"));
    mkdirSync(bpffs.join("progs", "dp_arp"));
    expect(() => load()).toThrow(DatapathError);
    expect(bpffs.list()).toEqual([]);
  });

  test("on an object of another layout says structure and field", () => {
    const other = { ...IMAGES(), arp: fixture("other_layout") };
    const error = thrown(LayoutError, () => loadImages(other, { pinRoot: bpffs.path }));
    expect(error.struct).toBe("dp_config");
    expect(error.message).toContain("load BPF object arp: dp_config");
    expect(bpffs.list()).toEqual([]);
  });

  test("on a pinned map of another layout says which, and how to go on", () => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    mkdirSync(bpffs.join("maps"));
    other.map("slots", u32, u32).pin(bpffs.join("maps", "dp_configs"));
    const error = thrown(LayoutError, () => load());
    expect(error).toMatchObject({ struct: "map dp_configs", field: "(value)", actual: "__u32" });
    expect(error.hint).toContain("unload");
    expect(bpffs.list()).toEqual(["maps/dp_configs"]);
  });
});

describe("opening what is pinned", () => {
  test("is NOT_LOADED where nothing is, or where it is incomplete", () => {
    expect(thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path })).code).toBe("NOT_LOADED");
    expect(thrown(DatapathError, () => openPinned({ pinRoot: "/no/such/root" })).code).toBe("NOT_LOADED");
    load().close();
    Bun.spawnSync(["rm", bpffs.join("maps", "dp_configs")]);
    const error = thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path }));
    expect(error).toMatchObject({ code: "NOT_LOADED", hint: "run `dp load`" });
    expect(error.message).toContain("maps/dp_configs is missing");
    load().close();
    expect(bpffs.list()).toEqual(PINS);
  });
});

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

describe.each(["tcx", "clsact"] as const)("attaching by %s", (mechanism) => {
  const open = () => openPinned({ pinRoot: bpffs.path, mechanism });

  /** Ids of the programs on an interface's ingress, in the order they run. */
  function running(ifindex: number): number[] {
    if (mechanism === "tcx") return queryTcx(ifindex, "ingress").entries.map(({ programId }) => programId);
    return [1, 2].flatMap((priority) => queryClsact({ ifindex, direction: "ingress", priority, handle: 0xd9 }) ?? []);
  }

  beforeEach(() => {
    load({ mechanism }).close();
  });

  test("arp comes before snat, whichever was first", () => {
    const [, snat, arp] = programIds();
    namespace.inside(() => {
      using objects = open();
      const first = readInterface("dp0");
      expect(objects.attachAndPinArp(first)).toBe("attached");
      expect(objects.attachAndPinSnat(first)).toBe("attached");
      expect(running(first.index)).toEqual([arp, snat] as number[]);
      const second = readInterface("dp1");
      expect(objects.attachAndPinSnat(second)).toBe("attached");
      expect(objects.attachAndPinArp(second)).toBe("attached");
      expect(running(second.index)).toEqual([arp, snat] as number[]);
    });
  });

  test("attaching that was killed before any of its changes is completed by the next process", () => {
    const script = `
      import { openPinned, readInterface } from "@dp/core";
      import { injectFaults } from "@dp/sys/fault";
      injectFaults(process.env.DP_FAULT);
      openPinned({ pinRoot: "${bpffs.path}", mechanism: "${mechanism}" }).attachAndPinDnat(readInterface("dp0"));
    `;
    const [dnat] = programIds();
    namespace.inside(() => {
      const dp0 = readInterface("dp0");
      for (let at = 1; ; at++) {
        const env = { ...process.env, DP_FAULT: `kill:${at}` };
        const child = Bun.spawnSync([process.execPath, "-e", script], { cwd: import.meta.dir, env });
        const killed = child.signalCode === "SIGKILL";
        if (!killed) expect([child.exitCode, child.stderr.toString()]).toEqual([0, ""]);
        using objects = open();
        objects.attachAndPinDnat(dp0);
        expect([at, ...running(dp0.index)]).toEqual([at, dnat as number]);
        expect(objects.attachments()).toMatchObject([{ program: "dnat", iface: "dp0", ifindex: dp0.index }]);
        expect(objects.detach("dnat", dp0)).toBe(true);
        expect(running(dp0.index)).toEqual([]);
        if (killed) continue;
        expect(at).toBeGreaterThan(2);
        break;
      }
    });
  });

  test("what is attached is listed, and detached one by one", () => {
    namespace.inside(() => {
      using objects = open();
      const dp0 = readInterface("dp0");
      objects.attachAndPinDnat(dp0);
      objects.attachAndPinSnat(readInterface("dp1"));
      expect(objects.attachments()).toEqual([
        {
          program: "dnat",
          iface: "dp0",
          ifindex: dp0.index,
          programId: objects.programId("dnat"),
          path: bpffs.join("progs", "dp_dnat_dp0"),
          mechanism,
        },
        {
          program: "snat",
          iface: "dp1",
          ifindex: readInterface("dp1").index,
          programId: objects.programId("snat"),
          path: bpffs.join("progs", "dp_snat_dp1"),
          mechanism,
        },
      ]);
      expect(objects.detach("dnat", dp0)).toBe(true);
      expect(objects.detach("dnat", "dp0")).toBe(false);
      expect(running(dp0.index)).toEqual([]);
      expect(objects.attachments()).toHaveLength(1);
    });
  });

  test("a second load swaps the programs in place, and nothing else", () => {
    namespace.inside(() => {
      const { index } = readInterface("dp0");
      const links = () => queryTcx(index, "ingress").entries.map(({ linkId }) => linkId);
      {
        using objects = open();
        objects.attachAndPinArp(readInterface("dp0"));
        objects.attachAndPinSnat(readInterface("dp0"));
      }
      const [, oldSnat, oldArp] = programIds();
      const oldLinks = links();
      using objects = load({ mechanism });
      const [, snat, arp] = programIds();
      // Until they are swapped, the old ones run.
      expect(running(index)).toEqual([oldArp, oldSnat] as number[]);
      expect(objects.attachAndPinSnat(readInterface("dp0"))).toBe("updated");
      expect(objects.attachAndPinArp(readInterface("dp0"))).toBe("updated");
      expect(objects.attachAndPinArp(readInterface("dp0"))).toBe("updated");
      expect(running(index)).toEqual([arp, snat] as number[]);
      expect(links()).toEqual(oldLinks);
    });
  });

  test("an interface that is gone shows as such; one of the same name is attached anew", () => {
    namespace.inside(() => {
      using objects = open();
      objects.attachAndPinSnat(readInterface("dp0"));
      namespace.ip("link", "del", "dp0");
      expect(objects.attachments()).toMatchObject([{ program: "snat", iface: "dp0", ifindex: 0 }]);
      namespace.addPair("dp0", "dp1");
      const again = readInterface("dp0");
      expect(objects.attachAndPinSnat(again)).toBe("attached");
      expect(objects.attachments()).toMatchObject([{ program: "snat", iface: "dp0", ifindex: again.index }]);
      expect(running(again.index)).toHaveLength(1);
      namespace.ip("link", "del", "dp0");
      expect(objects.detach("snat", "dp0")).toBe(true);
      expect(objects.attachments()).toEqual([]);
    });
  });

  test("an interface with dots in its name has a pin", () => {
    namespace.addPair("dp0.100", "other");
    namespace.inside(() => {
      using objects = open();
      objects.attachAndPinDnat(readInterface("dp0.100"));
      expect(objects.attachments()).toMatchObject([{ program: "dnat", iface: "dp0.100" }]);
      expect(objects.detach("dnat", "dp0.100")).toBe(true);
    });
  });

  test("an interface that does not exist is an error that pins nothing", () => {
    namespace.inside(() => {
      using objects = open();
      const nosuch = { index: 9999, name: "nosuch", mac: "02:00:00:00:00:01" };
      expect(thrown(SyscallError, () => objects.attachAndPinDnat(nosuch)).errno).toBe(Errno.ENODEV);
      expect(bpffs.list()).toEqual(PINS);
    });
  });

  test("the egress programs stand on egress, the container's under its host peer's name", () => {
    using container = NetworkNamespace.withPair();
    using objects = open();
    const hostPeer = iface("dp0");
    const ctrPeer = container.inside(() => readInterface("dp1"));
    const place = { netns: container.fd, hostPeerName: "dp0" };
    expect(objects.attachTproxyCtrEgress({ iface: ctrPeer, addr: "10.2.0.2" }, place)).toBe("attached");
    namespace.inside(() => {
      expect(objects.attachTproxyHostEgress(hostPeer)).toBe("attached");
      expect(objects.attachTproxyHostEgress({ iface: hostPeer, addr: "10.1.0.2" })).toBe("updated");
      expect(objects.attachments()).toEqual([
        {
          program: "tproxy_container",
          iface: "dp0",
          ifindex: mechanism === "tcx" ? ctrPeer.index : hostPeer.index,
          programId: mechanism === "tcx" ? programId("dp_tproxy_container") : undefined,
          path: bpffs.join("progs", "dp_tproxy_container_dp0"),
          mechanism,
        },
        {
          program: "tproxy_host",
          iface: "dp0",
          ifindex: hostPeer.index,
          programId: programId("dp_tproxy_host"),
          path: bpffs.join("progs", "dp_tproxy_host_dp0"),
          mechanism,
        },
      ]);
      expect(objects.containerProgram(ctrPeer, place)).toBe(programId("dp_tproxy_container"));
    });
    const atHost = () => namespace.inside(() => egress(hostPeer.index));
    const atContainer = () => container.inside(() => egress(ctrPeer.index));
    expect(atHost()).toEqual([programId("dp_tproxy_host")]);
    expect(atContainer()).toEqual([programId("dp_tproxy_container")]);
    const before = [...atHost(), ...atContainer()];

    using upgraded = load({ mechanism });
    expect(namespace.inside(() => upgraded.attachTproxyHostEgress(hostPeer))).toBe("updated");
    expect(upgraded.attachTproxyCtrEgress(ctrPeer, place)).toBe("updated");
    expect([...atHost(), ...atContainer()]).toEqual([programId("dp_tproxy_host"), programId("dp_tproxy_container")]);
    expect(before).not.toContain(programId("dp_tproxy_container"));

    namespace.inside(() => {
      for (const program of ["tproxy_container", "tproxy_host"] as const) {
        expect(upgraded.detach(program, "dp0")).toBe(true);
        expect(upgraded.detach(program, "dp0")).toBe(false);
      }
    });
    expect(atHost()).toEqual([]);
    // Out of reach from here, and replaced when there is one again.
    if (mechanism === "tcx") expect(atContainer()).toEqual([]);
    expect(upgraded.attachTproxyCtrEgress(ctrPeer, place)).toBe("attached");
    expect(atContainer()).toEqual([programId("dp_tproxy_container")]);

    function egress(ifindex: number): number[] {
      if (mechanism === "tcx") return queryTcx(ifindex, "egress").entries.map(({ programId: id }) => id);
      return [queryClsact({ ifindex, direction: "egress", priority: 1, handle: 0xd9 }) ?? []].flat();
    }
  });

  test("a container peer whose pair was made anew gets its program again", () => {
    using container = NetworkNamespace.withPair();
    const attach = (objects: Objects) =>
      objects.attachTproxyCtrEgress(
        container.inside(() => readInterface("dp0")),
        { netns: container.fd, hostPeerName: "dp7" },
      );
    using objects = open();
    expect(attach(objects)).toBe("attached");
    container.ip("link", "del", "dp0");
    container.addPair("dp0", "dp1");
    expect(attach(objects)).toBe("attached");
    const missing = { index: 9999, name: "nosuch", mac: "02:00:00:00:00:01" };
    const elsewhere = { netns: container.fd, hostPeerName: "dp8" };
    expect(thrown(SyscallError, () => objects.attachTproxyCtrEgress(missing, elsewhere)).errno).toBe(Errno.ENODEV);
  });

  test("unloading takes everything off and away, also twice, and leaves others' pins", () => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    other.program("pass_on").pin(bpffs.join("progs", "somebodys"));
    namespace.inside(() => {
      using objects = open();
      const { index } = readInterface("dp0");
      objects.attachAndPinDnat(readInterface("dp0"));
      objects.attachAndPinArp(readInterface("dp1"));
      objects.unpinAll();
      expect(running(index)).toEqual([]);
      expect(bpffs.list()).toEqual(["progs/somebodys"]);
      objects.unpinAll();
    });
    expect(() => open()).toThrow("nothing is loaded there");
    load({ mechanism }).close();
  });
});

describe("the programs on a cgroup", () => {
  let cgroup: Cgroup;
  beforeEach(() => {
    cgroup = new Cgroup();
  });
  afterEach(() => cgroup[Symbol.dispose]());

  const idOf = (path: string) => statSync(path, { bigint: true }).ino;
  const attached = (objects: Objects) =>
    objects.cgroupAttachments().map(({ program, cgroupId }) => [program, cgroupId]);

  test("are attached and pinned together, swapped in place, listed and detached", () => {
    using objects = load();
    expect(objects.cgroupAttachments()).toEqual([]);
    expect(objects.detachGetsockopt()).toBe(false);
    expect(objects.attachAndPinGetsockopt(cgroup.path)).toBe("attached");
    expect(objects.attachAndPinGetsockopt(cgroup.path)).toBe("updated");
    expect(objects.cgroupAttachments()).toEqual(
      (["getsockopt", "sockops"] as const).map((program) => ({
        program,
        cgroupId: idOf(cgroup.path),
        programId: objects.programId(program),
        path: bpffs.join("progs", `dp_${program}_cgroup`),
      })),
    );
    expect(objects.attachments()).toEqual([]);
    using link = Link.fromPin(bpffs.join("progs", "dp_sockops_cgroup"));
    using upgraded = load();
    expect(upgraded.attachAndPinGetsockopt(cgroup.path)).toBe("updated");
    expect(link.info()).toMatchObject({ kind: "cgroup", programId: programId("dp_sockops"), attachType: "sockOps" });
    expect(upgraded.detachGetsockopt()).toBe(true);
    expect(upgraded.detachGetsockopt()).toBe(false);
    expect(link.attached).toBe(false);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("share their hooks with others'", () => {
    using objects = load();
    using other = load({ pinRoot: bpffs.join("other") });
    other.attachAndPinGetsockopt(cgroup.path);
    objects.attachAndPinGetsockopt(cgroup.path);
    objects.unpinAll();
    expect(attached(other)).toEqual([
      ["getsockopt", idOf(cgroup.path)],
      ["sockops", idOf(cgroup.path)],
    ]);
    other.unpinAll();
  });

  test("move to another cgroup, and leave the first", () => {
    using second = new Cgroup();
    using objects = load();
    objects.attachAndPinGetsockopt(cgroup.path);
    using first = Link.fromPin(bpffs.join("progs", "dp_getsockopt_cgroup"));
    expect(objects.attachAndPinGetsockopt(second.path)).toBe("attached");
    expect(first.attached).toBe(false);
    expect(attached(objects)).toEqual([
      ["getsockopt", idOf(second.path)],
      ["sockops", idOf(second.path)],
    ]);
    objects.unpinAll();
  });

  test("show that their cgroup is gone, and are attached to its successor", async () => {
    using objects = load();
    objects.attachAndPinGetsockopt(cgroup.path);
    cgroup.remove();
    // The kernel takes its programs off a little later.
    for (let tries = 0; tries < 100 && objects.cgroupAttachments()[1]?.cgroupId !== 0n; tries++) await Bun.sleep(10);
    expect(attached(objects)).toEqual([
      ["getsockopt", 0n],
      ["sockops", 0n],
    ]);
    mkdirSync(cgroup.path);
    expect(objects.attachAndPinGetsockopt(cgroup.path)).toBe("attached");
    expect(attached(objects)[0]).toEqual(["getsockopt", idOf(cgroup.path)]);
    objects.unpinAll();
    expect(bpffs.list()).toEqual([]);
  });

  test("want a cgroup of version 2: anything else is an error that leaves what is there", () => {
    using objects = load();
    objects.attachAndPinGetsockopt(cgroup.path);
    const error = thrown(DatapathError, () => objects.attachAndPinGetsockopt("/tmp"));
    expect(error.message).toBe("attach dp_sockops to /tmp: it is not a cgroup of the v2 hierarchy");
    expect(error.hint).toContain("cgroup2");
    expect(thrown(SyscallError, () => objects.attachAndPinGetsockopt("/no/such")).errno).toBe(Errno.ENOENT);
    expect(attached(objects)).toHaveLength(2);
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

test("a link pinned here detaches on unload even while another process holds it", () => {
  namespace.inside(() => {
    using objects = load();
    objects.attachAndPinDnat(readInterface("dp0"));
    using held = Link.fromPin(bpffs.join("progs", "dp_dnat_dp0"));
    objects.unpinAll();
    expect(held.attached).toBe(false);
  });
});

test("a filter of somebody else's in our place is a conflict, and stays", () => {
  load().close();
  using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
  namespace.inside(() => {
    const dp0 = readInterface("dp0");
    const slot = { ifindex: dp0.index, direction: "ingress", priority: 1, handle: 0xd9 } as const;
    attachClsact(other.program("pass_on"), slot);
    using objects = openPinned({ pinRoot: bpffs.path, mechanism: "clsact" });
    expect(thrown(DatapathError, () => objects.attachAndPinDnat(dp0)).code).toBe("CONFLICT");
    expect(queryClsact(slot)).toBe(other.program("pass_on").id);
  });
});

test.each(["tcx", "clsact"] as const)(
  "a guard is seen without its pin; a filter can be pinned again (%s)",
  (mechanism) => {
    namespace.inside(() => {
      load().close();
      using objects = openPinned({ pinRoot: bpffs.path, mechanism });
      const dp0 = readInterface("dp0");
      expect(guardOf(dp0)).toBeUndefined();
      objects.attachAndPinSnat(dp0);
      const path = bpffs.join("progs", "dp_snat_dp0");
      const { programId: running } = objects.attachments()[0] as { programId: number };
      expect(guardOf(dp0)).toBe(mechanism);
      if (mechanism === "tcx") {
        expect(filtersOn(dp0)).toEqual([]);
        return;
      }
      rmSync(path);
      expect(objects.attachments()).toEqual([]);
      expect(guardOf(dp0)).toBe("clsact");
      const filters = filtersOn(dp0);
      expect(filters).toEqual([{ program: "snat", iface: dp0, programId: running }]);
      adoptFilters(bpffs.path, filters);
      expect(objects.attachments()).toMatchObject([{ program: "snat", ifindex: dp0.index, programId: running }]);
      expect(objects.attachAndPinSnat(dp0)).toBe("updated");
    });
  },
);

test("programs are found under the interface they were attached to, not the one that has its name now", () => {
  namespace.inside(() => {
    using objects = load();
    const before = readInterface("dp0");
    objects.attachAndPinDnat(before);
    namespace.ip("link", "set", "dp0", "name", "renamed");
    namespace.addPair("dp0", "dp2");
    const now = iface("dp0");
    expect(objects.attachAndPinDnat(now)).toBe("attached");
    expect(queryTcx(before.index, "ingress").entries).toEqual([]);
    expect(queryTcx(now.index, "ingress").entries).toHaveLength(1);
  });
});
