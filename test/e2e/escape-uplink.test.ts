/**
 * What strangers on the internet try with forged packets, and what they and a container can do together:
 *
 *     router (injects frames, as if from anywhere) ── host 203.0.113.10:25570 ── container "game"
 *                    │                                              :25571 ── container "other", same group
 *                  player
 *
 * Every frame carries a mark. What reaches a container is seen at its own interface, what leaves the host at the
 * router.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openPinned } from "@dp/core";
import { ethernet, fragments, icmp, ipv4, tcp, type TcpFields } from "@dp/test-kit/frame.ts";
import { must } from "@dp/test-kit/program.ts";
import { Injector, Sniffer } from "./raw/packet-socket.ts";
import type { Server } from "./topology/dp.ts";
import { Internet, PLAYER_ADDRESSES, PUBLIC_ADDRESS } from "./topology/internet.ts";
import { converse, refusal, serve, transfer } from "./traffic/traffic.ts";

const PORT = 25570;
const OTHER_PORT = 25571;
const GAME_PORT = 25565;
const PLAYER = PLAYER_ADDRESSES[0];
const NUMBER = 0x1234_5678;

let made: AsyncDisposableStack;
let net: Internet;
let server: Server;
let other: Server;
let hostMac: string;
let fromRouter: Injector;
let fromContainer: Injector;
let atRouter: Sniffer;
let atContainers: readonly Sniffer[];
let marks = 0;

beforeAll(async () => {
  made = new AsyncDisposableStack();
  net = made.use(await Internet.create({ containers: ["game", "other"] }));
  await net.dp.must("load");
  server = await net.dp.addServer(PORT, net.container("game"), "--name", "game", "--group", "g");
  other = await net.dp.addServer(OTHER_PORT, net.container("other"), "--name", "other", "--group", "g");
  const [{ address }] = JSON.parse(await must(["ip", "-n", net.host.name, "-j", "link", "show", "eth0"])) as [
    { address: string },
  ];
  hostMac = address;
  fromRouter = made.use(await Injector.open(net.router, "to-host"));
  fromContainer = made.use(await Injector.open(net.container("game"), "eth0"));
  atRouter = made.use(await Sniffer.open(net.router, "to-host"));
  const containers = ["game", "other"].map(async (name) => made.use(await Sniffer.open(net.container(name), "eth0")));
  atContainers = await Promise.all(containers);
});

afterAll(() => made.disposeAsync());

const mark = () => `#${(marks += 1).toString(36).padStart(6, "0")}#`;
const sees = (sniffers: readonly Sniffer[], wanted: string) =>
  sniffers.some(({ frames }) => frames.some((frame) => frame.includes(wanted, 0, "latin1")));

async function arrives(sniffers: readonly Sniffer[], wanted: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!sees(sniffers, wanted)) {
    if (performance.now() > deadline) throw new Error(`${wanted} does not arrive`);
    await Bun.sleep(1);
  }
}

const segment = (data: string, fields: Partial<TcpFields> = {}) =>
  tcp({ src: 40_000, dst: PORT, flags: "S", ...fields }, data);
/** From the internet to the host. */
const arriving = (src: string, layer: Parameters<typeof ipv4>[1], more: object = {}) =>
  ethernet({ dst: hostMac, src: "02:bb:00:00:00:01" }, ipv4({ src, dst: PUBLIC_ADDRESS, ...more }, layer));
/** From the container's game port. */
const leaving = (dst: string, data: string, fields: Partial<TcpFields> = {}) =>
  ethernet(
    { dst: server.hostPeer.mac, src: server.containerPeer.mac },
    ipv4(
      { src: server.addresses.ipv4.container, dst },
      tcp({ src: GAME_PORT, dst: 40_000, flags: "PA", seq: NUMBER, ...fields }, data),
    ),
  );

/** Waits until all that was sent before has been seen: a SYN of its own port, which reaches the container. */
async function settle(): Promise<void> {
  const last = mark();
  fromRouter.send(arriving("198.18.0.1", segment(last, { src: 1 })));
  await arrives(atContainers, last);
}

function drops(): Record<string, number> {
  using objects = openPinned({ pinRoot: net.dp.pinRoot });
  const counts = Object.entries(objects.drops.read(server.id) ?? {});
  return Object.fromEntries(counts.map(([reason, packets]) => [reason, Number(packets)]));
}

/** Sends from the container's game port, and tells whether it left by the uplink. */
async function leaves(dst: string, fields: Partial<TcpFields> = {}): Promise<boolean> {
  const own = mark();
  const before = drops()["notAPlayer"] ?? 0;
  fromContainer.send(leaving(dst, own, fields));
  const deadline = performance.now() + 10_000;
  for (;;) {
    if (sees([atRouter], own)) return true;
    if ((drops()["notAPlayer"] ?? 0) > before) return false;
    if (performance.now() > deadline) throw new Error("the packet is neither seen nor counted");
    await Bun.sleep(1);
  }
}

describe("sources that no packet from the internet can have", () => {
  const SOURCES: Readonly<Record<string, () => string>> = {
    "the server's host peer": () => server.addresses.ipv4.gateway,
    "another server's host peer": () => other.addresses.ipv4.gateway,
    "an unused address of the host subnet": () => "10.1.200.200",
    "the container itself": () => server.addresses.ipv4.container,
    "a container of its group": () => other.addresses.ipv4.container,
    "an unused container address": () => "10.2.200.200",
    "the public address": () => PUBLIC_ADDRESS,
    loopback: () => "127.0.0.1",
    "0.0.0.0": () => "0.0.0.0",
    "0.1.2.3": () => "0.1.2.3",
    "a multicast group": () => "224.0.0.251",
    "a reserved address": () => "240.0.0.1",
    broadcast: () => "255.255.255.255",
  };
  const KINDS: Readonly<Record<string, (src: string, data: string) => readonly Uint8Array[]>> = {
    "a SYN": (src, data) => [arriving(src, segment(data))],
    "a SYN+ACK": (src, data) => [arriving(src, segment(data, { flags: "SA" }))],
    data: (src, data) => [arriving(src, segment(data, { flags: "PA" }))],
    "a reset": (src, data) => [arriving(src, segment(data, { flags: "R" }))],
    "fragments of a SYN": (src, data) =>
      fragments(
        { dst: hostMac, src: "02:bb:00:00:00:01" },
        { src, dst: PUBLIC_ADDRESS, id: 99 },
        segment(data.repeat(20)),
        [40, 80],
      ),
    "an ICMP error": (src, data) => [
      arriving(
        src,
        icmp(
          { type: 3, code: 4, rest: 600 },
          ethernet(
            { dst: hostMac, src: hostMac },
            ipv4({ src: PUBLIC_ADDRESS, dst: PLAYER }, tcp({ src: PORT, dst: 40_000, flags: "PA" }, data)),
          ).subarray(14),
        ),
      ),
    ],
  };

  test.each(Object.keys(SOURCES))("%s: nothing reaches a container", async (name) => {
    const src = (SOURCES[name] as () => string)();
    const sent = Object.entries(KINDS).map(([kind, frames]) => {
      const own = mark();
      for (const frame of frames(src, own)) fromRouter.send(frame);
      return [kind, own] as const;
    });
    await settle();
    expect(sent.filter(([, own]) => sees(atContainers, own)).map(([kind]) => kind)).toEqual([]);
  });
});

describe("forged packets make no player", () => {
  const FLAGS = ["R", "RA", "A", "PA", "FA", "SA", "", "FPU", "S"];
  const VICTIMS = ["169.254.169.254", "192.168.1.1", "10.200.0.1", "100.64.0.1", "8.8.8.8"];

  test.each(FLAGS)("with the flags %p", async (flags) => {
    for (const [index, victim] of VICTIMS.entries()) {
      fromRouter.send(arriving(victim, segment("", { flags, src: 41_000 + index, ack: NUMBER + 1 })));
    }
    await settle();
    for (const [index, victim] of VICTIMS.entries()) {
      const dst = 41_000 + index;
      for (const answer of ["PA", "A", "FA", "SA"]) {
        expect([victim, answer, await leaves(victim, { flags: answer, dst })]).toEqual([victim, answer, false]);
      }
    }
  });

  test("nor does an ACK that guesses", async () => {
    fromRouter.send(arriving("8.8.4.4", segment("", { src: 7 })));
    await settle();
    // The container's own stack has refused the SYN, or nothing would end the handshake.
    for (let guess = 0; guess < 500; guess++) {
      fromRouter.send(arriving("8.8.4.4", segment("", { src: 7, flags: "A", ack: guess * 8_589_934 })));
    }
    await settle();
    expect(await leaves("8.8.4.4", { dst: 7 })).toBe(false);
  });
});

test("a segment of no connection, from an address that is no player, is reset by the host", async () => {
  const [src, seen] = [45_000, atRouter.frames.length];
  fromRouter.send(arriving(PLAYER, segment("", { src, flags: "PA", ack: 77 })));
  const isReset = (frame: Buffer) =>
    frame.readUInt16BE(36) === src && frame.readUInt16BE(34) === PORT && ((frame[47] as number) & 4) !== 0;
  const deadline = performance.now() + 10_000;
  while (!atRouter.frames.slice(seen).some(isReset)) {
    if (performance.now() > deadline) throw new Error("no reset came");
    await Bun.sleep(1);
  }
});

test("a closed port refuses at once", async () => {
  expect(await refusal(net.player(), { port: PORT })).toBe("ECONNREFUSED");
  expect(await leaves(PLAYER)).toBe(false);
});

describe("true connections", () => {
  const SYSCTLS: Readonly<Record<string, readonly [key: string, value: number][]>> = {
    "as usual": [],
    "with SYN cookies always": [["net.ipv4.tcp_syncookies", 2]],
    "with TCP Fast Open for all": [["net.ipv4.tcp_fastopen", 0x603]],
  };

  for (const [name, sysctls] of Object.entries(SYSCTLS)) {
    test(`${name}: 40 at once are made, and their bytes arrive`, async () => {
      const container = net.container("game");
      for (const [key, value] of sysctls) await container.sysctl(key, value);
      await using _game = await serve(container, GAME_PORT);
      const transfers = Array.from({ length: 40 }, () => transfer(net.player(), { port: PORT }, "download", 20_000));
      for (const { sent, received } of await Promise.all(transfers)) expect(received).toBe(sent);
    });
  }

  test("go on while strangers forge 20,000 SYNs, and new ones are made", async () => {
    await using _game = await serve(net.container("game"), GAME_PORT);
    await using client = await converse(net.player(), { port: PORT });
    for (let index = 0; index < 20_000; index++) {
      const src = `${11 + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}.9`;
      fromRouter.send(arriving(src, segment("", { src: 1024 + (index % 60_000) })));
      if (index % 1000 === 0) await Bun.sleep(1);
    }
    const { sent, received } = await transfer(net.player(), { port: PORT }, "download", 20_000);
    expect(received).toBe(sent);
    expect(client.events.some(({ event }) => event === "failed")).toBe(false);
  });
});

test("a forged first fragment diverts no other fragment to another server", async () => {
  await using _game = await serve(net.container("game"), GAME_PORT);
  await using _other = await serve(net.container("other"), GAME_PORT);
  await transfer(net.player(), { port: PORT }, "download", 1000);
  await transfer(net.player(), { port: OTHER_PORT }, "download", 1000);
  const secret = mark();
  const headers = [
    { dst: hostMac, src: "02:bb:00:00:00:01" },
    { src: PLAYER, dst: PUBLIC_ADDRESS, id: 4711 },
  ] as const;
  const pieces = (dst: number, data: string) =>
    fragments(...headers, segment(data.repeat(20), { src: 46_000, dst, flags: "PA" }), [40, 80]);
  const [first, second, third] = pieces(PORT, secret) as [Uint8Array, Uint8Array, Uint8Array];
  const [forged] = pieces(OTHER_PORT, mark()) as [Uint8Array];
  fromRouter.send(first);
  fromRouter.send(forged);
  fromRouter.send(second);
  fromRouter.send(third);
  await settle();
  expect(sees([atContainers[1] as Sniffer], secret)).toBe(false);
});
