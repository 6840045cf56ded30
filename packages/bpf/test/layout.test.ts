/**
 * The generated layouts, against bytes written out by hand from bpf/maps.h: numbers in the host's (little-endian)
 * order, `__be16` and `__be32` in network order.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  be32,
  type Codec,
  dpConfig,
  dpDnatTarget,
  DpDrop,
  dpDrops,
  dpDropNames,
  dpFlow,
  dpFlowKey,
  dpAnswerSource,
  dpFragment,
  dpFragmentKey,
  dpHostAddr,
  dpMeta,
  dpNetData,
  dpName,
  dpNamespace,
  dpChange,
  dpFree,
  dpOrigin,
  dpOriginKey,
  dpPublicKey,
  DpServerState,
  dpServerStateNames,
  dpSnatTarget,
  dpSockCounts,
  dpSweep,
  dpTraffic,
  dpVethPair,
  dpVethPeer,
  mapLayouts,
  structLayouts,
  u32,
} from "../src/index.ts";

interface Golden {
  readonly codec: Codec<unknown>;
  readonly value: unknown;
  /** Field by field: hex, `|` between fields, `..` for zero padding. */
  readonly bytes: string;
}

function golden<T>(codec: Codec<T>, value: T, bytes: string): Golden {
  return { codec, value, bytes };
}

/** "7e90|.." → bytes; a trailing `*N` repeats what stands before it. */
function hex(text: string): Uint8Array {
  const digits = text
    .split(/[\s|]+/)
    .filter((part) => part !== "")
    .map((part) => {
      const [byte = "", count = "1"] = part.split("*");
      return byte.replaceAll(".", "0").repeat(Number(count));
    })
    .join("");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const HOST_PEER = { ifindex: 7, addr: "10.1.0.2", mac: "7e:90:c4:ed:df:d0", name: "dp25570" };
const CONTAINER_PEER = { ifindex: 2, addr: "10.2.0.2", mac: "02:00:00:00:00:01", name: "eth0" };

const TRAFFIC = { packets: 1n, bytes: 0x1234n };

const STRUCTS: Record<string, Golden> = {
  dp_meta: golden(
    dpMeta,
    { layoutVersion: 7, loadedAt: 0x0102030405060708n, build: "1.2.3" },
    "07000000 | ........ | 0807060504030201 | 312e322e33 ..*27",
  ),
  dp_public_key: golden(dpPublicKey, { addr: "203.0.113.10", port: 25570 }, "cb00710a | 63e2 | ...."),
  dp_dnat_target: golden(
    dpDnatTarget,
    { hostPeer: 0x01020304, addr: "10.2.0.2", port: 25565, mac: "02:00:00:00:00:01", traffic: TRAFFIC },
    "04030201 | 0a020002 | 63dd | 020000000001 | 0100000000000000 | 3412000000000000",
  ),
  dp_snat_target: golden(
    dpSnatTarget,
    {
      addr: "10.2.0.2",
      hostAddr: "10.1.0.2",
      publicAddr: "203.0.113.10",
      publicPort: 25570,
      gamePort: 25565,
      uplink: 3,
      group: 9,
      mac: "02:00:00:00:00:01",
      traffic: TRAFFIC,
    },
    `0a020002 | 0a010002 | cb00710a | 63e2 | 63dd | 03000000 | 09000000 | 020000000001 | ....
       | 0100000000000000 | 3412000000000000`,
  ),
  dp_name: golden(dpName, { text: "größe" }, "6772c3b6c39f65 | ..*57"),
  dp_namespace: golden(dpNamespace, { cookie: 0x0102030405060708n }, "0807060504030201"),
  dp_change: golden(dpChange, { since: 0x0102030405060708n }, "0807060504030201"),
  dp_free: golden(dpFree, { index: 300, port: 25570 }, "2c010000 | e2630000"),
  dp_veth_peer: golden(dpVethPeer, HOST_PEER, `07000000 | 0a010002 | 7e90c4eddfd0 | .... | 64703235353730 ..*9`),
  dp_net_data: golden(
    dpNetData,
    {
      state: DpServerState.active,
      publicAddr: "203.0.113.10",
      hostPort: 25570,
      gamePort: 25565,
      uplink: 3,
      createdAt: 0x0102030405060708n,
      netnsCookie: 0xffff_ffff_ffff_ffffn,
      netnsInode: 4026531840n,
      hostPeer: HOST_PEER,
      containerPeer: CONTAINER_PEER,
      name: "lobby",
      group: "größe",
      netns: "/run/netns/a",
      portReserved: 1,
      mtu: 1400,
    },
    `02000000 | cb00710a | e263 | dd63 | 03000000 | 0807060504030201 | ff*8 | 000000f000000000
       | 07000000 0a010002 7e90c4eddfd0 .... 64703235353730 ..*9
       | 02000000 0a020002 020000000001 .... 65746830 ..*12
       | 6c6f626279 ..*59 | 6772c3b6c39f65 ..*57 | 2f72756e2f6e65746e732f61 ..*116 | 01000000 | 78050000`,
  ),
  dp_host_addr: golden(dpHostAddr, { ifindex: 3 }, "03000000"),
  dp_config: golden(
    dpConfig,
    {
      httpPort: 9080,
      dnsPort: 9053,
      tcpPort: 9111,
      hostSubnet: "10.1.0.0",
      hostMask: "255.255.0.0",
      containerSubnet: "10.2.0.0",
      containerMask: "255.255.0.0",
      portFirst: 25565,
      portLast: 30564,
      publicAddr: "203.0.113.10",
      uplink: 3,
      hostOctets: [1n, 0n, 0n, 1n << 63n],
      playerKey: 0x0807060504030201n,
      playersFrom: 0x80000001,
      heldUntil: 0x100n,
    },
    `2378 | 235d | 2397 | .... | 0a010000 | ffff0000 | 0a020000 | ffff0000 | dd63 | 6477 | cb00710a | 03000000
       | 01000080 | 01 ..*7 ..*16 ..*7 80 | 0102030405060708 | 0001000000000000`,
  ),
  dp_fragment_key: golden(
    dpFragmentKey,
    { src: "198.51.100.7", dst: "203.0.113.10", id: 0xbeef },
    "c6336407 | cb00710a | beef | ....",
  ),
  dp_fragment: golden(dpFragment, { port: 25570 }, "63e2 | ...."),
  dp_answer_source: golden(dpAnswerSource, { addr: "9.9.9.9" }, "09090909"),
  dp_veth_pair: golden(
    dpVethPair,
    {
      netnsCookie: 0x0102030405060708n,
      hostPeer: 7,
      hostAddr: "10.1.0.2",
      gamePort: 25565,
      group: 9,
      mac: "02:00:00:00:00:01",
      flows: -2,
    },
    "0807060504030201 | 07000000 | 0a010002 | 63dd | .... | 09000000 | 020000000001 | .... | feffffff | ........",
  ),
  dp_flow_key: golden(
    dpFlowKey,
    { container: "10.2.0.2", dst: "198.51.100.7", sport: 40000, dport: 443, protocol: 6 },
    "0a020002 | c6336407 | 9c40 | 01bb | 06 | ......",
  ),
  dp_flow: golden(dpFlow, { sport: 40001, listener: 9111 }, "9c41 | 2397"),
  dp_origin_key: golden(
    dpOriginKey,
    { container: "10.2.0.2", sport: 40001, protocol: 17 },
    "0a020002 | 9c41 | 11 | ..",
  ),
  dp_origin: golden(
    dpOrigin,
    { dst: "198.51.100.7", dport: 443, sport: 40000, listener: 9111, end: 1, expires: 0x0102030405060708n },
    // At the end the timer, which is the kernel's.
    "c6336407 | 01bb | 9c40 | 2397 | .... | 01000000 | 0807060504030201 | ..*16",
  ),
  dp_sweep: golden(dpSweep, { armed: 1 }, "..*16 | 01000000 | ........"),
  dp_sock_counts: golden(dpSockCounts, { destroyed: 1n, refused: 2n }, "0100000000000000 | 0200000000000000"),
  dp_traffic: golden(dpTraffic, TRAFFIC, "0100000000000000 | 3412000000000000"),
  dp_drops: golden(
    dpDrops,
    { packets: Array.from({ length: DpDrop.max }, (_, reason) => (reason === DpDrop.udp ? 5n : 0n)) },
    "..*128 05 ..*127",
  ),
};

test("there are golden bytes for every struct", () => {
  expect(Object.keys(STRUCTS).toSorted()).toEqual(structLayouts.map(({ name }) => name).toSorted());
});

for (const [name, { codec, value, bytes }] of Object.entries(STRUCTS)) {
  test(`struct ${name} is written and read as its C declaration says`, () => {
    expect(hex(bytes).byteLength).toBe(codec.size);
    expect(codec.write(value)).toEqual(hex(bytes));
    expect(codec.read(hex(bytes))).toEqual(value);
  });

  test(`struct ${name} is refused when a byte is missing or over`, () => {
    expect(() => codec.read(new Uint8Array(codec.size - 1))).toThrow(RangeError);
    expect(() => codec.read(new Uint8Array(codec.size + 1))).toThrow(RangeError);
  });

  test(`struct ${name} is read from the middle of a larger buffer`, () => {
    const buffer = new Uint8Array(codec.size + 11).fill(0xaa);
    buffer.set(hex(bytes), 5);
    expect(codec.read(buffer.subarray(5, 5 + codec.size))).toEqual(value);
  });
}

test("bare keys are read and written", () => {
  expect(u32.write(0x01020304)).toEqual(hex("04030201"));
  expect(u32.read(hex("04030201"))).toBe(0x01020304);
  expect(be32.write("10.2.0.255")).toEqual(hex("0a0200ff"));
  expect(be32.read(hex("ff020001"))).toBe("255.2.0.1");
});

const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
const mac = fc
  .array(octet, { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((value) => value.toString(16).padStart(2, "0")).join(":"));
const u16s = fc.integer({ min: 0, max: 0xffff });
const u32s = fc.integer({ min: 0, max: 0xffffffff });
const u64s = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

/** Whole strings that fit with their NUL. */
function text(length: number): fc.Arbitrary<string> {
  return fc
    .string({ unit: "grapheme", maxLength: length - 1 })
    .filter((value) => !value.includes("\0") && new TextEncoder().encode(value).byteLength < length);
}

const traffic = fc.record({ packets: u64s, bytes: u64s });
const vethPeer = fc.record({ ifindex: u32s, addr: ipv4, mac, name: text(16) });

const ARBITRARIES = {
  dp_meta: fc.record({ layoutVersion: u32s, loadedAt: u64s, build: text(32) }),
  dp_public_key: fc.record({ addr: ipv4, port: u16s }),
  dp_dnat_target: fc.record({ hostPeer: u32s, addr: ipv4, port: u16s, mac, traffic }),
  dp_snat_target: fc.record({
    addr: ipv4,
    hostAddr: ipv4,
    publicAddr: ipv4,
    publicPort: u16s,
    gamePort: u16s,
    uplink: u32s,
    group: u32s,
    mac,
    traffic,
  }),
  dp_name: fc.record({ text: text(64) }),
  dp_namespace: fc.record({ cookie: u64s }),
  dp_change: fc.record({ since: u64s }),
  dp_free: fc.record({ index: u32s, port: u32s }),
  dp_veth_peer: vethPeer,
  dp_net_data: fc.record({
    state: u32s,
    publicAddr: ipv4,
    hostPort: u16s,
    gamePort: u16s,
    uplink: u32s,
    createdAt: u64s,
    netnsCookie: u64s,
    netnsInode: u64s,
    hostPeer: vethPeer,
    containerPeer: vethPeer,
    name: text(64),
    group: text(64),
    netns: text(128),
    portReserved: u32s,
    mtu: u32s,
  }),
  dp_host_addr: fc.record({ ifindex: u32s }),
  dp_config: fc.record({
    httpPort: u16s,
    dnsPort: u16s,
    tcpPort: u16s,
    hostSubnet: ipv4,
    hostMask: ipv4,
    containerSubnet: ipv4,
    containerMask: ipv4,
    portFirst: u16s,
    portLast: u16s,
    publicAddr: ipv4,
    uplink: u32s,
    hostOctets: fc.array(u64s, { minLength: 4, maxLength: 4 }),
    playerKey: u64s,
    playersFrom: u32s,
    heldUntil: u64s,
  }),
  dp_fragment_key: fc.record({ src: ipv4, dst: ipv4, id: u16s }),
  dp_fragment: fc.record({ port: u16s }),
  dp_answer_source: fc.record({ addr: ipv4 }),
  dp_veth_pair: fc.record({
    hostPeer: u32s,
    hostAddr: ipv4,
    gamePort: u16s,
    group: u32s,
    mac,
    flows: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    netnsCookie: u64s,
  }),
  dp_flow_key: fc.record({ container: ipv4, dst: ipv4, sport: u16s, dport: u16s, protocol: octet }),
  dp_flow: fc.record({ sport: u16s, listener: u16s }),
  dp_origin_key: fc.record({ container: ipv4, sport: u16s, protocol: octet }),
  dp_origin: fc.record({ dst: ipv4, dport: u16s, sport: u16s, listener: u16s, end: u32s, expires: u64s }),
  dp_sweep: fc.record({ armed: u32s }),
  dp_sock_counts: fc.record({ destroyed: u64s, refused: u64s }),
  dp_traffic: traffic,
  dp_drops: fc.record({ packets: fc.array(u64s, { minLength: DpDrop.max, maxLength: DpDrop.max }) }),
} satisfies Record<(typeof structLayouts)[number]["name"] & string, fc.Arbitrary<unknown>>;

for (const layout of structLayouts) {
  test(`any value of struct ${layout.name} survives the way there and back, and its padding stays zero`, () => {
    const codec = layout as Codec<unknown>;
    const arbitrary: fc.Arbitrary<unknown> = ARBITRARIES[layout.name as keyof typeof ARBITRARIES];
    fc.assert(
      fc.property(arbitrary, (value) => {
        const bytes = codec.write(value);
        expect(bytes.byteLength).toBe(layout.size);
        expect(codec.read(bytes)).toEqual(value);
        for (const field of layout.fields.filter(({ name }) => /^(pad\d*|timer)$/.test(name))) {
          expect(bytes.subarray(field.offset, field.offset + field.size).every((byte) => byte === 0)).toBe(true);
        }
      }),
    );
  });
}

test("a name too long for its field is refused, never cut", () => {
  const write = (name: string) => () => dpVethPeer.write({ ...HOST_PEER, name });
  expect(write("a".repeat(15))).not.toThrow();
  expect(write("a".repeat(16))).toThrow(
    new RangeError(`dp_veth_peer.name: "${"a".repeat(16)}" is 16 bytes, at most 15 fit`),
  );
  expect(write("ü".repeat(8))).toThrow("is 16 bytes, at most 15 fit");
  expect(write("a\0b")).toThrow("holds a NUL or half a character");
  expect(write("a\ud83d")).toThrow("holds a NUL or half a character");
});

test("a number outside its field's range is refused, never wrapped", () => {
  const key = { addr: "10.0.0.1", port: 1 };
  for (const port of [-1, 65536, 1.5, Number.NaN]) {
    expect(() => dpPublicKey.write({ ...key, port })).toThrow(
      `dp_public_key.port: ${port} is not an integer from 0 to 65535`,
    );
  }
  expect(() => u32.write(2 ** 32)).toThrow(RangeError);
  expect(() => dpHostAddr.write({ ifindex: -1 })).toThrow("dp_host_addr.ifindex");
  expect(() => dpTraffic.write({ ...TRAFFIC, bytes: -1n })).toThrow("dp_traffic.bytes: -1 is not a bigint");
  expect(() => dpTraffic.write({ ...TRAFFIC, bytes: 1n << 64n })).toThrow("dp_traffic.bytes");
  expect(() => dpDrops.write({ packets: [1n] })).toThrow("dp_drops.packets has 32 elements, not 1");
  const { packets } = dpDrops.read(new Uint8Array(dpDrops.size));
  expect(() => dpDrops.write({ packets: packets.with(3, -1n) })).toThrow("dp_drops.packets[3]");
});

test("what is no IPv4 address is refused", () => {
  for (const addr of [
    "",
    "10.0.0",
    "10.0.0.0.1",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.1 ",
    "10.0.0.-1",
    "0x0a.0.0.1",
    "::1",
  ]) {
    expect(() => dpPublicKey.write({ addr, port: 1 })).toThrow(
      `dp_public_key.addr: ${JSON.stringify(addr)} is not an IPv4 address`,
    );
  }
});

test("a MAC address is taken in either case, given in lower case, and nothing else passes for one", () => {
  const write = (value: string) => dpVethPeer.write({ ...HOST_PEER, mac: value });
  expect(dpVethPeer.read(write("7E:90:C4:ED:DF:D0")).mac).toBe("7e:90:c4:ed:df:d0");
  for (const value of [
    "",
    "7e:90:c4:ed:df",
    "7e:90:c4:ed:df:d0:00",
    "7e-90-c4-ed-df-d0",
    "7e:90:c4:ed:df:g0",
    "7:e:90:c4:ed:df",
  ]) {
    expect(() => write(value)).toThrow("is not a MAC address");
  }
});

test("what only the kernel looks into is passed over when read", () => {
  const bytes = new Uint8Array(dpOrigin.size).fill(0xff, 24);
  expect(dpOrigin.fields.at(-1)).toEqual({ name: "timer", offset: 24, size: 16, type: "struct bpf_timer" });
  expect(dpOrigin.read(bytes)).toEqual(dpOrigin.read(new Uint8Array(dpOrigin.size)));
});

test("a text field without a NUL, or that is no UTF-8, is still read", () => {
  const bytes = dpVethPeer.write({ ...HOST_PEER, name: "" });
  bytes.fill(0x61, 16, 32);
  expect(dpVethPeer.read(bytes).name).toBe("a".repeat(16));
  bytes.set([0xff, 0], 16);
  expect(dpVethPeer.read(bytes).name).toBe("\ufffd");
});

test("every drop reason and server state has one name, and the name its number", () => {
  const check = (numbers: Record<string, number>, names: Readonly<Record<number, string>>) => {
    const { max: _, ...named } = numbers;
    expect(Object.fromEntries(Object.entries(names).map(([number, name]) => [name, Number(number)]))).toEqual(named);
  };
  check(DpDrop, dpDropNames);
  check(DpServerState, dpServerStateNames);
  expect(DpDrop.gamePortSyn).toBe(12);
  expect(dpDropNames[DpDrop.spoofedMac]).toBe("spoofedMac");
});

test("the maps have the keys and values bpf/maps.h gives them", () => {
  expect(
    Object.entries(mapLayouts).map(([name, { type, keyType, valueType, key, value, maxEntries }]) =>
      [name, type, keyType, key.size, valueType, value.size, maxEntries].join(" "),
    ),
  ).toEqual([
    "dp_answer_frags 9 struct dp_fragment_key 12 struct dp_answer_source 4 4096",
    "dp_changes 1 __be32 4 struct dp_change 8 65536",
    "dp_configs 2 __u32 4 struct dp_config 88 1",
    "dp_dnat_targets 5 struct dp_public_key 8 struct dp_dnat_target 32 65536",
    "dp_drop_counts 5 __u32 4 struct dp_drops 256 65536",
    "dp_endpoints 1 struct dp_public_key 8 __be32 4 65536",
    "dp_flows 1 struct dp_flow_key 16 struct dp_flow 4 262144",
    "dp_fragments 9 struct dp_fragment_key 12 struct dp_fragment 4 4096",
    "dp_free 2 __u32 4 struct dp_free 8 1",
    "dp_groups 1 __u32 4 struct dp_name 64 65536",
    "dp_host_addrs 1 __be32 4 struct dp_host_addr 4 4096",
    "dp_host_peers 25 __u32 4 __u32 4 65536",
    "dp_meta 2 __u32 4 struct dp_meta 48 1",
    "dp_names 1 struct dp_name 64 __be32 4 65536",
    "dp_namespaces 1 struct dp_namespace 8 __be32 4 65536",
    "dp_net_records 1 __be32 4 struct dp_net_data 368 65536",
    "dp_origins 1 struct dp_origin_key 8 struct dp_origin 40 262144",
    "dp_players 2 __u32 4 __u32 4 4194304",
    "dp_snat_targets 5 __u32 4 struct dp_snat_target 48 65536",
    "dp_sweeps 2 __u32 4 struct dp_sweep 24 1",
    "dp_uplinks 25 __u32 4 __u32 4 256",
    "dp_veth_pairs 1 __be32 4 struct dp_veth_pair 40 65536",
  ]);
});

test("the kernel keeps the whole name of every map, by which one whose pin is lost is found again", () => {
  // BPF_OBJ_NAME_LEN, with the NUL.
  expect(Object.keys(mapLayouts).filter((name) => name.length >= 16)).toEqual([]);
});
