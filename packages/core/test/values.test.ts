/** How values become map entries and back: the parts of the stores that need no map. */
import { describe, expect, test } from "bun:test";
import { dpConfig, DpDropReason, dpRecord } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import { PinRoot } from "../src/objects/programs/pin-root.ts";
import { decodeConfig, encodeConfig } from "../src/objects/stores/config.ts";
import { sumTraffic } from "../src/objects/stores/counters.ts";
import { sumDrops } from "../src/objects/stores/drops.ts";
import { endpointText, familyOfAddress } from "../src/objects/stores/endpoint.ts";
import { entriesOf } from "../src/objects/stores/endpoints.ts";
import { endpointsOf, type Forward, forwardText, hasEndpoint, requireForwards } from "../src/objects/stores/forward.ts";
import { hostFilter } from "../src/objects/stores/host-addresses.ts";
import { entryOf } from "../src/objects/stores/server-entries.ts";
import { decodeRecord, encodeRecord, serverLabel, type ServerRecord } from "../src/objects/stores/server-record.ts";
import { Undo } from "../src/objects/upgrade/undo.ts";
import { CONFIG, ENDPOINT, LOBBY } from "./support/lobby.ts";

const EMPTY = dpConfig.read(new Uint8Array(dpConfig.size));

describe("the host's configuration", () => {
  test.each([
    CONFIG,
    { ...CONFIG, hostSubnets: { ipv6: "fd00:1::/64" }, containerSubnets: { ipv6: "fd00:2::/56" } },
    { ...CONFIG, hostSubnets: { ipv4: "10.1.0.0/16", ipv6: "fd00:1::/64" } },
  ])("survives the way into the map and back: %j", (config) => {
    expect(decodeConfig(dpConfig.read(dpConfig.write(encodeConfig(config, EMPTY))))).toEqual(config);
  });

  test("keeps every prefix length of both families", () => {
    const lengths = fc.oneof(
      fc.integer({ min: 1, max: 32 }).map((length) => ({ ipv4: `128.0.0.0/${length}` })),
      fc.integer({ min: 1, max: 128 }).map((length) => ({ ipv6: `8000::/${length}` })),
    );
    fc.assert(
      fc.property(lengths, (hostSubnets) => {
        const bytes = dpConfig.write(encodeConfig({ ...CONFIG, hostSubnets }, EMPTY));
        expect(decodeConfig(dpConfig.read(bytes))?.hostSubnets).toEqual(hostSubnets);
      }),
    );
  });

  test("has masks that cover the mapped prefix of an IPv4 subnet", () => {
    const { hostSubnets } = encodeConfig(CONFIG, EMPTY);
    expect(hostSubnets).toEqual([
      { addr: "10.1.0.0", mask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0" },
      { addr: "", mask: "" },
    ]);
  });

  test("of zeroes is none", () => {
    expect(decodeConfig(EMPTY)).toBeUndefined();
  });

  test.each(["10.1.0.0/0", "10.1.0.0/33", "10.1.0/16", "fe80::/64", ""])("refuses %p as an IPv4 subnet", (ipv4) => {
    const error = thrown(DatapathError, () => encodeConfig({ ...CONFIG, hostSubnets: { ipv4 } }, EMPTY));
    expect(error.code).toBe("BAD_USAGE");
  });

  test("without a host subnet is refused: it would read as none", () => {
    expect(() => encodeConfig({ ...CONFIG, hostSubnets: {} }, EMPTY)).toThrow("there is no host subnet");
  });

  test("has a secret of its own, odd, and the same from then on", () => {
    const [one, other] = [encodeConfig(CONFIG, EMPTY), encodeConfig(CONFIG, EMPTY)];
    expect(one.playerKey & 1n).toBe(1n);
    expect(one.playerKey).not.toBe(other.playerKey);
    expect(encodeConfig({ ...CONFIG, httpPort: 80 }, one).playerKey).toBe(one.playerKey);
    expect(dpConfig.read(dpConfig.write(one)).playerKey).toBe(one.playerKey);
  });

  test("keeps what the programs need of it", () => {
    const stored = { ...EMPTY, playersFrom: 5, heldUntil: 9n, hostFilter: [1n, 2n, 3n, 4n] };
    expect(encodeConfig(CONFIG, stored)).toMatchObject({ playersFrom: 5, heldUntil: 9n, hostFilter: [1n, 2n, 3n, 4n] });
  });

  test("names the subnet that was meant where bits are set behind the prefix", () => {
    const containerSubnets = { ipv4: "10.2.3.4/16" };
    const error = thrown(DatapathError, () => encodeConfig({ ...CONFIG, containerSubnets }, EMPTY));
    expect(error.hint).toBe("did you mean 10.2.0.0/16?");
  });
});

test("the host's filter has a bit for the last byte of each address, and no other", () => {
  expect(hostFilter(["10.0.0.0", "10.0.0.63", "10.0.0.64", "2001:db8::1ff"])).toEqual([
    1n | (1n << 63n),
    1n,
    0n,
    1n << 63n,
  ]);
});

const FORWARD = LOBBY.forwards[0] as Forward;
const [TCP, UDP, TCP6] = [
  FORWARD,
  { ...FORWARD, protocol: "udp", port: 24454, containerPort: 24454 },
  { ...FORWARD, address: "2001:db8::10" },
] as const satisfies Forward[];

describe("a server's record", () => {
  const records: [string, ServerRecord][] = [
    ["as the lobby's", LOBBY],
    ["without container, group and MTU", { ...LOBBY, container: undefined, group: "", mtu: undefined }],
    ["with a network of its own and no addresses", { ...LOBBY, network: "keep", addresses: {} }],
    ["with no forwards", { ...LOBBY, forwards: [] }],
    [
      "with both families, a range and 32 forwards",
      {
        ...LOBBY,
        addresses: {
          ipv4: { container: "10.2.0.2", gateway: "10.1.0.2" },
          ipv6: { container: "fd00:2::2", gateway: "fd00:1::2" },
        },
        netns: { ...LOBBY.netns, cookie: 2n ** 60n },
        forwards: [
          TCP,
          UDP,
          TCP6,
          { ...UDP, port: 30000, count: 1000, containerPort: 40000 },
          ...Array.from({ length: 28 }, (_, index) => ({ ...TCP, port: 1000 + index, containerPort: 1000 + index })),
        ],
      },
    ],
  ];

  test.each(records)("survives the way into the map and back: %s", (_, record) => {
    for (const state of ["pending", "active", "frozen"] as const) {
      const bytes = dpRecord.write(encodeRecord({ ...record, state }));
      expect(decodeRecord(record.id, dpRecord.read(bytes))).toEqual({ ...record, state });
    }
  });

  test("in a state of another build counts as pending", () => {
    expect(decodeRecord(7, { ...encodeRecord(LOBBY), state: 99 }).state).toBe("pending");
  });

  test("has a label for messages", () => {
    expect(serverLabel(LOBBY)).toBe("server lobby (id 7)");
  });
});

describe("forwards", () => {
  const text = "add server lobby";
  const refusal = (...forwards: Forward[]) => thrown(DatapathError, () => requireForwards(forwards, text));

  test("of one container port are allowed where replies can be told apart", () => {
    requireForwards([TCP, { ...TCP, protocol: "udp" }, TCP6], text);
    requireForwards([TCP, { ...TCP, port: 1, containerPort: 25566 }], text);
    const range = { ...UDP, port: 30000, count: 100, containerPort: 30000 };
    requireForwards([range, { ...range, port: 40000, containerPort: 30100 }], text);
  });

  test.each([
    [TCP, { ...TCP, port: 25571 }],
    [TCP, { ...TCP, address: "203.0.113.11" }],
    [
      { ...TCP, count: 10 },
      { ...TCP, port: 30000, containerPort: 25574 },
    ],
    [
      { ...TCP, port: 30000, containerPort: 25574, count: 5 },
      { ...TCP, count: 10 },
    ],
  ])("that lead to the same container port are refused, with both named: %#", (one: Forward, other: Forward) => {
    const error = refusal(one, other);
    expect(error).toMatchObject({
      code: "BAD_USAGE",
      reason: `${forwardText(one)} and ${forwardText(other)} lead to the same container port`,
    });
  });

  test("with the same public endpoint are refused, with both named", () => {
    const [one, other] = [
      { ...TCP, count: 10 },
      { ...TCP, port: 25579, containerPort: 1 },
    ];
    expect(refusal(one, other).reason).toBe(
      "203.0.113.10:25570-25579:25565-25574/tcp and 203.0.113.10:25579:1/tcp have the same public endpoint",
    );
  });

  test.each([
    [{ ...TCP, port: 0 }],
    [{ ...TCP, count: 0 }],
    [{ ...TCP, port: 65535, count: 2 }],
    [{ ...TCP, containerPort: 65000, count: 600 }],
    [{ ...TCP, port: 1.5 }],
  ])("with ports out of range are refused: %#", (forward) => {
    expect(refusal(forward).reason).toContain("ports are 1 to 65535");
  });

  test("are at most 32", () => {
    const many = Array.from({ length: 33 }, (_, index) => ({
      ...TCP,
      port: 1000 + index,
      containerPort: 1000 + index,
    }));
    expect(refusal(...many)).toMatchObject({ reason: "33 forwards: a server has at most 32" });
  });

  test("have the public endpoints of their range and no others", () => {
    const range = { ...TCP, count: 3 };
    const endpoints = [...endpointsOf(range)];
    expect(endpoints.map(endpointText)).toEqual([
      "203.0.113.10:25570/tcp",
      "203.0.113.10:25571/tcp",
      "203.0.113.10:25572/tcp",
    ]);
    for (const endpoint of endpoints) expect(hasEndpoint(range, endpoint)).toBe(true);
    for (const other of [{ port: 25569 }, { port: 25573 }, { protocol: "udp" }, { address: "203.0.113.11" }] as const) {
      expect(hasEndpoint(range, { ...ENDPOINT, ...other })).toBe(false);
    }
  });
});

test("an endpoint's text has brackets around an IPv6 address", () => {
  expect(endpointText({ protocol: "udp", address: "2001:db8::1", port: 5 })).toBe("[2001:db8::1]:5/udp");
  expect([familyOfAddress("10.0.0.1"), familyOfAddress("::1")]).toEqual(["ipv4", "ipv6"]);
});

describe("the entries of a server's public endpoints", () => {
  const range = { ...UDP, count: 2, counter: 4 };
  const record = { ...LOBBY, forwards: [TCP, range, { ...TCP6, counter: 5 }] };

  test("lead to the container endpoints of their forwards, in order", () => {
    const common = { server: 7, containerAddress: "10.2.0.2", containerMac: "0a:58:00:00:00:07", open: true };
    expect(entriesOf(record).slice(0, 3)).toEqual([
      [ENDPOINT, { ...common, counter: 3, containerPort: 25565 }],
      [
        { protocol: "udp", address: "203.0.113.10", port: 24454 },
        { ...common, counter: 4, containerPort: 24454 },
      ],
      [
        { protocol: "udp", address: "203.0.113.10", port: 24455 },
        { ...common, counter: 4, containerPort: 24455 },
      ],
    ]);
  });

  test("are closed unless the server is active", () => {
    const isOpen = (state: ServerRecord["state"]) => entriesOf({ ...LOBBY, state })[0]?.[1].open;
    expect([isOpen("pending"), isOpen("active"), isOpen("frozen")]).toEqual([false, true, false]);
    expect(entriesOf(LOBBY, false)[0]?.[1].open).toBe(false);
  });

  test("are closed while the server has no address of their family", () => {
    expect(entriesOf(record)[3]).toEqual([
      { protocol: "tcp", address: "2001:db8::10", port: 25570 },
      {
        server: 7,
        counter: 5,
        containerAddress: "",
        containerPort: 25565,
        containerMac: "0a:58:00:00:00:07",
        open: false,
      },
    ]);
  });
});

test("a server's entry has what its record says", () => {
  expect(entryOf(LOBBY, 9)).toEqual({
    id: 7,
    group: 9,
    netnsCookie: 77n,
    addresses: LOBBY.addresses,
    containerMac: "0a:58:00:00:00:07",
    forwards: [
      { protocol: "tcp", address: "203.0.113.10", port: 25570, count: 1, containerPort: 25565, uplink: 2, counter: 3 },
    ],
  });
});

test("counters are added up over the CPUs", () => {
  const one = { in: { packets: 1n, bytes: 60n }, out: { packets: 4n, bytes: 400n } };
  expect(sumTraffic([one, one])).toEqual({
    in: { packets: 2n, bytes: 120n },
    out: { packets: 8n, bytes: 800n },
  });
  const none = Array.from({ length: DpDropReason.max }, () => 0n);
  const packets = none.with(DpDropReason.arp, 2n).with(DpDropReason.ipv6, 5n);
  const drops = sumDrops([{ packets }, { packets }]);
  expect(drops).toMatchObject({ arp: 4n, ipv6: 10n, malformed: 0n });
  expect(Object.keys(drops)).not.toContain("none");
});

test("an interface's name makes a pin's name, dots and all", () => {
  const root = new PinRoot("/sys/fs/bpf/");
  expect(root.link("dnat", "eth0.100")).toBe("/sys/fs/bpf/progs/dp_dnat_eth0:100");
  expect(root.program("dnat")).toBe("/sys/fs/bpf/progs/dp_dnat");
});

describe("undoing", () => {
  test("takes back the newest step first, and throws what went wrong", () => {
    using undo = new Undo();
    const done: number[] = [];
    for (const step of [1, 2, 3]) undo.add(() => void done.push(step));
    const reason = new Error("why");
    expect(undo.because(reason)).toBe(reason);
    expect(done).toEqual([3, 2, 1]);
  });

  test("goes on when a step fails, and names both failures", () => {
    using undo = new Undo();
    const done: number[] = [];
    undo.add(() => void done.push(1));
    undo.add(() => {
      throw new Error("stuck");
    });
    const error = undo.because(new Error("why")) as DatapathError;
    expect(done).toEqual([1]);
    expect(error.message).toBe("undo a failed change: stuck; what failed first: why");
    expect((error.cause as AggregateError).errors).toHaveLength(2);
  });

  test("closes what it kept open", () => {
    let closed = false;
    {
      using undo = new Undo();
      undo.keep({ [Symbol.dispose]: () => void (closed = true) });
    }
    expect(closed).toBe(true);
  });
});
