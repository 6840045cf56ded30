/**
 * bpf/lib/players.h and bpf/lib/handshake.h: who is a player. dp_dnat (rule 9) admits players and handshakes, and
 * dp_snat (rules 8 and 9c) lets a container send to them only. One runner for each, with the tables between them.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ethernet, icmp, ipv4, type Layer, tcp, type TcpFields, udp } from "@dp/test-kit/frame.ts";
import { type Outcome, ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { A, B, CONFIG, HOST_PEER_MAC, PUBLIC_ADDRESS, type Server, UPLINK } from "@dp/test-kit/two-servers.ts";
import { u32 } from "../../src/libbpf/index.ts";
import { handshakeSlot, playerSlot } from "./player-slot.ts";
import { dropped, outOf } from "./table.ts";

requireRoot();

/** dp_player_steps, of which the programs' own is 550. */
const STEPS = 100;

let uplink: ProgramRunner;
let hostPeer: ProgramRunner;
/** What the host sends to a container: dp_tproxy_host. */
let fromHost: ProgramRunner;

beforeAll(async () => {
  uplink = await ProgramRunner.open("dnat", {
    prepare: (object) => object.setVariable("dp_player_steps", u32, STEPS),
  });
  hostPeer = await ProgramRunner.open("snat", {
    prepare(object) {
      object.map("dp_players").reuse(uplink.lend("dp_players"));
      object.setVariable("dp_player_steps", u32, STEPS);
    },
  });
  fromHost = await ProgramRunner.open("tproxy", {
    program: "dp_tproxy_host",
    prepare(object) {
      object.map("dp_players").reuse(uplink.lend("dp_players"));
      object.setVariable("dp_player_steps", u32, STEPS);
    },
  });
});

beforeEach(() => {
  for (const runner of [uplink, hostPeer, fromHost]) runner.reset();
});

afterAll(() => {
  fromHost[Symbol.dispose]();
  hostPeer[Symbol.dispose]();
  uplink[Symbol.dispose]();
});

let addresses = 0;

/** An address that no test before had. */
function stranger(): string {
  addresses += 1;
  return `198.51.${100 + (addresses >> 8)}.${addresses & 0xff}`;
}

const PORT = 40_000;
/** The server's initial sequence number. */
const NUMBER = 0x1234_5678;

function arrives(from: string, layer: Layer, dst = PUBLIC_ADDRESS): Outcome {
  return uplink.run(ethernet({ dst: UPLINK.mac, src: "02:bb:00:00:00:01" }, ipv4({ src: from, dst }, layer)));
}

/** Something of a player's connection arrives. */
function says(from: string, fields: Partial<TcpFields> = {}, data = "", server: Server = A): Outcome["verdict"] {
  return arrives(from, tcp({ src: PORT, dst: server.port, flags: "S", ...fields }, data)).verdict;
}

/** The server's container sends something of a connection from its container port. */
function answers(to: string, fields: Partial<TcpFields> = {}, data = "", server: Server = A): Outcome["verdict"] {
  const segment = tcp({ src: server.containerPort, dst: PORT, flags: "SA", seq: NUMBER, ...fields }, data);
  const frame = ethernet({ dst: HOST_PEER_MAC, src: server.mac }, ipv4({ src: server.address, dst: to }, segment));
  const { verdict, counts, packet } = hostPeer.run(frame, { ifindex: server.hostPeer });
  if (verdict === "redirect") expect(counts).toEqual(outOf(server)(frame.byteLength));
  else expect({ counts, packet }).toEqual({ counts: dropped(server.id, "notAPlayer")(0), packet: frame });
  return verdict;
}

/** The container refuses a connection by an ICMP error that quotes the SYN, and data behind it. */
function refuses(to: string, { src = PORT, data = "", code = 13 } = {}, server: Server = A): Outcome["verdict"] {
  const syn = tcp({ src, dst: server.containerPort, flags: "S" }, data);
  const quoted = ethernet({ dst: server.mac, src: server.mac }, ipv4({ src: to, dst: server.address }, syn)).subarray(
    14,
  );
  const error = ipv4({ src: server.address, dst: to }, icmp({ type: 3, code }, quoted));
  const frame = ethernet({ dst: HOST_PEER_MAC, src: server.mac }, error);
  const { verdict, counts } = hostPeer.run(frame, { ifindex: server.hostPeer });
  if (verdict === "redirect") expect(counts).toEqual(outOf(server)(frame.byteLength));
  else expect(counts).toEqual(dropped(server.id, "icmp")(0));
  return verdict;
}

/** The whole handshake. */
function joins(from: string, server: Server = A): void {
  expect(says(from, {}, "", server)).toBe("redirect");
  expect(answers(from, {}, "", server)).toBe("redirect");
  expect(says(from, { flags: "A", ack: NUMBER + 1 }, "", server)).toBe("redirect");
}

/** When a player of server A last sent something, in steps. */
function stepOf(player: string, { playerKey } = CONFIG): number {
  using table = uplink.playerTables().get(A.id);
  return table?.get(0)?.[playerSlot(playerKey, A.id, player)] ?? 0;
}

function setStep(player: string, step: number): void {
  using table = uplink.playerTables().get(A.id);
  table?.set(0, (table.get(0) ?? []).with(playerSlot(CONFIG.playerKey, A.id, player), step));
}

/** Moves the time of all of server A's handshakes into the past. */
function age(seconds: number): void {
  const units = Math.ceil((seconds * 1e9) / 2 ** 27);
  using table = uplink.playerTables().get(A.id);
  const numbers = table?.get(0) ?? [];
  // The upper half of a handshake begins with its time.
  const older = (upper: number) => (upper === 0 ? 0 : ((upper & 0xffff_0000) | ((upper - units) & 0xffff)) >>> 0);
  table?.set(
    0,
    numbers.map((number, index) =>
      index >= 4096 && index < 4096 + 1976 * 2 && index % 2 === 1 ? older(number) : number,
    ),
  );
}

const SEGMENTS = ["SA", "A", "PA", "FA", "R", "RA", "", "FPU", "SR", "SAR", "SFA"];
/** dp_snat drops a SYN without ACK, whatever it is for (rule 9a). */
const ANSWERS = SEGMENTS.filter((flags) => flags !== "SR");

test.each(ANSWERS)("a segment with the flags %p goes to no address that sent nothing", (flags) => {
  expect(answers(stranger(), { flags })).toBe("drop");
});

test.each(SEGMENTS)("from an address that is no player, a segment with the flags %p is left to the host", (flags) => {
  const address = stranger();
  expect(says(address, { flags, ack: NUMBER + 1 })).toBe("next");
  expect(stepOf(address)).toBe(0);
  for (const answer of ["SA", "PA", "R"]) expect(answers(address, { flags: answer })).toBe("drop");
});

describe("a handshake", () => {
  test("makes a player, of any container that answers", () => {
    const player = stranger();
    joins(player);
    for (const flags of ANSWERS) expect([flags, answers(player, { flags }, "data")]).toEqual([flags, "redirect"]);
    for (const flags of SEGMENTS) expect([flags, says(player, { flags }, "data")]).toEqual([flags, "redirect"]);
    // From any port.
    expect(answers(player, { dst: 50_000, flags: "PA" }, "data")).toBe("redirect");
  });

  test.each(["A", "PA", "FA", "PUA", "ECA"])("is completed by the first segment that acknowledges: %p", (flags) => {
    const player = stranger();
    says(player);
    answers(player);
    expect(says(player, { flags, ack: NUMBER + 1 }, "hello")).toBe("redirect");
    expect(answers(player, { flags: "PA" }, "hello")).toBe("redirect");
  });

  test("wraps with the sequence numbers", () => {
    const player = stranger();
    says(player);
    answers(player, { seq: 0xffff_ffff });
    expect(says(player, { flags: "A", ack: 0 })).toBe("redirect");
    expect(stepOf(player)).not.toBe(0);
  });

  test("a SYN alone makes no player, nor does one that carries data, as with TCP Fast Open", () => {
    for (const data of ["", "hello"]) {
      const address = stranger();
      expect(says(address, {}, data)).toBe("redirect");
      expect(stepOf(address)).toBe(0);
      for (const flags of ["A", "PA", "FA", "RA", ""]) {
        const answer = answers(stranger(), { flags }, data);
        expect([flags, answer]).toEqual([flags, "drop"]);
      }
      expect(answers(address, { flags: "PA" }, "data")).toBe("drop");
    }
  });

  test("none of 2,050 forged ACKs completes one", () => {
    const victim = stranger();
    says(victim);
    answers(victim);
    for (let guess = 0; guess < 2050; guess++) {
      const ack = guess < 50 ? NUMBER + 2 + guess : Math.floor(guess * 2_094_967);
      expect(uplink.runUncounted(frameOf(victim, { flags: "A", ack })).verdict).toBe("next");
    }
    expect(stepOf(victim)).toBe(0);
    expect(answers(victim, { flags: "PA" })).toBe("drop");
    // The true one still does.
    expect(says(victim, { flags: "A", ack: NUMBER + 1 })).toBe("redirect");
  });

  test.each(["S", "SA", "R", "RA", "SR"])(
    "a segment with the flags %p and the right number completes none",
    (flags) => {
      const address = stranger();
      says(address);
      answers(address);
      says(address, { flags, ack: NUMBER + 1 });
      expect(stepOf(address)).toBe(0);
      expect(answers(address, { flags: "PA" })).toBe("drop");
    },
  );

  test("an ACK before any SYN+ACK completes none, whatever it acknowledges", () => {
    const address = stranger();
    says(address);
    for (const ack of [0, 1, NUMBER + 1, 0xffff_ffff]) expect(says(address, { flags: "A", ack })).toBe("next");
  });

  test("of one port completes none of another", () => {
    const address = stranger();
    says(address, { src: 1 });
    expect(answers(address, { dst: 2 })).toBe("drop");
    answers(address, { dst: 1 });
    expect(says(address, { src: 2, flags: "A", ack: NUMBER + 1 })).toBe("next");
    expect(says(address, { src: 1, flags: "A", ack: NUMBER + 1 })).toBe("redirect");
  });

  test("64 connections at once from one address are all made", () => {
    const player = stranger();
    const ports = Array.from({ length: 64 }, (_, index) => 30_000 + index);
    for (const src of ports) expect(says(player, { src })).toBe("redirect");
    for (const dst of ports) expect(answers(player, { dst, seq: dst })).toBe("redirect");
    // Last first: the address is a player only after its first ACK.
    const [first] = ports as [number];
    expect(says(player, { src: first, flags: "A", ack: first + 1 })).toBe("redirect");
  });

  test("1,000 of as many addresses at once are nearly all completed", () => {
    const players = Array.from({ length: 1000 }, stranger);
    for (const player of players) uplink.runUncounted(frameOf(player));
    for (const player of players) hostPeer.runUncounted(answerTo(player), { ifindex: A.hostPeer });
    const made = players.filter(
      (player) => uplink.runUncounted(frameOf(player, { flags: "A", ack: NUMBER + 1 })).verdict === "redirect",
    );
    expect(made.length).toBeGreaterThan(950);
    // The tests after this one do not expect most of the table to be full.
    forgetAll();
  });

  test("a SYN that is sent again changes nothing of what was noted", () => {
    const player = stranger();
    says(player);
    answers(player);
    says(player);
    expect(says(player, { flags: "A", ack: NUMBER + 1 })).toBe("redirect");
  });

  test("the last SYN+ACK counts, as with SYN cookies", () => {
    const player = stranger();
    says(player);
    answers(player, { seq: 1 });
    says(player);
    answers(player, { seq: 1000 });
    expect(says(player, { flags: "A", ack: 2 })).toBe("next");
    expect(says(player, { flags: "A", ack: 1001 })).toBe("redirect");
  });

  test("a stranger who forges 2,000 SYNs of an address, from all ports, does not keep its owner out", () => {
    const player = stranger();
    says(player, { src: 7 });
    for (let src = 10_000; src < 12_000; src++) {
      if (src % 250 === 0) answers(player, { dst: 7 });
      uplink.runUncounted(frameOf(player, { src }));
      // As quickly as a player answers: within 100 SYNs.
      if (src === 10_100) expect(says(player, { src: 7, flags: "A", ack: NUMBER + 1 })).toBe("redirect");
    }
    expect(stepOf(player)).not.toBe(0);
    forgetAll();
  });
});

describe("answers to a SYN", () => {
  test("are 8 SYN+ACKs", () => {
    const address = stranger();
    says(address);
    const verdicts = Array.from({ length: 10 }, () => answers(address));
    expect(verdicts).toEqual([...Array<"redirect">(8).fill("redirect"), "drop", "drop"]);
    says(address);
    expect(Array.from({ length: 10 }, () => answers(address)).filter((verdict) => verdict === "redirect")).toHaveLength(
      7,
    );
  });

  test.each(["x", "x".repeat(500)])("have no data: %p", (data) => {
    const address = stranger();
    says(address);
    expect(answers(address, {}, data)).toBe("drop");
    expect(answers(address, { flags: "RA" }, data)).toBe("drop");
    expect(answers(address)).toBe("redirect");
  });

  test.each([4, 0, 6, 15])("have a header as long as the segment, not of %p words", (dataOffset) => {
    const address = stranger();
    says(address);
    expect(answers(address, { dataOffset })).toBe("drop");
  });

  test.each(["A", "PA", "FA", "SFA", "SAR", "", "F"])("are no segments with the flags %p", (flags) => {
    const address = stranger();
    says(address);
    expect(answers(address, { flags })).toBe("drop");
  });

  test.each(["R", "RA"])("are one reset, with the flags %p, as of a closed port", (flags) => {
    const address = stranger();
    for (let again = 0; again < 3; again++) {
      says(address);
      expect(answers(address, { flags, seq: 0 })).toBe("redirect");
      expect(answers(address, { flags, seq: 0 })).toBe("drop");
      expect(answers(address)).toBe("drop");
    }
    expect(stepOf(address)).toBe(0);
  });

  test("are one ICMP error, as of the container's own firewall", () => {
    const address = stranger();
    expect(refuses(address)).toBe("drop");
    for (let again = 0; again < 3; again++) {
      says(address);
      expect(refuses(address)).toBe("redirect");
      expect(refuses(address)).toBe("drop");
      expect(answers(address)).toBe("drop");
    }
    expect(stepOf(address)).toBe(0);
  });

  test("are no ICMP error about other ports, with data, of another server, or that the path is narrow", () => {
    const address = stranger();
    says(address);
    expect(refuses(address, { src: PORT + 1 })).toBe("drop");
    expect(refuses(address, { data: "x".repeat(81) })).toBe("drop");
    expect(refuses(address, { code: 4 })).toBe("drop");
    expect(refuses(address, {}, B)).toBe("drop");
    age(76);
    expect(refuses(address)).toBe("drop");
    says(address);
    expect(refuses(address)).toBe("redirect");
  });

  test("come within 75 s", () => {
    const address = stranger();
    says(address);
    age(74);
    expect(answers(address)).toBe("redirect");
    age(2);
    expect(answers(address)).toBe("drop");
    expect(answers(address, { flags: "RA" })).toBe("drop");
    // The player's own answer may take longer.
    expect(says(address, { flags: "A", ack: NUMBER + 1 })).toBe("redirect");
  });

  test("are acknowledged within 135 s", () => {
    const address = stranger();
    says(address);
    answers(address);
    age(136);
    expect(says(address, { flags: "A", ack: NUMBER + 1 })).toBe("next");
  });

  test("go to the port that sent it, from the container port that it came to", () => {
    const address = stranger();
    says(address);
    expect(answers(address, { dst: PORT + 1 })).toBe("drop");
    expect(answers(stranger())).toBe("drop");
    expect(answers(address, {}, "", B)).toBe("drop");
    expect(answers(address)).toBe("redirect");
  });

  test("are ended by the other end's reset, which reaches the container", () => {
    const address = stranger();
    says(address);
    answers(address);
    expect(says(address, { flags: "R" })).toBe("redirect");
    expect(says(address, { flags: "R", src: 1 })).toBe("next");
    expect(stepOf(address)).toBe(0);
  });
});

test("a forged reset makes no player, from any address", () => {
  for (const address of ["169.254.169.254", "192.168.1.1", "10.0.0.1", "100.64.0.1", stranger()]) {
    for (const flags of ["R", "RA"]) expect(says(address, { flags })).toBe("next");
    expect(answers(address, { flags: "PA" })).toBe("drop");
  }
});

test("10,000 forged resets and SYNs leave the table of players empty", () => {
  forgetAll();
  for (let index = 0; index < 10_000; index++) {
    const address = `11.${index >> 16}.${(index >> 8) & 0xff}.${index & 0xff}`;
    uplink.runUncounted(frameOf(address, { flags: index % 2 === 0 ? "R" : "S" }));
  }
  using table = uplink.playerTables().get(A.id);
  expect(
    table
      ?.get(0)
      ?.slice(0, 4096)
      .filter((step) => step !== 0),
  ).toEqual([]);
  forgetAll();
});

test("a player's resets and SYNs keep no address a player", () => {
  const player = stranger();
  joins(player);
  const earlier = stepOf(player) - 5;
  setStep(player, earlier);
  for (const flags of ["S", "R", "RA"]) expect(says(player, { flags })).toBe("redirect");
  expect(stepOf(player)).toBe(earlier);
  expect(says(player, { flags: "A" })).toBe("redirect");
  expect(stepOf(player)).toBeGreaterThan(earlier);
});

test("a player of one server is none of another's, nor is its neighbour one", () => {
  const [player, neighbour] = [stranger(), stranger()];
  joins(player);
  expect(answers(player, { flags: "PA" }, "", B)).toBe("drop");
  expect(says(player, { flags: "PA" }, "", B)).toBe("next");
  expect(answers(neighbour)).toBe("drop");
  joins(player, B);
  expect(answers(player, { flags: "PA" }, "", B)).toBe("redirect");
});

test("what is for no server, or not TCP, does not make its sender a player", () => {
  const player = stranger();
  says(player, { dst: 22 });
  arrives(player, udp({ src: PORT, dst: A.port }));
  arrives(player, icmp({ type: 8 }));
  expect(stepOf(player)).toBe(0);
  expect(answers(player)).toBe("drop");
});

test("a player who was silent for too long is none, until the next handshake", () => {
  const player = stranger();
  joins(player);
  forgetHandshakes();
  const step = stepOf(player);
  expect(step).toBeGreaterThanOrEqual(2 ** 31);

  setStep(player, step - STEPS + 1);
  expect(answers(player, { flags: "PA" })).toBe("redirect");
  // Two more: a step may end meanwhile.
  setStep(player, step - STEPS - 2);
  expect(answers(player, { flags: "PA" })).toBe("drop");
  // The host's stack resets it, so that the player learns it at once.
  expect(says(player, { flags: "PA" })).toBe("next");
  expect(answers(player, { flags: "PA" })).toBe("drop");
  joins(player);
  expect(answers(player, { flags: "PA" })).toBe("redirect");
});

test("addresses side by side have slots all over the table", () => {
  const players = Array.from({ length: 1000 }, (_, index) => `203.0.${112 + (index >> 8)}.${index & 0xff}`);
  const slots = players.map((player) => playerSlot(CONFIG.playerKey, A.id, player));
  // Of 1000 random numbers below 4096, 887 differ on average. A hash by one multiplication comes near that.
  expect(new Set(slots).size).toBeGreaterThan(750);
  const ports = { player: PORT, container: A.containerPort };
  const sets = players.map((player) => handshakeSlot(CONFIG.playerKey, A.id, player, ports).set);
  expect(new Set(sets).size).toBeGreaterThan(200);
  const ofPorts = players.map(
    (_, index) => handshakeSlot(CONFIG.playerKey, A.id, "203.0.112.1", { ...ports, player: 30_000 + index }).set,
  );
  expect(new Set(ofPorts).size).toBeGreaterThan(200);
});

test("with another secret, the slots are others", () => {
  const player = stranger();
  const config = { ...CONFIG, playerKey: 0xd1b5_4a32_d192_ed03n };
  for (const runner of [uplink, hostPeer, fromHost]) runner.set("dp_configs", 0, config);
  joins(player);
  for (const runner of [uplink, hostPeer, fromHost]) runner.reset();
  expect(stepOf(player)).toBe(0);
  expect(stepOf(player, config)).not.toBe(0);
  expect(answers(player, { flags: "PA" })).toBe("drop");
});

describe("while the table is younger than a player's absence may be", () => {
  function lostAt(ago: number): void {
    const other = stranger();
    joins(other);
    const playersFrom = stepOf(other) - ago;
    for (const runner of [uplink, hostPeer, fromHost]) runner.set("dp_configs", 0, { ...CONFIG, playersFrom });
  }

  test("every address counts as a player, and is one from its next segment on", () => {
    const player = stranger();
    lostAt(STEPS - 2);
    expect(answers(player, { flags: "PA" })).toBe("redirect");
    expect(says(player, { flags: "PA" })).toBe("redirect");
    lostAt(STEPS + 2);
    expect(answers(player, { flags: "PA" })).toBe("redirect");
    expect(answers(stranger(), { flags: "PA" })).toBe("drop");
  });

  test("a forged reset or SYN makes no player for the time after", () => {
    const [one, two] = [stranger(), stranger()];
    lostAt(STEPS - 2);
    says(one, { flags: "R" });
    says(two, { flags: "S" });
    expect([stepOf(one), stepOf(two)]).toEqual([0, 0]);
  });
});

test("a server without a table has no players, and gets nothing", () => {
  const player = stranger();
  uplink.playerTables().delete(A.id);
  expect(says(player)).toBe("next");
  expect(answers(player)).toBe("drop");
  uplink.addPlayerTable(A.id);
});

describe.each([
  ["the gateway", A.gateway],
  ["an address of the host", PUBLIC_ADDRESS],
])("the host, at %s,", (_, host) => {
  const FROM_HOST = { dst: A.mac, src: HOST_PEER_MAC };

  function asks(fields: Partial<TcpFields> = {}, data = ""): void {
    const layer = tcp({ src: PORT, dst: A.containerPort, flags: "S", ...fields }, data);
    const frame = ethernet(FROM_HOST, ipv4({ src: host, dst: A.address }, layer));
    expect(fromHost.run(frame, { ifindex: A.hostPeer })).toEqual({ verdict: "next", packet: frame, counts: {} });
  }

  /** The container sends something back. */
  function tells(fields: Partial<TcpFields> = {}, data = ""): Outcome["verdict"] {
    const layer = tcp({ src: A.containerPort, dst: PORT, flags: "SA", seq: NUMBER, ...fields }, data);
    const frame = ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv4({ src: A.address, dst: host }, layer));
    const { verdict, counts } = hostPeer.run(frame, { ifindex: A.hostPeer });
    expect(counts).toEqual(verdict === "pass" ? {} : dropped(A.id, "notAPlayer")(0));
    return verdict;
  }

  test("is a player by a handshake, like any", () => {
    forgetAll();
    expect(tells({ flags: "PA" }, "data")).toBe("drop");
    expect(tells()).toBe("drop");
    asks();
    expect(tells({ flags: "PA" }, "data")).toBe("drop");
    expect(tells({}, "data")).toBe("drop");
    expect(tells()).toBe("pass");
    asks({ flags: "A", ack: NUMBER });
    expect(tells({ flags: "PA" }, "data")).toBe("drop");
    asks({ flags: "A", ack: NUMBER + 1 });
    expect(tells({ flags: "PA" }, "data")).toBe("pass");
    asks({ flags: "PA" }, "data");
  });

  test("is refused by a closed port once for each SYN", () => {
    forgetAll();
    asks();
    expect(tells({ flags: "RA" })).toBe("pass");
    expect(tells({ flags: "RA" })).toBe("drop");
  });

  test("is no player by what it sends to another port, or in datagrams", () => {
    forgetAll();
    asks({ dst: A.containerPort + 1 });
    const datagram = ipv4({ src: host, dst: A.address }, udp({ src: PORT, dst: A.containerPort }));
    fromHost.run(ethernet(FROM_HOST, datagram), { ifindex: A.hostPeer });
    expect(tells()).toBe("drop");
  });
});

describe("servers of one group", () => {
  const GROUP = { group: 7 };

  /** A segment of container A to the container port of B, or of B's answer. */
  function between(from: Server, to: Server, fields: TcpFields, data = ""): Outcome["verdict"] {
    const packet = ipv4({ src: from.address, dst: to.address }, tcp(fields, data));
    return hostPeer.run(ethernet({ dst: HOST_PEER_MAC, src: from.mac }, packet), { ifindex: from.hostPeer }).verdict;
  }
  const toB = (fields: Partial<TcpFields> = {}, data = "") =>
    between(A, B, { src: PORT, dst: B.containerPort, flags: "S", ...fields }, data);
  const toA = (fields: Partial<TcpFields> = {}, data = "") =>
    between(B, A, { src: B.containerPort, dst: PORT, flags: "SA", seq: NUMBER, ...fields }, data);

  beforeEach(() => {
    for (const server of [A, B]) hostPeer.writeServer(server, GROUP);
    for (const server of [A, B]) {
      using empty = uplink.playerTables().createInner();
      uplink.playerTables().set(server.id, empty);
    }
  });

  test("are players of each other by a handshake", () => {
    expect(toB({ flags: "PA" }, "data")).toBe("drop");
    expect(toA({ flags: "PA" }, "data")).toBe("drop");
    expect(toB()).toBe("redirect");
    expect(toA({}, "data")).toBe("drop");
    expect(toA()).toBe("redirect");
    expect(toA({ flags: "PA" }, "data")).toBe("drop");
    expect(toB({ flags: "A", ack: NUMBER })).toBe("drop");
    expect(toB({ flags: "A", ack: NUMBER + 1 })).toBe("redirect");
    expect(toA({ flags: "PA" }, "data")).toBe("redirect");
    expect(toB({ flags: "PA" }, "data")).toBe("redirect");
  });

  test("refuse a connection to a closed port by one reset", () => {
    expect(toB()).toBe("redirect");
    expect(toA({ flags: "RA" })).toBe("redirect");
    expect(toA({ flags: "RA" })).toBe("drop");
  });
});

/** What {@link says} sends. */
function frameOf(from: string, fields: Partial<TcpFields> = {}): Uint8Array {
  const layer = tcp({ src: PORT, dst: A.port, flags: "S", ...fields });
  return ethernet({ dst: UPLINK.mac, src: "02:bb:00:00:00:01" }, ipv4({ src: from, dst: PUBLIC_ADDRESS }, layer));
}

/** What {@link answers} sends. */
function answerTo(to: string): Uint8Array {
  const layer = tcp({ src: A.containerPort, dst: PORT, flags: "SA", seq: NUMBER });
  return ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv4({ src: A.address, dst: to }, layer));
}

function forgetAll(): void {
  using empty = uplink.playerTables().createInner();
  uplink.playerTables().set(A.id, empty);
}

function forgetHandshakes(): void {
  using table = uplink.playerTables().get(A.id);
  table?.set(
    0,
    (table.get(0) ?? []).map((number, index) => (index < 4096 ? number : 0)),
  );
}
