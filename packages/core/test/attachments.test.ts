/**
 * Attaching the real programs. Every test has a bpffs, and a namespace with a veth pair, of its own.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
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
  filtersOn,
  type Interface,
  isPinned,
  loadBpf,
  type Objects,
  openPinned,
  readInterface,
} from "../src/index.ts";
import { attachClsact, BpfObject, Link, Program, queryClsact, queryTcx } from "../src/libbpf/index.ts";
import { PINNED_PROGRAMS } from "../src/objects/programs/program-table.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

let bpffs: Bpffs;
let namespace: NetworkNamespace;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
);

function load(options: Parameters<typeof loadBpf>[0] = {}): Objects {
  return loadBpf({ pinRoot: bpffs.path, ...options });
}

function programIds(): number[] {
  return ["dp_dnat", "dp_snat", "dp_arp"].map((name) => programId(name));
}

function programId(name: string): number {
  using program = Program.fromPin(bpffs.join("progs", name));
  return program.id;
}

/** Pins of attachments, relative to `progs/`. */
function attachmentPins(): string[] {
  const pins = readdirSync(bpffs.join("progs"));
  return pins.filter((pin) => !PINNED_PROGRAMS.some(({ name }) => pin === `dp_${name}`));
}

function iface(name: string): Interface {
  return namespace.inside(() => readInterface(name));
}

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

  test("arp runs before snat, whichever was attached first", () => {
    const [, snat, arp] = programIds();
    namespace.inside(() => {
      using objects = open();
      const first = readInterface("dp0");
      expect(objects.attachments.attach("arp", first)).toBe("attached");
      expect(objects.attachments.attach("snat", first)).toBe("attached");
      expect(running(first.index)).toEqual([arp, snat] as number[]);
      const second = readInterface("dp1");
      expect(objects.attachments.attach("snat", second)).toBe("attached");
      expect(objects.attachments.attach("arp", second)).toBe("attached");
      expect(running(second.index)).toEqual([arp, snat] as number[]);
    });
  });

  test("attaching that was killed before any of its changes is done by the next command", () => {
    const script = (at: number) => `
      import { injectFaults } from "@dp/sys/fault";
      import { openPinned, readInterface } from "@dp/core";
      injectFaults("kill:${at}");
      openPinned({ pinRoot: "${bpffs.path}", mechanism: "${mechanism}" }).attachAndPinDnat(readInterface("dp0"));
    `;
    const [dnat] = programIds();
    namespace.inside(() => {
      const dp0 = readInterface("dp0");
      for (let at = 1; ; at++) {
        const child = Bun.spawnSync([process.execPath, "-e", script(at)], { cwd: import.meta.dir });
        const killed = child.signalCode === "SIGKILL";
        if (!killed) expect([child.exitCode, child.stderr.toString()]).toEqual([0, ""]);
        using objects = open();
        objects.attachments.attach("dnat", dp0);
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
      objects.attachments.attach("dnat", dp0);
      objects.attachments.attach("snat", readInterface("dp1"));
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

  test("a second load replaces the programs in place, and nothing else", () => {
    namespace.inside(() => {
      const { index } = readInterface("dp0");
      const links = () => queryTcx(index, "ingress").entries.map(({ linkId }) => linkId);
      {
        using objects = open();
        objects.attachments.attach("arp", readInterface("dp0"));
        objects.attachments.attach("snat", readInterface("dp0"));
      }
      const [, oldSnat, oldArp] = programIds();
      const oldLinks = links();
      using objects = load({ mechanism });
      const [, snat, arp] = programIds();
      // Until they are replaced, the old ones run.
      expect(running(index)).toEqual([oldArp, oldSnat] as number[]);
      expect(objects.attachments.attach("snat", readInterface("dp0"))).toBe("updated");
      expect(objects.attachments.attach("arp", readInterface("dp0"))).toBe("updated");
      expect(objects.attachments.attach("arp", readInterface("dp0"))).toBe("updated");
      expect(running(index)).toEqual([arp, snat] as number[]);
      expect(links()).toEqual(oldLinks);
    });
  });

  test("an interface that is gone shows as such; one of the same name is attached anew", () => {
    namespace.inside(() => {
      using objects = open();
      objects.attachments.attach("snat", readInterface("dp0"));
      namespace.ip("link", "del", "dp0");
      expect(objects.attachments.all()).toMatchObject([{ program: "snat", iface: "dp0", ifindex: 0 }]);
      namespace.addPair("dp0", "dp1");
      const again = readInterface("dp0");
      expect(objects.attachments.attach("snat", again)).toBe("attached");
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
      objects.attachments.attach("dnat", readInterface("dp0.100"));
      expect(objects.attachments.all()).toMatchObject([{ program: "dnat", iface: "dp0.100" }]);
      expect(objects.attachments.detach("dnat", "dp0.100")).toBe(true);
    });
  });

  test("an interface that does not exist is an error that pins nothing", () => {
    namespace.inside(() => {
      using objects = open();
      const nosuch = { index: 9999, name: "nosuch", mac: "02:00:00:00:00:01" };
      expect(thrown(SyscallError, () => objects.attachments.attach("dnat", nosuch)).errno).toBe(Errno.ENODEV);
      expect(attachmentPins()).toEqual([]);
    });
  });

  test("the egress programs stand on egress, the container's under its host peer's name", () => {
    using container = NetworkNamespace.withPair();
    using objects = open();
    const hostPeer = iface("dp0");
    const ctrPeer = container.inside(() => readInterface("dp1"));
    const place = { netns: container.fd, hostPeerName: "dp0" };
    expect(objects.attachments.attach("tproxy_container", ctrPeer, place)).toBe("attached");
    namespace.inside(() => {
      expect(objects.attachments.attach("tproxy_host", hostPeer)).toBe("attached");
      expect(objects.attachments.attach("tproxy_host", hostPeer)).toBe("updated");
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
    expect(namespace.inside(() => upgraded.attachments.attach("tproxy_host", hostPeer))).toBe("updated");
    expect(upgraded.attachments.attach("tproxy_container", ctrPeer, place)).toBe("updated");
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
    expect(upgraded.attachments.attach("tproxy_container", ctrPeer, place)).toBe("attached");
    expect(atContainer()).toEqual([programId("dp_tproxy_container")]);

    function egress(ifindex: number): number[] {
      if (mechanism === "tcx") return queryTcx(ifindex, "egress").entries.map(({ programId: id }) => id);
      return [queryClsact({ ifindex, direction: "egress", priority: 1, handle: 0xd9 }) ?? []].flat();
    }
  });

  test("a container peer whose pair was made anew gets its program again", () => {
    using container = NetworkNamespace.withPair();
    const attach = (objects: Objects) =>
      objects.attachments.attach(
        "tproxy_container",
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
    expect(thrown(SyscallError, () => objects.attachments.attach("tproxy_container", missing, elsewhere)).errno).toBe(
      Errno.ENODEV,
    );
  });

  test("unloading detaches and unpins everything, also twice, and leaves the pins of other software", () => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    other.program("pass_on").pin(bpffs.join("progs", "theirs"));
    namespace.inside(() => {
      using objects = open();
      const { index } = readInterface("dp0");
      objects.attachments.attach("dnat", readInterface("dp0"));
      objects.attachments.attach("arp", readInterface("dp1"));
      objects.unpinAll();
      expect(running(index)).toEqual([]);
      expect(bpffs.list()).toEqual(["progs/theirs"]);
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

  test("are attached and pinned together, replaced in place, listed and detached", () => {
    using objects = load();
    expect(objects.attachments.onCgroup()).toEqual([]);
    expect(objects.attachments.detachFromCgroup()).toBe(false);
    expect(objects.attachments.attachToCgroup(cgroup.path)).toBe("attached");
    expect(objects.attachments.attachToCgroup(cgroup.path)).toBe("updated");
    expect(objects.attachments.onCgroup()).toEqual(
      (["sockops", "getsockopt"] as const).map((program) => ({
        program,
        cgroupId: idOf(cgroup.path),
        programId: objects.attachments.programId(program),
        path: bpffs.join("progs", `dp_${program}_cgroup`),
      })),
    );
    expect(objects.attachments.all()).toEqual([]);
    using link = Link.fromPin(bpffs.join("progs", "dp_sockops_cgroup"));
    using upgraded = load();
    expect(upgraded.attachments.attachToCgroup(cgroup.path)).toBe("updated");
    expect(link.info()).toMatchObject({ kind: "cgroup", programId: programId("dp_sockops"), attachType: "sockOps" });
    expect(upgraded.attachments.detachFromCgroup()).toBe(true);
    expect(upgraded.attachments.detachFromCgroup()).toBe(false);
    expect(link.attached).toBe(false);
    expect(attachmentPins()).toEqual([]);
  });

  test("share their hooks with programs of another pin root", () => {
    using objects = load();
    using other = load({ pinRoot: bpffs.join("other") });
    other.attachments.attachToCgroup(cgroup.path);
    objects.attachments.attachToCgroup(cgroup.path);
    objects.unpinAll();
    expect(attached(other)).toEqual([
      ["sockops", idOf(cgroup.path)],
      ["getsockopt", idOf(cgroup.path)],
    ]);
    other.unpinAll();
  });

  test("move to another cgroup, and leave the first", () => {
    using second = new Cgroup();
    using objects = load();
    objects.attachments.attachToCgroup(cgroup.path);
    using first = Link.fromPin(bpffs.join("progs", "dp_getsockopt_cgroup"));
    expect(objects.attachments.attachToCgroup(second.path)).toBe("attached");
    expect(first.attached).toBe(false);
    expect(attached(objects)).toEqual([
      ["sockops", idOf(second.path)],
      ["getsockopt", idOf(second.path)],
    ]);
    objects.unpinAll();
  });

  test("show that their cgroup is gone, and are attached to its successor", async () => {
    using objects = load();
    objects.attachments.attachToCgroup(cgroup.path);
    cgroup.remove();
    // The kernel takes its programs off a little later.
    for (let tries = 0; tries < 100 && objects.attachments.onCgroup()[1]?.cgroupId !== 0n; tries++) await Bun.sleep(10);
    expect(attached(objects)).toEqual([
      ["sockops", 0n],
      ["getsockopt", 0n],
    ]);
    mkdirSync(cgroup.path);
    expect(objects.attachments.attachToCgroup(cgroup.path)).toBe("attached");
    expect(attached(objects)[0]).toEqual(["sockops", idOf(cgroup.path)]);
    objects.unpinAll();
    expect(bpffs.list()).toEqual([]);
  });

  test("want a cgroup of version 2: anything else is an error that leaves what is there", () => {
    using objects = load();
    objects.attachments.attachToCgroup(cgroup.path);
    const error = thrown(DatapathError, () => objects.attachments.attachToCgroup("/tmp"));
    expect(error.message).toBe("attach dp_sockops to /tmp: it is not a cgroup of the v2 hierarchy");
    expect(error.hint).toContain("cgroup2");
    expect(thrown(SyscallError, () => objects.attachments.attachToCgroup("/no/such")).errno).toBe(Errno.ENOENT);
    expect(attached(objects)).toHaveLength(2);
  });
});

test("a link pinned here detaches on unload even while another process holds it", () => {
  namespace.inside(() => {
    using objects = load();
    objects.attachments.attach("dnat", readInterface("dp0"));
    using held = Link.fromPin(bpffs.join("progs", "dp_dnat_dp0"));
    objects.unpinAll();
    expect(held.attached).toBe(false);
  });
});

test("a filter of other software in our place is a conflict, and stays", () => {
  load().close();
  using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
  namespace.inside(() => {
    const dp0 = readInterface("dp0");
    const slot = { ifindex: dp0.index, direction: "ingress", priority: 1, handle: 0xd9 } as const;
    attachClsact(other.program("pass_on"), slot);
    using objects = openPinned({ pinRoot: bpffs.path, mechanism: "clsact" });
    expect(thrown(DatapathError, () => objects.attachments.attach("dnat", dp0)).code).toBe("CONFLICT");
    expect(queryClsact(slot)).toBe(other.program("pass_on").id);
  });
});

test.each(["tcx", "clsact"] as const)(
  "dp_snat is found without its pin, and a filter can be pinned again, by %s",
  (mechanism) => {
    namespace.inside(() => {
      load().close();
      using objects = openPinned({ pinRoot: bpffs.path, mechanism });
      const dp0 = readInterface("dp0");
      expect(attachedBy("snat", dp0)).toBeUndefined();
      objects.attachments.attach("snat", dp0);
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
      expect(filters.map((filter) => isPinned(bpffs.path, filter))).toEqual([false]);
      expect(filters).toEqual([{ program: "snat", iface: dp0, programId: running }]);
      adoptFilters(bpffs.path, filters);
      expect(filters.map((filter) => isPinned(bpffs.path, filter))).toEqual([true]);
      expect(objects.attachments.all()).toMatchObject([{ program: "snat", ifindex: dp0.index, programId: running }]);
      expect(objects.attachments.attach("snat", dp0)).toBe("updated");
    });
  },
);

test("programs are found under the interface they were attached to, not the one that has its name now", () => {
  namespace.inside(() => {
    using objects = load();
    const before = readInterface("dp0");
    objects.attachments.attach("dnat", before);
    namespace.ip("link", "set", "dp0", "name", "renamed");
    namespace.addPair("dp0", "dp2");
    const now = iface("dp0");
    expect(objects.attachments.attach("dnat", now)).toBe("attached");
    expect(queryTcx(before.index, "ingress").entries).toEqual([]);
    expect(queryTcx(now.index, "ingress").entries).toHaveLength(1);
  });
});
