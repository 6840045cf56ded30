/** The stores on real maps, without programs. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type DpFlowKey, type DpOriginKey, DpFamily } from "@dp/bpf";
import { DatapathError, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import { MapFullError } from "../src/libbpf/index.ts";
import type { Maps } from "../src/objects/maps.ts";
import { Config } from "../src/objects/stores/config.ts";
import { Containers } from "../src/objects/stores/containers.ts";
import { Counters } from "../src/objects/stores/counters.ts";
import { Drops } from "../src/objects/stores/drops.ts";
import { type EndpointEntry, Endpoints, entriesOf } from "../src/objects/stores/endpoints.ts";
import { Flows } from "../src/objects/stores/flows.ts";
import { foreignInterface } from "../src/objects/stores/foreign-interface.ts";
import type { Forward } from "../src/objects/stores/forward.ts";
import { HostAddresses } from "../src/objects/stores/host-addresses.ts";
import { HostPeers } from "../src/objects/stores/host-peers.ts";
import { onEachCpu } from "../src/objects/stores/per-cpu.ts";
import { Players } from "../src/objects/stores/players.ts";
import { Records } from "../src/objects/stores/records.ts";
import { ReservedPorts } from "../src/objects/stores/reserved-ports.ts";
import { entryOf, ServerEntries } from "../src/objects/stores/server-entries.ts";
import { SettingsStore } from "../src/objects/stores/settings.ts";
import { Uplinks } from "../src/objects/stores/uplinks.ts";
import { CONFIG, ENDPOINT, LOBBY, SETTINGS } from "./support/lobby.ts";
import { openPinnedMaps, pinMaps } from "./support/pinned-maps.ts";

requireRoot();

const COUNTERS = 16;

let bpffs: Bpffs;
let namespace: NetworkNamespace;
let maps: Maps & Disposable;

beforeAll(() => {
  namespace = NetworkNamespace.withPair();
});
afterAll(() => {
  namespace[Symbol.dispose]();
  expect(openBpfDescriptors()).toEqual([]);
});
beforeEach(() => {
  bpffs = new Bpffs();
  pinMaps(bpffs.path, { dp_traffic: COUNTERS, dp_counters: COUNTERS, dp_drop_counts: 3 });
  maps = openPinnedMaps(bpffs.path);
});
afterEach(() => {
  maps[Symbol.dispose]();
  bpffs[Symbol.dispose]();
});

describe("endpoints", () => {
  const [[, entry]] = entriesOf(LOBBY) as [[unknown, EndpointEntry]];

  test("are set, replaced and deleted, each by protocol, family, address and port", () => {
    const endpoints = new Endpoints(maps.endpoints);
    const others = [
      { ...ENDPOINT, protocol: "udp" },
      { ...ENDPOINT, address: "2001:db8::10" },
      { ...ENDPOINT, port: 1 },
    ] as const;
    endpoints.set(ENDPOINT, entry);
    for (const [index, other] of others.entries()) endpoints.set(other, { ...entry, server: index + 8 });
    expect(endpoints.get(ENDPOINT)).toEqual(entry);
    expect(others.map((other) => endpoints.get(other)?.server)).toEqual([8, 9, 10]);
    endpoints.set(ENDPOINT, { ...entry, open: false });
    expect(endpoints.get(ENDPOINT)?.open).toBe(false);
    expect([endpoints.delete(ENDPOINT), endpoints.delete(ENDPOINT)]).toEqual([true, false]);
    expect(
      endpoints
        .all()
        .map(([, { server }]) => server)
        .sort(),
    ).toEqual([10, 8, 9].sort());
  });

  test("of a range of 1,000 ports are written and deleted together", () => {
    const endpoints = new Endpoints(maps.endpoints);
    const forwards = [{ ...(LOBBY.forwards[0] as Forward), port: 30000, count: 1000, containerPort: 20000 }];
    const entries = entriesOf({ ...LOBBY, forwards });
    endpoints.setMany(entries);
    expect(endpoints.all()).toHaveLength(1000);
    expect(endpoints.get({ ...ENDPOINT, port: 30999 })?.containerPort).toBe(20999);
    expect(endpoints.deleteMany(entries.map(([endpoint]) => endpoint))).toBe(1000);
    expect(endpoints.all()).toEqual([]);
  });

  test("with an address that is none are refused", () => {
    const endpoints = new Endpoints(maps.endpoints);
    for (const address of ["203.0.113", "::ffff:10.0.0.1", "fe80::1%eth0"]) {
      expect(thrown(DatapathError, () => endpoints.set({ ...ENDPOINT, address }, entry)).code).toBe("BAD_USAGE");
    }
  });
});

describe("server entries", () => {
  test("keep both families and all forwards", () => {
    const servers = new ServerEntries(maps.servers);
    const [forward] = LOBBY.forwards as [Forward];
    const entry = entryOf(
      {
        ...LOBBY,
        addresses: { ...LOBBY.addresses, ipv6: { container: "fd00:2::2", gateway: "fd00:1::2" } },
        forwards: Array.from({ length: 32 }, (_, at): Forward => ({ ...forward, port: at + 1, containerPort: at + 1 })),
      },
      9,
    );
    servers.set(4, entry);
    servers.set(5, entryOf(LOBBY, 0));
    expect(servers.get(4)).toEqual(entry);
    expect(servers.all().sort()).toEqual([
      [4, entry],
      [5, entryOf(LOBBY, 0)],
    ]);
    expect([servers.delete(4), servers.delete(4)]).toEqual([true, false]);
    expect(servers.get(4)).toBeUndefined();
  });

  test("have room for 32 forwards", () => {
    const servers = new ServerEntries(maps.servers);
    const entry = entryOf({ ...LOBBY, forwards: Array.from({ length: 33 }, () => LOBBY.forwards[0] as Forward) }, 0);
    const error = thrown(DatapathError, () => servers.set(4, entry));
    expect([error.code, error.reason]).toEqual(["BAD_USAGE", "dp_server.forwards has room for 32 elements, not 33"]);
  });
});

test("containers are found by the addresses of both families", () => {
  const containers = new Containers(maps.containers);
  containers.set("10.2.0.2", { server: 7, hostPeer: 9 });
  containers.set("fd00:2::2", { server: 7, hostPeer: 9 });
  expect([containers.get("10.2.0.2"), containers.get("10.2.0.3")]).toEqual([{ server: 7, hostPeer: 9 }, undefined]);
  expect(
    containers
      .all()
      .map(([address]) => address)
      .sort(),
  ).toEqual(["10.2.0.2", "fd00:2::2"]);
  expect([containers.delete("fd00:2::2"), containers.delete("fd00:2::2")]).toEqual([true, false]);
});

describe("host peers and uplinks", () => {
  test("are interfaces of this namespace, until they are deleted", () => {
    namespace.addPair("dp7", "eth7");
    const index = namespace.index("dp7");
    const [hostPeers, uplinks] = [new HostPeers(maps.hostPeers), new Uplinks(maps.uplinks)];
    namespace.inside(() => {
      hostPeers.set(7, index);
      uplinks.set(index);
      expect(thrown(SyscallError, () => hostPeers.set(8, 99999)).errnoName).toBe("EINVAL");
    });
    expect([hostPeers.get(7), hostPeers.get(8), hostPeers.all(), uplinks.all()]).toEqual([
      index,
      undefined,
      [[7, index]],
      [index],
    ]);
    namespace.ip("link", "del", "dp7");
    expect([hostPeers.get(7), hostPeers.all(), uplinks.all()]).toEqual([undefined, [], []]);
  });

  test("are deleted once", () => {
    const [hostPeers, uplinks] = [new HostPeers(maps.hostPeers), new Uplinks(maps.uplinks)];
    namespace.inside(() => {
      hostPeers.set(7, namespace.index("dp0"));
      uplinks.set(namespace.index("dp1"));
    });
    expect([hostPeers.delete(7), hostPeers.delete(7)]).toEqual([true, false]);
    expect([uplinks.delete(namespace.index("dp1")), uplinks.delete(namespace.index("dp1"))]).toEqual([true, false]);
  });

  test("that are elsewhere tell that what is loaded is for another namespace", () => {
    const [hostPeers, uplinks] = [new HostPeers(maps.hostPeers), new Uplinks(maps.uplinks)];
    const containers = new Containers(maps.containers);
    const foreign = () => foreignInterface(uplinks, containers, hostPeers);
    using other = NetworkNamespace.withPair();
    for (let pair = 0; pair < 4; pair++) other.addPair(`a${pair}`, `b${pair}`);
    const index = other.index("b3");
    other.inside(() => {
      for (let id = 1; id <= 20; id++) {
        containers.set(`10.2.0.${id}`, { server: id, hostPeer: index });
        hostPeers.set(id, index);
      }
    });
    expect(other.inside(foreign)).toBeUndefined();
    expect(namespace.inside(foreign)).toBe(index);
    for (let id = 1; id <= 20; id++) hostPeers.delete(id);
    other.inside(() => uplinks.set(index));
    expect(namespace.inside(foreign)).toBe(index);
  });
});

describe("players", () => {
  test("have a table for each server, empty when it is added", () => {
    const players = new Players(maps.players);
    players.add(7);
    players.add(4);
    expect([players.has(7), players.has(8), players.ids()]).toEqual([true, false, [4, 7]]);
    {
      using table = maps.players.get(7);
      table?.set(0, (table.get(0) ?? []).with(5, 1));
    }
    players.add(7);
    using table = maps.players.get(7);
    expect(table?.get(0)?.[5]).toBe(0);
    expect(table?.info).toMatchObject({ maxEntries: 1, valueSize: 4 * 8064 });
    expect([players.delete(7), players.delete(7), players.ids()]).toEqual([true, false, [4]]);
  });
});

describe("counters", () => {
  const zero = { packets: 0n, bytes: 0n };
  const stores = () => {
    const records = new Records(maps, new Endpoints(maps.endpoints));
    return { records, counters: new Counters(maps, records) };
  };
  const count = (counter: number, packets: bigint) =>
    maps.traffic.set(counter, onEachCpu({ in: { packets, bytes: 60n }, out: { packets: 1n, bytes: 1n } }));

  test("are claimed from zero, and belong to one server", () => {
    const { counters } = stores();
    count(1, 5n);
    counters.claim(1, 7);
    expect([counters.owner(1), counters.owner(2), counters.read(1)]).toEqual([7, undefined, { in: zero, out: zero }]);
    const error = thrown(DatapathError, () => counters.claim(1, 8));
    expect(error).toMatchObject({ code: "CONFLICT", reason: "server 7 has it" });
    count(1, 2n);
    counters.claim(1, 7);
    expect(counters.read(1).in.packets).toBe(2n * BigInt(onEachCpu(0).length));
    expect(counters.all()).toEqual([[1, 7]]);
    expect([counters.release(1), counters.release(1), counters.owner(1)]).toEqual([true, false, undefined]);
  });

  test.each([0, COUNTERS, -1, 1.5])("do not include %p", (counter) => {
    expect(thrown(DatapathError, () => stores().counters.claim(counter, 7)).code).toBe("BAD_USAGE");
  });

  test("are read together", () => {
    const { counters } = stores();
    count(3, 1n);
    const [three, four] = [counters.read(3), counters.read(4)];
    expect(three.in.bytes).toBe(60n * BigInt(onEachCpu(0).length));
    expect(counters.readMany([3, 4, 3])).toEqual(
      new Map([
        [3, three],
        [4, four],
      ]),
    );
    const all = Array.from({ length: COUNTERS - 1 }, (_, at) => at + 1);
    expect(counters.readMany(all).get(3)).toEqual(three);
    expect([...counters.readMany(all).keys()].sort((one, other) => one - other)).toEqual(all);
  });

  test("that are free are the lowest, in whatever order they were claimed and released", () => {
    const change = fc.record({
      claim: fc.integer({ min: 0, max: 3 }),
      release: fc.integer({ min: 1, max: COUNTERS - 1 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const { counters, records } = stores();
        for (const [counter] of counters.all()) counters.release(counter);
        records.setFreeFrom({ counter: 1 });
        const taken = new Set<number>();
        for (const { claim, release } of changes) {
          const free = Array.from({ length: COUNTERS - 1 }, (_, at) => at + 1).filter((each) => !taken.has(each));
          if (free.length < claim) expect(() => counters.lowestFree(claim)).toThrow(MapFullError);
          else {
            expect(counters.lowestFree(claim)).toEqual(free.slice(0, claim));
            for (const counter of free.slice(0, claim)) {
              counters.claim(counter, 7);
              taken.add(counter);
            }
          }
          expect(counters.release(release)).toBe(taken.delete(release));
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("drop counts", () => {
  test("are counted for each server from zero, and for no server from the start", () => {
    const drops = new Drops(maps.dropCounts);
    expect(drops.read()).toBeUndefined();
    drops.start();
    drops.add(7);
    expect([drops.read(7)?.spoofedMac, drops.read(8), drops.ids()]).toEqual([0n, undefined, [7]]);
    const [none] = maps.dropCounts.get(0) ?? [];
    maps.dropCounts.set(0, onEachCpu({ packets: (none?.packets ?? []).with(8, 2n) }));
    drops.start();
    expect(drops.read()?.spoofedMac).toBe(2n * BigInt(onEachCpu(0).length));
    expect([drops.delete(7), drops.delete(7)]).toEqual([true, false]);
  });

  test("of no server stay, and have room besides those of all servers", () => {
    const drops = new Drops(maps.dropCounts);
    drops.start();
    expect(thrown(DatapathError, () => drops.delete(0)).code).toBe("BAD_USAGE");
    drops.add(1);
    drops.add(2);
    expect(() => drops.add(3)).toThrow(MapFullError);
  });
});

describe("flows", () => {
  const key: DpFlowKey = {
    server: 7,
    dst: "198.51.100.1",
    sport: 4000,
    dport: 443,
    protocol: 6,
    family: DpFamily.ipv4,
  };
  const originKey: DpOriginKey = { server: 7, sport: 4001, protocol: 6, family: DpFamily.ipv4 };
  const origin = { dst: key.dst, dport: 443, sport: 4000, listener: 9111, end: 0, expires: 0n };

  function addFlows(): Flows {
    for (const server of [7, 8]) {
      maps.flows.set({ ...key, server }, { sport: 4001, listener: 9111 });
      maps.origins.set({ ...originKey, server }, origin);
      maps.flowCounts.set(server, { flows: 1 });
    }
    maps.origins.set(
      { server: 7, sport: 5000, protocol: 17, family: DpFamily.ipv6 },
      {
        ...origin,
        dst: "2001:db8::53",
        dport: 53,
        sport: 5000,
        expires: 9n,
      },
    );
    return new Flows(maps);
  }

  test("are listed as the proxy sees them, of all servers or of one", () => {
    const flows = addFlows();
    expect(flows.of(8)).toEqual([
      {
        server: 8,
        protocol: "tcp",
        port: 4000,
        portAtProxy: 4001,
        destination: { address: "198.51.100.1", port: 443 },
        listener: 9111,
        expires: undefined,
      },
    ]);
    const [datagrams] = flows.of(7).filter(({ protocol }) => protocol === "udp");
    expect(datagrams).toMatchObject({ destination: { address: "2001:db8::53", port: 53 }, expires: 9n });
    expect([flows.all().length, flows.count(7), flows.count(9)]).toEqual([3, 1, 0]);
  });

  test("of a removed server are deleted in both directions, and no others", () => {
    const flows = addFlows();
    // Half a flow, as a program leaves it that is killed in between.
    maps.flows.set({ ...key, sport: 1 }, { sport: 2, listener: 3 });
    expect([...flows.ids()].sort()).toEqual([7, 8]);
    expect([flows.delete(7), flows.delete(7)]).toEqual([2, 0]);
    expect([flows.of(7), flows.count(7), [...flows.ids()]]).toEqual([[], 0, [8]]);
    expect([...maps.flows.keys()].map(({ server }) => server)).toEqual([8]);
  });

  test("are counted as none where the programs' count is below zero", () => {
    maps.flowCounts.set(7, { flows: -1 });
    expect(new Flows(maps).count(7)).toBe(0);
  });
});

describe("the host", () => {
  test("has a configuration once it is set, until it is cleared", () => {
    const config = new Config(maps.configs);
    expect(config.get()).toBeUndefined();
    config.set(CONFIG);
    expect(config.get()).toEqual(CONFIG);
    const secret = maps.configs.get(0)?.playerKey;
    config.clear();
    expect([config.get(), maps.configs.get(0)?.playerKey]).toEqual([undefined, secret]);
    config.set(CONFIG);
    expect(maps.configs.get(0)?.playerKey).toBe(secret);
  });

  test("has the addresses that were set, of both families, and the filter for them", () => {
    const config = new Config(maps.configs);
    const addresses = new HostAddresses(maps.hostAddrs, config);
    config.set(CONFIG);
    addresses.set([
      { address: "203.0.113.10", ifindex: 2 },
      { address: "2001:db8::7", ifindex: 3 },
    ]);
    expect([addresses.ownerOf("203.0.113.10"), addresses.ownerOf("2001:db8::7"), addresses.ownerOf("::1")]).toEqual([
      2,
      3,
      undefined,
    ]);
    expect(maps.configs.get(0)?.hostFilter).toEqual([(1n << 10n) | (1n << 7n), 0n, 0n, 0n]);
    addresses.set([{ address: "2001:db8::7", ifindex: 4 }]);
    expect(addresses.all()).toEqual([{ address: "2001:db8::7", ifindex: 4 }]);
    expect(maps.configs.get(0)?.hostFilter).toEqual([1n << 7n, 0n, 0n, 0n]);
    expect(config.get()).toEqual(CONFIG);
  });

  test("has settings once they are set", () => {
    const settings = new SettingsStore(maps.settings);
    expect(settings.get()).toBeUndefined();
    for (const publicAddresses of [SETTINGS.publicAddresses, { ipv6: "2001:db8::10" }, {}]) {
      settings.set({ ...SETTINGS, publicAddresses });
      expect(settings.get()).toEqual({ ...SETTINGS, publicAddresses });
    }
    for (const portRange of [
      [2, 1],
      [0, 5],
      [1, 65536],
    ] as const) {
      expect(thrown(DatapathError, () => settings.set({ ...SETTINGS, portRange })).code).toBe("BAD_USAGE");
    }
  });

  test("has the reserved ports that were added and not removed", () => {
    const reserved = new ReservedPorts(maps.reservedPorts);
    reserved.add([25570, 0, 65535, 63, 64]);
    expect([reserved.has(25570), reserved.has(25571), reserved.all()]).toEqual([
      true,
      false,
      [0, 63, 64, 25570, 65535],
    ]);
    reserved.remove([0, 25570, 9]);
    expect(reserved.all()).toEqual([63, 64, 65535]);
    expect(thrown(DatapathError, () => reserved.add([5, 65536])).code).toBe("BAD_USAGE");
    expect(reserved.all()).toEqual([63, 64, 65535]);
  });
});
