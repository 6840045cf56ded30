/** What Objects has besides its stores and attachments, on the loaded programs and maps. */
import { describe, expect, test } from "bun:test";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  type Endpoint,
  type EndpointEntry,
  entriesOf,
  entryOf,
  loadBpf,
  type Objects,
  readInterface,
  toVethPeer,
} from "../src/index.ts";
import { Program } from "../src/libbpf/index.ts";
import { ENDPOINT, LOBBY } from "./support/lobby.ts";

requireRoot();

let bpffs: Bpffs;
let namespace: NetworkNamespace;
let objects: Objects;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (namespace = NetworkNamespace.withPair()),
  () => (objects = loadBpf({ pinRoot: bpffs.path })),
);

describe("the methods with the names of the Go library", () => {
  const [[, entry]] = entriesOf(LOBBY) as [[Endpoint, EndpointEntry]];

  test("are those of the stores", () => {
    objects.addDnatTarget(ENDPOINT, entry);
    expect(objects.endpoints.get(ENDPOINT)).toEqual(entry);
    expect([objects.delDnatTarget(ENDPOINT), objects.delDnatTarget(ENDPOINT)]).toEqual([true, false]);
    objects.addSnatTarget(9, entryOf(LOBBY, 5));
    expect(objects.servers.get(9)).toEqual(entryOf(LOBBY, 5));
    expect([objects.delSnatTarget(9), objects.delSnatTarget(9)]).toEqual([true, false]);
    objects.addNetData(LOBBY, "create");
    expect(thrown(SyscallError, () => objects.addNetData(LOBBY, "create")).errno).toBe(Errno.EEXIST);
    expect(objects.getNetData(LOBBY.id)).toEqual(LOBBY);
    expect(objects.records.find({ endpoint: ENDPOINT })).toEqual(LOBBY);
    expect([objects.delNetData(LOBBY.id), objects.delNetData(LOBBY.id)]).toEqual([true, false]);
    objects.addVethPairEntry("10.2.0.2", { server: 7, hostPeer: 9 });
    expect(objects.containers.get("10.2.0.2")).toEqual({ server: 7, hostPeer: 9 });
    expect([objects.delVethPairEntry("10.2.0.2"), objects.delVethPairEntry("10.2.0.2")]).toEqual([true, false]);
  });

  test("refuse values that cannot be, and change nothing", () => {
    const long = thrown(DatapathError, () => objects.addNetData({ ...LOBBY, name: "x".repeat(64) }));
    expect(long).toMatchObject({ code: "BAD_USAGE" });
    expect(long.message).toContain("dp_name.text");
    const noAddress: Endpoint = { ...ENDPOINT, address: "1.2.3" };
    expect(thrown(DatapathError, () => objects.addDnatTarget(noAddress, entry)).code).toBe("BAD_USAGE");
    expect(thrown(DatapathError, () => objects.delVethPairEntry("10.2.0")).code).toBe("BAD_USAGE");
    expect([objects.records.all(), objects.endpoints.all()]).toEqual([[], []]);
  });
});

test("ids are given out by the interfaces and the servers there are", () => {
  const ids = objects.serverIds((name) => name === "dp1");
  expect(ids.lowestFree()).toBe(2);
  objects.records.set({ ...LOBBY, id: 2 });
  expect(ids.lowestFree()).toBe(3);
});

test("what the programs count is what is read", () => {
  using snat = Program.fromPin(bpffs.join("progs", "dp_snat"));
  expect(objects.drops.read()?.unknownInterface).toBe(0n);
  // No server is behind loopback: the packet is dropped, and counted where what belongs to no server is.
  const ipv4 = Uint8Array.from({ length: 64 }, (_, index) => (index === 12 ? 0x08 : index === 14 ? 0x45 : 0));
  snat.testRun({ data: ipv4 });
  expect(objects.drops.read()?.unknownInterface).toBe(1n);
});

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
