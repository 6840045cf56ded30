/**
 * Loading, upgrading and attaching the real programs. Every test has a bpffs, and a namespace with a veth pair, of its
 * own.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { mapLayouts, objects as images } from "@dp/bpf";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  adoptFilters,
  attachedBy,
  type Endpoint,
  type Forward,
  filtersOn,
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
import { attachClsact, BpfMap, BpfObject, Link, Program, queryClsact, queryTcx, u32 } from "../src/libbpf/index.ts";
import { entriesOf } from "../src/objects/stores/endpoints.ts";
import { entryOf } from "../src/objects/stores/server-entries.ts";
import { loadBuild } from "../src/objects/upgrade/open.ts";
import { fixture } from "./support/fixture.ts";
import { CONFIG, ENDPOINT, LOBBY } from "./support/lobby.ts";

requireRoot();

let bpffs: Bpffs;
let namespace: NetworkNamespace;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
);

const PINS = [
  ...Object.keys(mapLayouts).map((name) => `maps/${name}`),
  "progs/dp_arp",
  "progs/dp_dnat",
  "progs/dp_getsockopt",
  "progs/dp_snat",
  "progs/dp_sockops",
  "progs/dp_tproxy_container",
  "progs/dp_tproxy_host",
];

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

/** A server: everything only one server has differs by the id. */
function server(id: number): ServerRecord {
  return {
    ...LOBBY,
    id,
    name: `server ${id}`,
    netns: { ...LOBBY.netns, cookie: 100n + BigInt(id) },
    forwards: LOBBY.forwards.map((forward): Forward => ({ ...forward, port: forward.port + id })),
  };
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
    expect(opened.drops.read()?.malformed).toBe(0n);
  });

  test("again keeps the maps with what is in them, and swaps the programs", () => {
    using first = load();
    first.config.set(CONFIG);
    const before = programIds();
    using second = load();
    expect(second.config.get()).toEqual(CONFIG);
    const after = programIds();
    expect(after.some((id) => before.includes(id))).toBe(false);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("makes a pin root that is a folder of the bpffs", () => {
    using objects = load({ pinRoot: bpffs.join("tenant") });
    expect(bpffs.list()).toEqual(PINS.map((pin) => `tenant/${pin}`));
    expect(objects.records.all()).toEqual([]);
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

  test("makes room for as many servers as asked, and refuses more with what to do", () => {
    using objects = load({ maxServers: 2 });
    for (const id of [1, 2]) objects.records.set(server(id));
    const error = thrown(MapFullError, () => objects.records.set(server(3)));
    expect(error.message).toContain("it is full: it has room for 2 entries");
    expect(error.hint).toContain("maxServers");
    // The drops of no server have an entry besides the servers'.
    for (const id of [1, 2]) objects.drops.add(id);
    expect(() => objects.drops.add(3)).toThrow(MapFullError);
    expect(objects.records.maxServers).toBe(2);
    for (const id of [1, 2]) objects.players.add(id);
    expect(() => objects.players.add(3)).toThrow(SyscallError);
  });

  test("with another number of servers than before makes room for them, and keeps those there are", () => {
    load({ maxServers: 2 }).close();
    using objects = load({ maxServers: 3 });
    for (const id of [1, 2, 3]) objects.records.set(server(id));
    expect(() => objects.records.set(server(4))).toThrow(MapFullError);
    objects.finishUpgrade();
    using more = load({ maxServers: 4 });
    more.records.set(server(4));
    expect(more.records.all()).toEqual([1, 2, 3, 4].map((id) => server(id)));
    expect(more.records.find({ name: "server 3" })).toEqual(server(3));
    expect(more.finishUpgrade()).toContain("dp_records");
    expect(bpffs.list()).toEqual(PINS);
    for (const maxServers of [0, -1, 1.5, 2_000_000]) {
      expect(thrown(DatapathError, () => load({ maxServers })).code).toBe("BAD_USAGE");
    }
  });

  test("with less room than the servers there are need is refused, and changes nothing", () => {
    using objects = load({ maxServers: 2 });
    for (const id of [1, 2]) objects.records.set(server(id));
    const before = programIds();
    const error = thrown(MapFullError, () => load({ maxServers: 1 }));
    expect(error.message).toContain("it is full: it has room for 1 entries");
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
    using still = openPinned({ pinRoot: bpffs.path });
    expect(still.records.all()).toHaveLength(2);
    expect(still.needsLoad).toBeUndefined();
  });
});

describe("a load that fails", () => {
  test("at the verifier leaves nothing on a root that was empty", () => {
    const error = thrown(VerifierError, () =>
      loadBuild({ pinRoot: bpffs.path }, { images: { arp: fixture("refused") } }),
    );
    expect(error.program).toBe("reads_past_end");
    expect(bpffs.list()).toEqual([]);
    expect(() => openPinned({ pinRoot: bpffs.path })).toThrow("nothing is loaded there");
  });

  test("at the verifier leaves a loaded root as it was, and running", () => {
    using objects = load();
    objects.config.set(CONFIG);
    const before = programIds();
    const refused = { images: { arp: fixture("refused") } };
    expect(() => loadBuild({ pinRoot: bpffs.path }, refused)).toThrow(VerifierError);
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
    expect(objects.config.get()).toEqual(CONFIG);
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
    const images = { arp: fixture("other_layout") };
    const error = thrown(LayoutError, () => loadBuild({ pinRoot: bpffs.path }, { images }));
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

describe("the methods with the names of the Go library", () => {
  const [[, entry]] = entriesOf(LOBBY) as ReturnType<typeof entriesOf>;

  test("are those of the stores", () => {
    using objects = load();
    objects.addDnatTarget(ENDPOINT, entry);
    expect(objects.endpoints.get(ENDPOINT)).toEqual(entry);
    expect([objects.delDnatTarget(ENDPOINT), objects.delDnatTarget(ENDPOINT)]).toEqual([true, false]);
    objects.addSnatTarget(9, entryOf(LOBBY, 5));
    expect(objects.servers.get(9)).toEqual(entryOf(LOBBY, 5));
    expect([objects.delSnatTarget(9), objects.delSnatTarget(9)]).toEqual([true, false]);
    objects.addNetData(LOBBY, "create");
    expect(objects.getNetData(LOBBY.id)).toEqual(LOBBY);
    expect(objects.records.find({ endpoint: ENDPOINT })).toEqual(LOBBY);
    expect([objects.delNetData(LOBBY.id), objects.delNetData(LOBBY.id)]).toEqual([true, false]);
    objects.addVethPairEntry("10.2.0.2", { server: 7, hostPeer: 9 });
    expect(objects.containers.get("10.2.0.2")).toEqual({ server: 7, hostPeer: 9 });
    expect([objects.delVethPairEntry("10.2.0.2"), objects.delVethPairEntry("10.2.0.2")]).toEqual([true, false]);
  });

  test("refuse values that cannot be, and change nothing", () => {
    using objects = load();
    const long = thrown(DatapathError, () => objects.addNetData({ ...LOBBY, name: "x".repeat(64) }));
    expect(long).toMatchObject({ code: "BAD_USAGE" });
    expect(long.message).toContain("dp_name.text");
    const noAddress: Endpoint = { ...ENDPOINT, address: "1.2.3" };
    expect(thrown(DatapathError, () => objects.addDnatTarget(noAddress, entry)).code).toBe("BAD_USAGE");
    expect(thrown(DatapathError, () => objects.delVethPairEntry("10.2.0")).code).toBe("BAD_USAGE");
    expect([objects.records.all(), objects.endpoints.all()]).toEqual([[], []]);
  });
});

test("ids are given out by the names of the interfaces there are", () => {
  using objects = load();
  const ids = objects.serverIds((name) => name === "dp1");
  expect([ids.claim(), ids.claim()]).toEqual([2, 3]);
});

test("what the programs count is what is read", () => {
  using objects = load();
  using snat = Program.fromPin(bpffs.join("progs", "dp_snat"));
  // No server is behind loopback: the packet is dropped, and counted where what belongs to no server is.
  const ipv4 = Uint8Array.from({ length: 64 }, (_, index) => (index === 12 ? 0x08 : index === 14 ? 0x45 : 0));
  snat.testRun({ data: ipv4 });
  expect(objects.drops.read()?.unknownInterface).toBe(1n);
});

describe("interfaces", () => {
  test("a peer is an interface by its name, or by what is known of it", () => {
    const [link] = namespace.ipJson("link", "show", "dp0");
    const [ifindex, mac] = [link?.["ifindex"] as number, link?.["address"] as string];
    namespace.inside(() => {
      expect(toVethPeer("dp0")).toEqual({ ifindex, name: "dp0", mac });
      expect(toVethPeer(readInterface("dp0"))).toEqual({ ifindex, name: "dp0", mac });
      expect(toVethPeer({ index: 5, name: "elsewhere", mac })).toEqual({ ifindex: 5, name: "elsewhere", mac });
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

  test("killed before any of its changes, attaching is done by the next command", () => {
    const script = `
      import { openPinned, readInterface } from "@dp/core";
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
        expect(objects.attachments.all()).toMatchObject([{ program: "dnat", iface: "dp0", ifindex: dp0.index }]);
        expect(objects.attachments.detach("dnat", "dp0")).toBe(true);
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
      expect(objects.attachments.all()).toEqual([
        {
          program: "dnat",
          iface: "dp0",
          ifindex: dp0.index,
          programId: objects.attachments.programId("dnat"),
          path: bpffs.join("progs", "dp_dnat_dp0"),
          mechanism,
        },
        {
          program: "snat",
          iface: "dp1",
          ifindex: readInterface("dp1").index,
          programId: objects.attachments.programId("snat"),
          path: bpffs.join("progs", "dp_snat_dp1"),
          mechanism,
        },
      ]);
      expect(objects.attachments.detach("dnat", "dp0")).toBe(true);
      expect(objects.attachments.detach("dnat", "dp0")).toBe(false);
      expect(running(dp0.index)).toEqual([]);
      expect(objects.attachments.all()).toHaveLength(1);
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
      expect(objects.attachments.all()).toMatchObject([{ program: "snat", iface: "dp0", ifindex: 0 }]);
      namespace.addPair("dp0", "dp1");
      const again = readInterface("dp0");
      expect(objects.attachAndPinSnat(again)).toBe("attached");
      expect(objects.attachments.all()).toMatchObject([{ program: "snat", iface: "dp0", ifindex: again.index }]);
      expect(running(again.index)).toHaveLength(1);
      namespace.ip("link", "del", "dp0");
      expect(objects.attachments.detach("snat", "dp0")).toBe(true);
      expect(objects.attachments.all()).toEqual([]);
    });
  });

  test("an interface with dots in its name has a pin", () => {
    namespace.addPair("dp0.100", "other");
    namespace.inside(() => {
      using objects = open();
      objects.attachAndPinDnat(readInterface("dp0.100"));
      expect(objects.attachments.all()).toMatchObject([{ program: "dnat", iface: "dp0.100" }]);
      expect(objects.attachments.detach("dnat", "dp0.100")).toBe(true);
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
    expect(objects.attachTproxyCtrEgress(ctrPeer, place)).toBe("attached");
    namespace.inside(() => {
      expect(objects.attachTproxyHostEgress(hostPeer)).toBe("attached");
      expect(objects.attachTproxyHostEgress(hostPeer)).toBe("updated");
      expect(objects.attachments.all()).toEqual([
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
      expect(objects.attachments.programAt("tproxy_container", ctrPeer, place)).toBe(programId("dp_tproxy_container"));
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
        expect(upgraded.attachments.detach(program, "dp0")).toBe(true);
        expect(upgraded.attachments.detach(program, "dp0")).toBe(false);
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

  test("unloading takes everything off and away, also twice, and leaves pins of other software", () => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    other.program("pass_on").pin(bpffs.join("progs", "of-other-software"));
    namespace.inside(() => {
      using objects = open();
      const { index } = readInterface("dp0");
      objects.attachAndPinDnat(readInterface("dp0"));
      objects.attachAndPinArp(readInterface("dp1"));
      objects.unpinAll();
      expect(running(index)).toEqual([]);
      expect(bpffs.list()).toEqual(["progs/of-other-software"]);
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
    objects.attachments.onCgroup().map(({ program, cgroupId }) => [program, cgroupId]);

  test("are attached and pinned together, swapped in place, listed and detached", () => {
    using objects = load();
    expect(objects.attachments.onCgroup()).toEqual([]);
    expect(objects.attachments.detachFromCgroup()).toBe(false);
    expect(objects.attachAndPinGetsockopt(cgroup.path)).toBe("attached");
    expect(objects.attachAndPinGetsockopt(cgroup.path)).toBe("updated");
    expect(objects.attachments.onCgroup()).toEqual(
      (["getsockopt", "sockops"] as const).map((program) => ({
        program,
        cgroupId: idOf(cgroup.path),
        programId: objects.attachments.programId(program),
        path: bpffs.join("progs", `dp_${program}_cgroup`),
      })),
    );
    expect(objects.attachments.all()).toEqual([]);
    using link = Link.fromPin(bpffs.join("progs", "dp_sockops_cgroup"));
    using upgraded = load();
    expect(upgraded.attachAndPinGetsockopt(cgroup.path)).toBe("updated");
    expect(link.info()).toMatchObject({ kind: "cgroup", programId: programId("dp_sockops"), attachType: "sockOps" });
    expect(upgraded.attachments.detachFromCgroup()).toBe(true);
    expect(upgraded.attachments.detachFromCgroup()).toBe(false);
    expect(link.attached).toBe(false);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("share their hooks with programs of other software", () => {
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
    for (let tries = 0; tries < 100 && objects.attachments.onCgroup()[1]?.cgroupId !== 0n; tries++) await Bun.sleep(10);
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

  test("need a cgroup of version 2: any other folder is refused, and what is attached stays", () => {
    using objects = load();
    objects.attachAndPinGetsockopt(cgroup.path);
    const error = thrown(DatapathError, () => objects.attachAndPinGetsockopt("/tmp"));
    expect(error.message).toBe("attach dp_sockops to /tmp: it is not a cgroup of the v2 hierarchy");
    expect(error.hint).toContain("cgroup2");
    expect(thrown(SyscallError, () => objects.attachAndPinGetsockopt("/no/such")).errno).toBe(Errno.ENOENT);
    expect(attached(objects)).toHaveLength(2);
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

test("a filter of other software in the place of a program is a conflict, and stays", () => {
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
  "an attached dp_snat is seen without its pin; a filter can be pinned again (%s)",
  (mechanism) => {
    namespace.inside(() => {
      load().close();
      using objects = openPinned({ pinRoot: bpffs.path, mechanism });
      const dp0 = readInterface("dp0");
      expect(attachedBy("snat", dp0)).toBeUndefined();
      objects.attachAndPinSnat(dp0);
      const path = bpffs.join("progs", "dp_snat_dp0");
      const { programId: running } = objects.attachments.all()[0] as { programId: number };
      expect(attachedBy("snat", dp0)).toBe(mechanism);
      if (mechanism === "tcx") {
        expect(filtersOn(dp0)).toEqual([]);
        return;
      }
      rmSync(path);
      expect(objects.attachments.all()).toEqual([]);
      expect(attachedBy("snat", dp0)).toBe("clsact");
      const filters = filtersOn(dp0);
      expect(filters).toEqual([{ program: "snat", iface: dp0, programId: running }]);
      adoptFilters(bpffs.path, filters);
      expect(objects.attachments.all()).toMatchObject([{ program: "snat", ifindex: dp0.index, programId: running }]);
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
