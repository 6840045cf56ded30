/**
 * Attaching where the kernel has no TCX: filters beside those of other programs, on a qdisc that another program may
 * own.
 */
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatapathError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { type Interface, loadBpf, type Objects, openPinned, readInterface } from "../src/index.ts";
import { attachClsact, BpfObject, hasFilters, queryClsact, queryTcx } from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

let bpffs: Bpffs;
let namespace: NetworkNamespace;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
);

function load(mechanism?: "tcx" | "clsact"): Objects {
  return loadBpf({ pinRoot: bpffs.path, ...(mechanism === undefined ? {} : { mechanism }) });
}

function tc(...args: string[]): string {
  return execFileSync("tc", ["-n", namespace.name, ...args], { encoding: "utf8" });
}

function hasQdisc(iface: string): boolean {
  return tc("qdisc", "show", "dev", iface).includes("clsact");
}

function iface(name: string): Interface {
  return namespace.inside(() => readInterface(name));
}

describe("the clsact qdisc", () => {
  test("is removed with the last filter if it was made for the first", () => {
    using objects = load("clsact");
    const dp0 = iface("dp0");
    namespace.inside(() => {
      objects.attachments.attach("arp", dp0);
      objects.attachments.attach("snat", dp0);
      objects.attachments.attach("tproxy_host", dp0);
      objects.attachments.detach("arp", dp0.name);
      objects.attachments.detach("snat", dp0.name);
    });
    expect(hasQdisc("dp0")).toBe(true);
    namespace.inside(() => objects.attachments.detach("tproxy_host", dp0.name));
    expect(hasQdisc("dp0")).toBe(false);
    expect(bpffs.list().filter((pin) => pin.includes("dp0"))).toEqual([]);
  });

  test("is removed with everything else, after another process has attached", () => {
    {
      using objects = load("clsact");
      namespace.inside(() => objects.attachments.attach("dnat", readInterface("dp0")));
    }
    using objects = openPinned({ pinRoot: bpffs.path });
    namespace.inside(() => objects.unpinAll());
    expect(hasQdisc("dp0")).toBe(false);
    expect(bpffs.list()).toEqual([]);
  });

  test("leaves no pin behind when its interface goes first", () => {
    using objects = load("clsact");
    namespace.inside(() => {
      objects.attachments.attach("arp", readInterface("dp0"));
      objects.attachments.attach("snat", readInterface("dp0"));
      namespace.ip("link", "delete", "dp0");
      objects.attachments.detach("snat", "dp0");
      objects.attachments.detach("arp", "dp0");
    });
    expect(bpffs.list().filter((pin) => pin.includes("dp0"))).toEqual([]);
  });

  test("stays when it existed before, also without a filter", () => {
    tc("qdisc", "add", "dev", "dp0", "clsact");
    using objects = load("clsact");
    namespace.inside(() => {
      objects.attachments.attach("dnat", readInterface("dp0"));
      objects.attachments.detach("dnat", "dp0");
    });
    expect(hasQdisc("dp0")).toBe(true);
  });

  test("stays when it is another qdisc than the one that was made", () => {
    using objects = load("clsact");
    namespace.inside(() => objects.attachments.attach("dnat", readInterface("dp0")));
    tc("qdisc", "delete", "dev", "dp0", "clsact");
    tc("qdisc", "add", "dev", "dp0", "clsact");
    namespace.inside(() => {
      expect(objects.attachments.attach("dnat", readInterface("dp0"))).toBe("attached");
      objects.attachments.detach("dnat", "dp0");
    });
    expect(hasQdisc("dp0")).toBe(true);
  });

  test("is removed with the last filter of an interface that was renamed since", () => {
    namespace.inside(() => {
      {
        using objects = load("clsact");
        objects.attachments.attach("dnat", readInterface("dp0"));
      }
      namespace.ip("link", "set", "dp0", "name", "renamed");
      // As an upgrade does it.
      using objects = load("clsact");
      objects.attachments.attach("dnat", readInterface("renamed"));
      expect(bpffs.list().filter((pin) => pin.includes("dp0"))).toEqual([]);
      objects.unpinAll();
    });
    expect(hasQdisc("renamed")).toBe(false);
  });

  test("stays when it existed before its interface was renamed", () => {
    tc("qdisc", "add", "dev", "dp0", "clsact");
    namespace.inside(() => {
      using objects = load("clsact");
      objects.attachments.attach("dnat", readInterface("dp0"));
      namespace.ip("link", "set", "dp0", "name", "renamed");
      objects.attachments.attach("dnat", readInterface("renamed"));
      objects.unpinAll();
    });
    expect(hasQdisc("renamed")).toBe(true);
  });

  test.each(["ingress", "egress"] as const)("stays with filters of other software on its %s", (direction) => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    using objects = load("clsact");
    const slot = { ifindex: namespace.index("dp0"), direction, priority: 7, handle: 1 };
    namespace.inside(() => {
      objects.attachments.attach("dnat", readInterface("dp0"));
      attachClsact(other.program("pass_on"), slot);
      objects.unpinAll();
      expect(queryClsact(slot)).toBe(other.program("pass_on").id);
      expect(hasFilters(slot.ifindex, direction)).toBe(true);
      expect(hasFilters(slot.ifindex, direction === "ingress" ? "egress" : "ingress")).toBe(false);
    });
  });
});

test("a filter of another kind in the same place is a conflict with a hint, and nothing changes", () => {
  tc("qdisc", "add", "dev", "dp0", "clsact");
  tc(..."filter add dev dp0 ingress prio 1 protocol ip u32 match u32 0 0".split(" "));
  const before = tc("filter", "show", "dev", "dp0", "ingress");
  using objects = load("clsact");
  const pins = bpffs.list();
  const error = namespace.inside(() =>
    thrown(DatapathError, () => objects.attachments.attach("dnat", readInterface("dp0"))),
  );
  expect(error.code).toBe("CONFLICT");
  expect(error.message).toContain("has priority 1 a filter of another kind?");
  expect(error.hint).toBe("see: tc filter show dev dp0 ingress");
  expect(tc("filter", "show", "dev", "dp0", "ingress")).toBe(before);
  expect(bpffs.list()).toEqual(pins);
});

test.each([false, true])("a filter whose pin was removed is ours to replace, after an upgrade: %p", (upgraded) => {
  namespace.inside(() => {
    const dp0 = readInterface("dp0");
    {
      using objects = load("clsact");
      objects.attachments.attach("dnat", dp0);
      rmSync(join(bpffs.path, "progs/dp_dnat_dp0"));
      if (!upgraded) expect(objects.attachments.attach("dnat", dp0)).toBe("attached");
    }
    using objects = load("clsact");
    expect(objects.attachments.attach("dnat", dp0)).toBe(upgraded ? "attached" : "updated");
    expect(objects.attachments.all()).toMatchObject([
      { iface: "dp0", programId: objects.attachments.programId("dnat") },
    ]);
    objects.unpinAll();
  });
  expect(hasQdisc("dp0")).toBe(false);
});

test("a filter of another pin root is not replaced", () => {
  using other = new Bpffs();
  using theirs = loadBpf({ pinRoot: other.path, mechanism: "clsact" });
  using objects = load("clsact");
  namespace.inside(() => {
    theirs.attachments.attach("dnat", readInterface("dp0"));
    const error = thrown(DatapathError, () => objects.attachments.attach("dnat", readInterface("dp0")));
    expect(error.code).toBe("CONFLICT");
    expect(theirs.attachments.all()).toMatchObject([{ programId: theirs.attachments.programId("dnat") }]);
    theirs.unpinAll();
  });
});

describe.each(["tcx", "clsact"] as const)("an interface that was renamed, by %s", (mechanism) => {
  const programOn = (ifindex: number): number | undefined =>
    mechanism === "tcx"
      ? queryTcx(ifindex, "ingress").entries[0]?.programId
      : queryClsact({ ifindex, direction: "ingress", priority: 1, handle: 0xd9 });

  test("is left for the interface that has its name now", () => {
    namespace.inside(() => {
      using objects = load(mechanism);
      const before = readInterface("dp0");
      objects.attachments.attach("dnat", before);
      namespace.ip("link", "set", "dp0", "name", "renamed");
      expect(objects.attachments.all()).toMatchObject([{ iface: "dp0", ifindex: before.index }]);
      namespace.addPair("dp0", "dp2");
      const now = readInterface("dp0");
      expect(objects.attachments.attach("dnat", now)).toBe("attached");
      expect(programOn(before.index)).toBeUndefined();
      expect(programOn(now.index)).toBeDefined();
    });
  });

  test("keeps what is attached to it, in place, under its new name", () => {
    namespace.inside(() => {
      {
        using objects = load(mechanism);
        objects.attachments.attach("dnat", readInterface("dp0"));
      }
      namespace.ip("link", "set", "dp0", "name", "renamed");
      using objects = load(mechanism);
      const renamed = readInterface("renamed");
      expect(objects.attachments.attach("dnat", renamed)).toBe("updated");
      expect(objects.attachments.all()).toMatchObject([{ iface: "renamed", ifindex: renamed.index }]);
      expect(programOn(renamed.index)).toBeDefined();
      objects.unpinAll();
      expect(programOn(renamed.index)).toBeUndefined();
    });
  });

  test("loses what is attached to it when everything is unpinned", () => {
    namespace.inside(() => {
      using objects = load(mechanism);
      const { index } = readInterface("dp0");
      objects.attachments.attach("dnat", readInterface("dp0"));
      namespace.ip("link", "set", "dp0", "name", "renamed");
      objects.unpinAll();
      expect(programOn(index)).toBeUndefined();
    });
  });
});

describe("the mechanism", () => {
  test.each(["tcx", "clsact"] as const)("is as was asked for where nothing is attached: %s", (mechanism) => {
    using objects = load(mechanism);
    expect(objects.attachments.mechanism).toBe(mechanism);
    namespace.inside(() => objects.attachments.attach("dnat", readInterface("dp0")));
    expect(namespace.inside(() => objects.attachments.all())).toMatchObject([{ mechanism }]);
  });

  test.each([
    ["tcx", "clsact"],
    ["clsact", "tcx"],
  ] as const)("stays %s where programs are attached by it, though %s is asked for", (first, then) => {
    using before = load(first);
    namespace.inside(() => before.attachments.attach("snat", readInterface("dp0")));
    using objects = load(then);
    expect(objects.attachments.mechanism).toBe(first);
    namespace.inside(() => {
      expect(objects.attachments.attach("snat", readInterface("dp0"))).toBe("updated");
      expect(objects.attachments.attach("arp", readInterface("dp0"))).toBe("attached");
      expect(objects.attachments.all()).toMatchObject([{ mechanism: first }, { mechanism: first }]);
    });
  });

  test("is told by an uplink's pin", () => {
    using before = load("clsact");
    namespace.inside(() => {
      before.attachments.attach("dnat", readInterface("dp0"));
      before.uplinks.set(readInterface("dp0").index);
      using objects = load("tcx");
      expect(objects.attachments.mechanism).toBe("clsact");
    });
  });

  test("is what this kernel has where nothing is asked for", () => {
    using objects = load();
    expect(objects.attachments.mechanism).toBe("tcx");
  });
});
