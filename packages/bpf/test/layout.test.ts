/**
 * The generated layouts, against bytes written out by hand from bpf/maps/: numbers in the host's (little-endian) order,
 * `__be16` and `__be32` in network order, addresses of either family in 16 bytes.
 */
import { expect, test } from "bun:test";
import { isIPv6 } from "node:net";
import fc from "fast-check";
import {
  be32,
  type Codec,
  dpAddressPair,
  dpAnswerSource,
  dpBudget,
  dpChange,
  dpConfig,
  dpContainer,
  dpContainerRef,
  DpDropReason,
  dpDropReasonNames,
  dpDrops,
  dpEndpoint,
  dpEndpointKey,
  dpFlow,
  dpProxyBudget,
  dpFlowCount,
  dpFlowKey,
  dpForward,
  dpForwardTraffic,
  dpFragment,
  dpFragmentKey,
  dpFree,
  dpHostAddr,
  dpMeta,
  dpName,
  dpNamespace,
  dpOrigin,
  dpOriginKey,
  dpRecord,
  dpRecordForward,
  dpReservedPorts,
  dpServer,
  DpServerState,
  dpServerStateNames,
  dpSettings,
  dpSockCounts,
  dpSubnet,
  dpSweep,
  dpTraffic,
  dpVethPeer,
  mapLayouts,
  structLayouts,
  u32,
} from "../src/index.ts";
import { setIpv6 } from "../src/layout/address.ts";

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

const HOST_PEER = { ifindex: 7, mac: "7e:90:c4:ed:df:d0", name: "dp7" };
const HOST_PEER_BYTES = "07000000 | 7e90c4eddfd0 | .... | 647037 ..*13";
const CONTAINER_PEER = { ifindex: 2, mac: "0a:58:00:00:00:07", name: "eth0" };
const CONTAINER_PEER_BYTES = "02000000 | 0a5800000007 | .... | 65746830 ..*12";

/** An IPv4 address, in hex, in its place of 16 bytes. */
const v4 = (address: string) => `..*10 ffff ${address}`;
const NO_ADDRESS = "..*16";
const V6 = "2001:db8::7";
const V6_BYTES = "20010db8 ..*11 07";

const PAIR = { container: "10.2.0.2", gateway: "10.1.0.2" };
const PAIR_BYTES = `${v4("0a020002")} | ${v4("0a010002")}`;
const NO_PAIR = { container: "", gateway: "" };

const CONTAINER_REF = { engine: "docker", socket: "/run/d", name: "lobby" };
const CONTAINER_REF_BYTES = "646f636b6572 ..*10 | 2f72756e2f64 ..*122 | 6c6f626279 ..*123";

const RECORD_FORWARD = {
  publicAddr: "203.0.113.10",
  publicFirst: 25570,
  count: 10,
  containerFirst: 25565,
  protocol: 17,
  family: 1,
  uplink: 3,
  mtu: 1500,
  counter: 4,
};
const RECORD_FORWARD_BYTES = `${v4("cb00710a")} | e263 | 0a00 | dd63 | 11 | 01 | 03000000 | dc050000 | 04000000`;

const FORWARD = {
  first: 25565,
  count: 10,
  publicFirst: 25570,
  protocol: 17,
  family: 1,
  uplink: 3,
  counter: 4,
  publicAddr: V6,
};
const FORWARD_BYTES = `dd63 | 0a00 | e263 | 11 | 01 | 03000000 | 04000000 | ${V6_BYTES}`;

const SUBNET = { addr: "10.1.0.0", mask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0" };
const SUBNET_BYTES = `${v4("0a010000")} | ff*14 ..*2`;
const NO_SUBNET = { addr: "", mask: "" };

const TRAFFIC = { packets: 1n, bytes: 0x1234n };
const TRAFFIC_BYTES = "0100000000000000 | 3412000000000000";

const COOKIE = 0x0102030405060708n;
const COOKIE_BYTES = "0807060504030201";

const STRUCTS: Record<string, Golden> = {
  dp_meta: golden(
    dpMeta,
    { layoutVersion: 7, loadedAt: COOKIE, build: "1.2.3" },
    `07000000 | ........ | ${COOKIE_BYTES} | 312e322e33 ..*27`,
  ),
  dp_veth_peer: golden(dpVethPeer, HOST_PEER, HOST_PEER_BYTES),
  dp_address_pair: golden(dpAddressPair, PAIR, PAIR_BYTES),
  dp_container_ref: golden(dpContainerRef, CONTAINER_REF, CONTAINER_REF_BYTES),
  dp_record_forward: golden(dpRecordForward, RECORD_FORWARD, RECORD_FORWARD_BYTES),
  dp_record: golden(
    dpRecord,
    {
      state: DpServerState.active,
      network: 1,
      trusted: 1,
      createdAt: COOKIE,
      netnsCookie: 0xffff_ffff_ffff_ffffn,
      netnsInode: 4026531840n,
      mtu: 1400,
      hostPeer: HOST_PEER,
      containerPeer: CONTAINER_PEER,
      addresses: [PAIR, NO_PAIR],
      name: "lobby",
      group: "größe",
      owner: "cli",
      netns: "/run/netns/a",
      container: CONTAINER_REF,
      forwards: [RECORD_FORWARD, { ...RECORD_FORWARD, counter: 5 }],
    },
    `02000000 | 0100 | 0100 | ${COOKIE_BYTES} | ff*8 | 000000f000000000 | 78050000 | 02000000
       | ${HOST_PEER_BYTES} | ${CONTAINER_PEER_BYTES} | ${PAIR_BYTES} | ..*32
       | 6c6f626279 ..*59 | 6772c3b6c39f65 ..*57 | 636c69 ..*93 | 2f72756e2f6e65746e732f61 ..*116
       | ${CONTAINER_REF_BYTES} | ${RECORD_FORWARD_BYTES} | ${RECORD_FORWARD_BYTES.replace(/04000000$/, "05000000")}
       | ..*1080`,
  ),
  dp_name: golden(dpName, { text: "größe" }, "6772c3b6c39f65 | ..*57"),
  dp_namespace: golden(dpNamespace, { cookie: COOKIE }, COOKIE_BYTES),
  dp_change: golden(dpChange, { since: COOKIE, kind: 1 }, `${COOKIE_BYTES} | 01000000 | ........`),
  dp_free: golden(
    dpFree,
    { id: 7, address: 300, port: 25570, counter: 9 },
    "07000000 | 2c010000 | e2630000 | 09000000",
  ),
  dp_reserved_ports: golden(
    dpReservedPorts,
    { ports: Array.from({ length: 1024 }, (_, word) => (word === 1 ? 1n << 63n : 0n)) },
    "..*15 80 ..*8176",
  ),
  dp_settings: golden(
    dpSettings,
    { portFirst: 25565, portLast: 30564, uplink: 3, publicAddrs: ["203.0.113.10", V6] },
    `dd63 | 6477 | 03000000 | ${v4("cb00710a")} | ${V6_BYTES}`,
  ),
  dp_drops: golden(
    dpDrops,
    { packets: Array.from({ length: 32 }, (_, reason) => (reason === 16 ? 5n : 0n)) },
    "..*128 05 ..*127",
  ),
  dp_endpoint_key: golden(
    dpEndpointKey,
    { addr: "203.0.113.10", port: 25570, protocol: 6, family: 0 },
    `${v4("cb00710a")} | 63e2 | 06 | 00 | ........`,
  ),
  dp_endpoint: golden(
    dpEndpoint,
    { server: 7, counter: 4, container: V6, port: 25565, mac: "0a:58:00:00:00:07", open: 1 },
    `07000000 | 04000000 | ${V6_BYTES} | 63dd | 0a5800000007 | 01000000`,
  ),
  dp_flow_key: golden(
    dpFlowKey,
    { server: 7, dst: "198.51.100.7", sport: 40000, dport: 443, protocol: 6, family: 1 },
    `${v4("c6336407")} | 9c40 | 01bb | 06 | 01 | .... | 07000000`,
  ),
  dp_flow: golden(dpFlow, { sport: 40001, listener: 9111 }, "9c41 | 2397"),
  dp_origin_key: golden(dpOriginKey, { server: 7, sport: 40001, protocol: 17, family: 1 }, "07000000 | 9c41 | 11 | 01"),
  dp_origin: golden(
    dpOrigin,
    { dst: V6, dport: 443, sport: 40000, listener: 9111, end: 1, expires: COOKIE },
    // At the end the timer, which is the kernel's.
    `${V6_BYTES} | 01bb | 9c40 | 2397 | .... | 01000000 | ........ | ${COOKIE_BYTES} | ..*16`,
  ),
  dp_proxy_budget: golden(dpProxyBudget, { connections: 1n, datagrams: 0x0102n }, "0100000000000000 0201000000000000"),
  dp_flow_count: golden(dpFlowCount, { flows: -2 }, "feffffff"),
  dp_sweep: golden(dpSweep, { armed: 1 }, "..*16 | 01000000 | ........"),
  dp_budget: golden(dpBudget, { interval: 9, spent: 0x0102 }, "09000000 02010000"),
  dp_fragment_key: golden(
    dpFragmentKey,
    { src: "198.51.100.7", dst: "203.0.113.10", id: 0xbeef, protocol: 17, family: 0 },
    `${v4("c6336407")} | ${v4("cb00710a")} | efbe0000 | 11 | 00 | ....`,
  ),
  dp_fragment: golden(dpFragment, { at: COOKIE, server: 7, port: 25570 }, `${COOKIE_BYTES} | 07000000 | 63e2 | ....`),
  dp_answer_source: golden(dpAnswerSource, { addr: "9.9.9.9" }, v4("09090909")),
  dp_subnet: golden(dpSubnet, SUBNET, SUBNET_BYTES),
  dp_config: golden(
    dpConfig,
    {
      httpPort: 9080,
      dnsPort: 9053,
      tcpPort: 9111,
      playersFrom: 0x80000001,
      playerKey: 0x0807060504030201n,
      heldUntil: 0x100n,
      hostFilter: [1n, 0n, 0n, 1n << 63n],
      hostSubnets: [SUBNET, NO_SUBNET],
      containerSubnets: [NO_SUBNET, SUBNET],
    },
    `2378 | 235d | 2397 | .... | 01000080 | ........ | 0102030405060708 | 0001000000000000
       | 01 ..*7 ..*16 ..*7 80 | ${SUBNET_BYTES} | ..*32 | ..*32 | ${SUBNET_BYTES}`,
  ),
  dp_host_addr: golden(dpHostAddr, { ifindex: 3 }, "03000000"),
  dp_forward: golden(dpForward, FORWARD, FORWARD_BYTES),
  dp_server: golden(
    dpServer,
    {
      id: 7,
      group: 9,
      netnsCookie: COOKIE,
      addr: ["10.2.0.2", ""],
      gateway: ["10.1.0.2", V6],
      mac: "0a:58:00:00:00:07",
      forwards: [FORWARD],
    },
    `07000000 | 09000000 | ${COOKIE_BYTES} | ${v4("0a020002")} | ${NO_ADDRESS} | ${v4("0a010002")} | ${V6_BYTES}
       | 0a5800000007 | 0100 | ${FORWARD_BYTES} | ..*992`,
  ),
  dp_container: golden(dpContainer, { server: 7, hostPeer: 9 }, "07000000 | 09000000"),
  dp_traffic: golden(dpTraffic, TRAFFIC, TRAFFIC_BYTES),
  dp_forward_traffic: golden(
    dpForwardTraffic,
    { in: TRAFFIC, out: { packets: 2n, bytes: 0n } },
    `${TRAFFIC_BYTES} | 0200000000000000 | ..*8`,
  ),
  dp_sock_counts: golden(dpSockCounts, { destroyed: 1n, refused: 2n }, "0100000000000000 | 0200000000000000"),
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

const ipv6 = fc
  .ipV6()
  .filter((address) => !address.includes(".") && !/^[0:]*:ffff:[^:]*:[^:]*$/i.test(address))
  .map((address) => new URL(`http://[${address}]`).hostname.slice(1, -1))
  .filter((address) => address !== "::");
const address = fc.oneof(ipv4, ipv6, fc.constant(""));
const two = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 2, maxLength: 2 });

const traffic = fc.record({ packets: u64s, bytes: u64s });
const vethPeer = fc.record({ ifindex: u32s, mac, name: text(16) });
const addressPair = fc.record({ container: address, gateway: address });
const containerRef = fc.record({ engine: text(16), socket: text(128), name: text(128) });
const subnet = fc.record({ addr: address, mask: address });
const recordForward = fc.record({
  publicAddr: address,
  publicFirst: u16s,
  count: u16s,
  containerFirst: u16s,
  protocol: octet,
  family: octet,
  uplink: u32s,
  mtu: u32s,
  counter: u32s,
});
const forward = fc.record({
  first: u16s,
  count: u16s,
  publicFirst: u16s,
  protocol: octet,
  family: octet,
  uplink: u32s,
  counter: u32s,
  publicAddr: address,
});

const ARBITRARIES = {
  dp_meta: fc.record({ layoutVersion: u32s, loadedAt: u64s, build: text(32) }),
  dp_veth_peer: vethPeer,
  dp_address_pair: addressPair,
  dp_container_ref: containerRef,
  dp_record_forward: recordForward,
  dp_record: fc.record({
    state: u32s,
    network: u16s,
    trusted: u16s,
    createdAt: u64s,
    netnsCookie: u64s,
    netnsInode: u64s,
    mtu: u32s,
    hostPeer: vethPeer,
    containerPeer: vethPeer,
    addresses: two(addressPair),
    name: text(64),
    group: text(64),
    owner: text(96),
    netns: text(128),
    container: containerRef,
    forwards: fc.array(recordForward, { maxLength: 32 }),
  }),
  dp_name: fc.record({ text: text(64) }),
  dp_namespace: fc.record({ cookie: u64s }),
  dp_change: fc.record({ since: u64s, kind: u32s }),
  dp_free: fc.record({ id: u32s, address: u32s, port: u32s, counter: u32s }),
  dp_reserved_ports: fc.record({ ports: fc.array(u64s, { minLength: 1024, maxLength: 1024 }) }),
  dp_settings: fc.record({ portFirst: u16s, portLast: u16s, uplink: u32s, publicAddrs: two(address) }),
  dp_drops: fc.record({ packets: fc.array(u64s, { minLength: 32, maxLength: 32 }) }),
  dp_endpoint_key: fc.record({ addr: address, port: u16s, protocol: octet, family: octet }),
  dp_endpoint: fc.record({ server: u32s, counter: u32s, container: address, port: u16s, mac, open: u32s }),
  dp_flow_key: fc.record({ server: u32s, dst: address, sport: u16s, dport: u16s, protocol: octet, family: octet }),
  dp_flow: fc.record({ sport: u16s, listener: u16s }),
  dp_origin_key: fc.record({ server: u32s, sport: u16s, protocol: octet, family: octet }),
  dp_origin: fc.record({ dst: address, dport: u16s, sport: u16s, listener: u16s, end: u32s, expires: u64s }),
  dp_proxy_budget: fc.record({ connections: u64s, datagrams: u64s }),
  dp_flow_count: fc.record({ flows: fc.integer({ min: -0x80000000, max: 0x7fffffff }) }),
  dp_sweep: fc.record({ armed: u32s }),
  dp_budget: fc.record({ interval: u32s, spent: u32s }),
  dp_fragment_key: fc.record({ src: address, dst: address, id: u32s, protocol: octet, family: octet }),
  dp_fragment: fc.record({ at: u64s, server: u32s, port: u16s }),
  dp_answer_source: fc.record({ addr: address }),
  dp_subnet: subnet,
  dp_config: fc.record({
    httpPort: u16s,
    dnsPort: u16s,
    tcpPort: u16s,
    playersFrom: u32s,
    playerKey: u64s,
    heldUntil: u64s,
    hostFilter: fc.array(u64s, { minLength: 4, maxLength: 4 }),
    hostSubnets: two(subnet),
    containerSubnets: two(subnet),
  }),
  dp_host_addr: fc.record({ ifindex: u32s }),
  dp_forward: forward,
  dp_server: fc.record({
    id: u32s,
    group: u32s,
    netnsCookie: u64s,
    addr: two(address),
    gateway: two(address),
    mac,
    forwards: fc.array(forward, { maxLength: 32 }),
  }),
  dp_container: fc.record({ server: u32s, hostPeer: u32s }),
  dp_traffic: traffic,
  dp_forward_traffic: fc.record({ in: traffic, out: traffic }),
  dp_sock_counts: fc.record({ destroyed: u64s, refused: u64s }),
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
  const key = { addr: "10.0.0.1", port: 1, protocol: 6, family: 0 };
  for (const port of [-1, 65536, 1.5, Number.NaN]) {
    expect(() => dpEndpointKey.write({ ...key, port })).toThrow(
      `dp_endpoint_key.port: ${port} is not an integer from 0 to 65535`,
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

test("text that is no address is refused", () => {
  const write = (addr: string) => () => dpAnswerSource.write({ addr });
  for (const addr of ["10.0.0", "10.0.0.0.1", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", "10.0.0.-1", "0x0a.0.0.1"]) {
    expect(write(addr)).toThrow(`dp_answer_source.addr: ${JSON.stringify(addr)} is not an IPv4 address`);
  }
  for (const addr of ["::g", ":", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0"]) {
    expect(write(addr)).toThrow(`dp_answer_source.addr: ${JSON.stringify(addr)} is not an IPv6 address`);
  }
  expect(write("::ffff:10.0.0.1")).toThrow("is an IPv4-mapped address: write it dotted");
});

test("an IPv6 address without a zone is taken exactly when node:net takes it", () => {
  const setting = (text: string) => () => setIpv6(new DataView(new ArrayBuffer(16)), 0, text, "addr");
  const pieces = fc.constantFrom(
    ":",
    "::",
    "0",
    "1f",
    "FFFF",
    "12345",
    ".",
    "10.0.0.1",
    "256.1.1.1",
    "01.1.1.1",
    "g",
    " ",
  );
  const almost = fc.array(pieces, { maxLength: 18 }).map((some) => some.join(""));
  fc.assert(
    fc.property(fc.oneof(almost, fc.ipV6()), (text) => {
      if (isIPv6(text)) setting(text)();
      else expect(setting(text)).toThrow(RangeError);
    }),
  );
  for (const text of ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4", "::"]) setting(text)();
  for (const text of ["1:2:3:4:5:6:7:8::", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "1::2::3", "::1%lo", ""]) {
    expect(setting(text)).toThrow(RangeError);
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
  const bytes = new Uint8Array(dpOrigin.size).fill(0xff, 40);
  expect(dpOrigin.fields.at(-1)).toEqual({ name: "timer", offset: 40, size: 16, type: "struct bpf_timer" });
  expect(dpOrigin.read(bytes)).toEqual(dpOrigin.read(new Uint8Array(dpOrigin.size)));
});

test("a text field without a NUL, or that is no UTF-8, is still read", () => {
  const bytes = dpVethPeer.write({ ...HOST_PEER, name: "" });
  bytes.fill(0x61, 12, 28);
  expect(dpVethPeer.read(bytes).name).toBe("a".repeat(16));
  bytes.set([0xff, 0], 12);
  expect(dpVethPeer.read(bytes).name).toBe("\ufffd");
});

test("every drop reason and server state has one name, and the name its number", () => {
  const check = (numbers: Record<string, number>, names: Readonly<Record<number, string>>) => {
    const { max: _, ...named } = numbers;
    expect(Object.fromEntries(Object.entries(names).map(([number, name]) => [name, Number(number)]))).toEqual(named);
  };
  check(DpDropReason, dpDropReasonNames);
  check(DpServerState, dpServerStateNames);
  expect(DpDropReason.forwardSyn).toBe(12);
  expect(dpDropReasonNames[DpDropReason.spoofedMac]).toBe("spoofedMac");
});

test("the maps have the keys and values that bpf/maps/ gives them", () => {
  expect(
    Object.entries(mapLayouts).map(([name, { type, keyType, valueType, key, value, maxEntries }]) =>
      [name, type, keyType, key.size, valueType, value.size, maxEntries].join(" "),
    ),
  ).toEqual([
    "dp_answer_frags 9 struct dp_fragment_key 40 struct dp_answer_source 16 4096",
    "dp_budgets 2 __u32 4 struct dp_proxy_budget 16 4097",
    "dp_changes 1 __u32 4 struct dp_change 16 4096",
    "dp_configs 2 __u32 4 struct dp_config 192 1",
    "dp_containers 1 struct dp_addr 16 struct dp_container 8 8192",
    "dp_counters 1 __u32 4 __u32 4 16384",
    "dp_drop_counts 5 __u32 4 struct dp_drops 256 4097",
    "dp_endpoints 1 struct dp_endpoint_key 24 struct dp_endpoint 36 262144",
    "dp_flow_counts 2 __u32 4 struct dp_flow_count 4 4097",
    "dp_flows 1 struct dp_flow_key 28 struct dp_flow 4 262144",
    "dp_fragments 9 struct dp_fragment_key 40 struct dp_fragment 16 4096",
    "dp_free 2 __u32 4 struct dp_free 16 1",
    "dp_groups 1 __u32 4 struct dp_name 64 4096",
    "dp_host_addrs 1 struct dp_addr 16 struct dp_host_addr 4 4096",
    "dp_host_peers 14 __u32 4 __u32 4 4097",
    "dp_meta 2 __u32 4 struct dp_meta 48 1",
    "dp_names 1 struct dp_name 64 __u32 4 4096",
    "dp_namespaces 1 struct dp_namespace 8 __u32 4 4096",
    "dp_origins 1 struct dp_origin_key 8 struct dp_origin 56 262144",
    "dp_players 12 __u32 4 4 bytes 4 4097",
    "dp_records 1 __u32 4 struct dp_record 1936 4096",
    "dp_reserved 2 __u32 4 struct dp_reserved_ports 8192 1",
    "dp_servers 1 __u32 4 struct dp_server 1112 4096",
    "dp_settings 2 __u32 4 struct dp_settings 40 1",
    "dp_sweeps 2 __u32 4 struct dp_sweep 24 1",
    "dp_traffic 6 __u32 4 struct dp_forward_traffic 32 16384",
    "dp_uplinks 25 __u32 4 __u32 4 256",
  ]);
});

test("the kernel keeps the whole name of every map, by which one whose pin is lost is found again", () => {
  // BPF_OBJ_NAME_LEN, with the NUL.
  expect(Object.keys(mapLayouts).filter((name) => name.length >= 16)).toEqual([]);
});
