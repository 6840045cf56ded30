import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { DatapathError, Errno, open as openFile, O_DIRECTORY, O_RDONLY, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  attachCgroup,
  type AttachCgroupOptions,
  attachClsact,
  attachIter,
  attachTcx,
  attachXdp,
  BpfObject,
  type ClsactSlot,
  destroyClsact,
  interfaceIndex,
  detachClsact,
  Link,
  linkIds,
  mapIds,
  programIds,
  queryCgroup,
  queryClsact,
  queryTcx,
  runIter,
  u32,
} from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

let namespace: NetworkNamespace;
let object: BpfObject;

forEachTest(
  () => (namespace = NetworkNamespace.withPair()),
  () => (object = BpfObject.open(fixture("packet"), { name: "packet" }).load()),
);

const programs = () =>
  ["count_hits", "pass_on", "pass_on_too"].map((name) => object.program(name)) as never as [
    ReturnType<BpfObject["program"]>,
    ReturnType<BpfObject["program"]>,
    ReturnType<BpfObject["program"]>,
  ];

describe("TCX links", () => {
  test("run in the order they were asked to", () => {
    const [one, two, three] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      const order = () => queryTcx(ifindex, "ingress").entries.map(({ linkId }) => linkId);
      expect(order()).toEqual([]);
      using middle = attachTcx({ program: one, ifindex, direction: "ingress" });
      {
        using first = attachTcx({ program: two, ifindex, direction: "ingress", position: "first" });
        using last = attachTcx({ program: three, ifindex, direction: "ingress" });
        expect(order()).toEqual([first.id, middle.id, last.id]);
      }
      expect(order()).toEqual([middle.id]);
      {
        using before = attachTcx({ program: two, ifindex, direction: "ingress", position: { before: middle } });
        using after = attachTcx({ program: three, ifindex, direction: "ingress", position: { after: before } });
        expect(order()).toEqual([before.id, after.id, middle.id]);
      }
      using beside = attachTcx({ program: three, ifindex, direction: "ingress", position: { before: one } });
      expect(order()).toEqual([beside.id, middle.id]);
      expect(queryTcx(ifindex, "egress").entries).toEqual([]);
    });
  });

  test("report their hook and their program", () => {
    const [program] = programs();
    const ifindex = namespace.index("dp1");
    namespace.inside(() => {
      using link = attachTcx({ program, ifindex, direction: "egress" });
      expect(link.info()).toEqual({ kind: "tcx", id: link.id, programId: program.id, ifindex, direction: "egress" });
      expect(link.attached).toBe(true);
      using same = Link.fromId(link.id);
      expect(same.info()).toEqual(link.info());
    });
  });

  test("swap their program in place", () => {
    const [one, two, three] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      using first = attachTcx({ program: one, ifindex, direction: "ingress" });
      using second = attachTcx({ program: two, ifindex, direction: "ingress" });
      first.update(three);
      first.update(three);
      expect(queryTcx(ifindex, "ingress").entries).toEqual([
        { programId: three.id, linkId: first.id },
        { programId: two.id, linkId: second.id },
      ]);
      const error = thrown(SyscallError, () => first.update(two));
      expect(error.message).toContain("the program is attached there already, by another link");
    });
  });

  test("detach when the last descriptor closes, unless they are pinned", () => {
    using bpffs = new Bpffs();
    const [one] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      const count = () => queryTcx(ifindex, "ingress").entries.length;
      attachTcx({ program: one, ifindex, direction: "ingress" }).close();
      expect(count()).toBe(0);
      {
        using link = attachTcx({ program: one, ifindex, direction: "ingress" });
        link.pin(bpffs.join("link"));
      }
      expect(count()).toBe(1);
      using pinned = Link.fromPin(bpffs.join("link"));
      expect(pinned.info()).toMatchObject({ kind: "tcx", ifindex });
      pinned.detach();
      pinned.detach();
      expect(count()).toBe(0);
      expect(pinned.attached).toBe(false);
    });
  });

  test("outlive their interface, without effect", () => {
    const [one, two] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      using link = attachTcx({ program: one, ifindex, direction: "ingress" });
      namespace.ip("link", "del", "dp0");
      expect(link.info()).toMatchObject({ kind: "tcx", ifindex: 0 });
      expect(link.attached).toBe(false);
      const error = thrown(SyscallError, () => link.update(two));
      expect(error.errno).toBe(Errno.ENOLINK);
      expect(error.message).toContain("what it was attached to is gone");
      link.detach();
    });
  });

  test("fail with the reason for wrong arguments", () => {
    const [one] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      const attach = (options: object) => () => attachTcx({ program: one, ifindex, direction: "ingress", ...options });
      expect(attach({ ifindex: 9999 })).toThrow(
        "attach count_hits to the ingress of interface 9999: no such interface",
      );
      expect(attach({ direction: "sideways" })).toThrow('the direction must be "ingress" or "egress", not sideways');
      expect(attach({ expectedRevision: 77n })).toThrow("the programs on that hook have changed meanwhile");
      using link = attach({ expectedRevision: queryTcx(ifindex, "ingress").revision })();
      expect(link.attached).toBe(true);
      expect(attach({})).toThrow("the program is attached there already");
      expect(() => queryTcx(9999, "ingress")).toThrow("no such interface");
    });
  });
});

describe("clsact filters", () => {
  const slot = (ifindex: number): ClsactSlot => ({ ifindex, direction: "egress", priority: 7, handle: 3 });

  test("are attached, replaced in place, found and detached", () => {
    const [one, two] = programs();
    const ifindex = namespace.index("dp0");
    namespace.inside(() => {
      expect(queryClsact(slot(ifindex))).toBeUndefined();
      expect(detachClsact(slot(ifindex))).toBe(false);
      expect(attachClsact(one, slot(ifindex))).toBe("attached");
      expect(queryClsact(slot(ifindex))).toBe(one.id);
      expect(attachClsact(two, slot(ifindex))).toBe("updated");
      expect(queryClsact(slot(ifindex))).toBe(two.id);
      expect(attachClsact(one, { ...slot(ifindex), priority: 8 })).toBe("attached");
      expect(detachClsact(slot(ifindex))).toBe(true);
      expect(detachClsact(slot(ifindex))).toBe(false);
      expect(queryClsact({ ...slot(ifindex), priority: 8 })).toBe(one.id);
      expect(destroyClsact(ifindex)).toBe(true);
      expect(destroyClsact(ifindex)).toBe(false);
    });
  });

  test("on an interface that does not exist are an error when attached, and absent when looked for", () => {
    const [one] = programs();
    namespace.inside(() => {
      expect(() => attachClsact(one, slot(9999))).toThrow("attach count_hits to the egress of interface 9999");
      expect(queryClsact(slot(9999))).toBeUndefined();
      expect(detachClsact(slot(9999))).toBe(false);
      expect(destroyClsact(9999)).toBe(false);
    });
  });
});

describe("XDP links", () => {
  let ring: BpfObject;

  beforeEach(() => {
    ring = BpfObject.open(fixture("ring"), { name: "ring" }).load();
  });

  afterEach(() => ring.close());

  test("keep packets from an interface while they are open, and one at a time", () => {
    const program = ring.program("drop_all");
    namespace.ip("link", "set", "dp0", "up");
    namespace.ip("link", "set", "dp1", "up");
    namespace.ip("addr", "add", "10.99.0.1/24", "dev", "dp0");
    const ifindex = namespace.index("dp1");
    const received = () => {
      const [link] = JSON.parse(namespace.ip("-j", "-s", "link", "show", "dp1")) as {
        xdp?: { mode: number };
        stats64: { rx: { dropped: number } };
      }[];
      return { mode: link?.xdp?.mode, dropped: link?.stats64.rx.dropped };
    };
    namespace.inside(() => {
      using link = attachXdp({ program, ifindex, mode: "generic" });
      expect(link.info()).toEqual({ kind: "xdp", id: link.id, programId: program.id, ifindex });
      expect(link.attached).toBe(true);
      expect(received().mode).toBe(2);
      const again = thrown(SyscallError, () => attachXdp({ program, ifindex, mode: "generic" }));
      expect(again).toMatchObject({ errno: Errno.EBUSY, reason: expect.stringContaining("XDP program already") });
      link.detach();
      expect(link.attached).toBe(false);
      expect(received().mode).toBeUndefined();
      using inDriver = attachXdp({ program, ifindex });
      expect(received().mode).toBe(1);
      inDriver.close();
      expect(thrown(SyscallError, () => attachXdp({ program, ifindex: 9999 })).message).toContain("no such interface");
      expect(thrown(SyscallError, () => attachXdp({ program, ifindex, mode: "offload" })).op).toContain("drop_all");
    });
  });
});

test("an interface's index is found by its name, in the namespace of the caller", () => {
  namespace.inside(() => {
    expect(interfaceIndex("dp0")).toBe(namespace.index("dp0"));
    expect(thrown(DatapathError, () => interfaceIndex("none")).message).toBe(
      "find interface none: nothing has this name in this network namespace",
    );
  });
});

test("programs, maps and links in the kernel are listed by id", () => {
  const [program] = programs();
  const ifindex = namespace.index("dp0");
  namespace.inside(() => {
    using link = attachTcx({ program, ifindex, direction: "ingress" });
    expect([...programIds()]).toContain(program.id);
    expect([...linkIds()]).toContain(link.id);
    for (const id of program.info().mapIds) expect([...mapIds()]).toContain(id);
  });
});

describe("cgroup links", () => {
  test("are listed, those of the cgroups above too when asked", () => {
    using above = new Cgroup();
    const below = `${above.path}/below`;
    mkdirSync(below);
    try {
      using hooks = BpfObject.open(fixture("cgroup"), { name: "cgroup" }).load();
      const [refuse, allow] = [hooks.program("refuse_connect"), hooks.program("allow_connect")];
      const attachType = "inet4Connect";
      using _one = attachCgroup({ program: refuse, cgroup: above.path, attachType });
      using _other = attachCgroup({ program: allow, cgroup: below, attachType });
      expect(queryCgroup({ cgroup: above.path, attachType })).toEqual([refuse.id]);
      expect(queryCgroup({ cgroup: below, attachType })).toEqual([allow.id]);
      const effective = queryCgroup({ cgroup: below, attachType, effective: true });
      expect(effective).toContain(refuse.id);
      expect(effective).toContain(allow.id);
      expect(queryCgroup({ cgroup: below, attachType: "inet6Connect" })).toEqual([]);
      expect(thrown(SyscallError, () => queryCgroup({ cgroup: "/tmp", attachType })).errnoName).toBe("EBADF");
    } finally {
      rmdirSync(below);
    }
  });

  const CONNECT = "exec 3<>/dev/tcp/127.0.0.1/9";

  test("decide for the processes of their cgroup, and are swapped in place", () => {
    using cgroup = new Cgroup();
    using hooks = BpfObject.open(fixture("cgroup"), { name: "cgroup" }).load();
    using link = attachCgroup({
      program: hooks.program("refuse_connect"),
      cgroup: cgroup.path,
      attachType: "inet4Connect",
    });
    expect(link.info()).toMatchObject({ kind: "cgroup", attachType: "inet4Connect" });
    expect(cgroup.bash(CONNECT).stderr).toContain("Operation not permitted");
    link.update(hooks.program("allow_connect"));
    expect(cgroup.bash(CONNECT).stderr).toContain("Connection refused");
    link.update(hooks.program("refuse_connect"));
    link.close();
    expect(cgroup.bash(CONNECT).stderr).toContain("Connection refused");
  });

  test("take an open folder as well as a path, and leave it open", () => {
    using cgroup = new Cgroup();
    using hooks = BpfObject.open(fixture("cgroup"), { name: "cgroup" }).load();
    using folder = openFile(cgroup.path, O_RDONLY | O_DIRECTORY);
    using link = attachCgroup({
      program: hooks.program("refuse_connect"),
      cgroup: folder,
      attachType: "inet4Connect",
    });
    expect(link.attached).toBe(true);
    expect(folder.closed).toBe(false);
  });

  test("outlive their cgroup, without effect", async () => {
    using cgroup = new Cgroup();
    using hooks = BpfObject.open(fixture("cgroup"), { name: "cgroup" }).load();
    using link = attachCgroup({
      program: hooks.program("refuse_connect"),
      cgroup: cgroup.path,
      attachType: "inet4Connect",
    });
    cgroup.remove();
    // The kernel lets go of a cgroup in its own time.
    for (let wait = 0; link.attached && wait < 200; wait++) await Bun.sleep(10);
    expect(link.info()).toMatchObject({ kind: "cgroup", cgroupId: 0n });
    expect(thrown(SyscallError, () => link.update(hooks.program("allow_connect"))).errno).toBe(Errno.ENOLINK);
  });

  test("refuse other folders, missing folders, and programs of another type", () => {
    using cgroup = new Cgroup();
    using hooks = BpfObject.open(fixture("cgroup"), { name: "cgroup" }).load();
    const program = hooks.program("refuse_connect");
    const attachType = "inet4Connect";
    const refused = (change: Partial<AttachCgroupOptions>) => {
      const options = { program, cgroup: cgroup.path, attachType, ...change } as const;
      const { errnoName, hint } = thrown(SyscallError, () => attachCgroup(options));
      return [errnoName, hint];
    };
    expect(refused({ cgroup: "/tmp" })).toEqual([
      "EBADF",
      "it is not a cgroup: `findmnt -t cgroup2` shows where those are",
    ]);
    expect(refused({ cgroup: "/no/such/folder" })).toEqual(["ENOENT", undefined]);
    const hint = 'is it a program for inet4Connect? Its SEC() says what it is for, as in SEC("cgroup/connect4")';
    expect(refused({ program: object.program("pass_on") })).toEqual(["EINVAL", hint]);
  });
});

describe("iterators", () => {
  /** Loads one of the fixture's programs; the kernel may refuse the other. */
  function load(program: string): BpfObject {
    const open = BpfObject.open(fixture("iter"), { name: "iter" });
    for (const each of open.programs()) each.setAutoload(each.name === program);
    return open.load();
  }

  /** Some hardened kernels load no program that may write into the maps it walks. */
  const refusal = (() => {
    try {
      load("each_entry").close();
      return undefined;
    } catch (error) {
      return error;
    }
  })();

  test("run once for each object of the kernel, and again when asked again", () => {
    using walkers = load("each_map");
    using link = attachIter({ program: walkers.program("each_map") });
    expect(link.info()).toMatchObject({ kind: "iter", target: "bpf_map" });
    expect(link.attached).toBe(true);
    for (let round = 0; round < 2; round++) {
      const lines = new TextDecoder().decode(runIter(link)).trimEnd().split("\n");
      expect(new Set(lines)).toEqual(new Set(["map"]));
    }
  });

  if (refusal === undefined) {
    test("walk the entries of a given map", () => {
      using walkers = load("each_entry");
      const walked = walkers.map("walked", u32, u32);
      for (const value of [10, 20, 30]) walked.set(value, value);
      using link = attachIter({ program: walkers.program("each_entry"), map: walked });
      const values = new Uint32Array(runIter(link).slice().buffer);
      expect([...values].toSorted((one, other) => one - other)).toEqual([10, 20, 30]);
      expect(() => attachIter({ program: walkers.program("each_entry") })).toThrow("make the iterator each_entry");
    });
  } else {
    // test/vm walks them in Debian's kernels.
    test("over a given map are not loaded by this kernel, and the error does not blame the verifier", () => {
      expect(refusal).toMatchObject({ name: "SyscallError", errno: Errno.EPERM, code: "UNSUPPORTED" });
      expect(refusal).toMatchObject({ hint: expect.stringContaining("this kernel does not load such a program") });
    });
  }
});
