/**
 * bpf/lib/players.h: dp_dnat writes down the players, and dp_snat (rule 9d) sends replies to no other address. A runner
 * for each, with the player tables shared.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ethernet, icmp, ipv4, type Layer, tcp, type TcpFields, udp } from "@dp/test-kit/frame.ts";
import { ProgramRunner, type Outcome } from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { A, B, CONFIG, HOST_PEER_MAC, PUBLIC_ADDRESS, type Server, UPLINK } from "@dp/test-kit/two-servers.ts";
import { u32 } from "../../src/libbpf/index.ts";
import { playerSlot } from "./player-slot.ts";
import { dropped, outOf } from "./table.ts";

requireRoot();

/** dp_player_steps, of which the programs' own is 550. */
const STEPS = 100;

let uplink: ProgramRunner;
let hostPeer: ProgramRunner;

beforeAll(async () => {
  uplink = await ProgramRunner.open("dnat");
  hostPeer = await ProgramRunner.open("snat", {
    prepare(object) {
      object.map("dp_players").reuse(uplink.lend("dp_players"));
      object.setVariable("dp_player_steps", u32, STEPS);
    },
  });
});

afterAll(() => {
  hostPeer[Symbol.dispose]();
  uplink[Symbol.dispose]();
});

let addresses = 0;

/** An address that no test before had. */
function stranger(): string {
  addresses += 1;
  return `198.51.100.${addresses}`;
}

function arrives(from: string, layer: Layer): void {
  uplink.run(ethernet({ dst: UPLINK.mac, src: "02:bb:00:00:00:01" }, ipv4({ src: from, dst: PUBLIC_ADDRESS }, layer)));
}

/** Something of a player's connection arrives. */
function says(from: string, fields: Partial<TcpFields> = {}, server = A): void {
  arrives(from, tcp({ src: 40_000, dst: server.port, flags: "S", ...fields }));
}

/** The server's container sends something of a connection from its container port. */
function answers(to: string, flags = "SA", server: Server = A): Outcome {
  const segment = tcp({ src: server.containerPort, dst: 40_000, flags });
  const frame = ethernet({ dst: HOST_PEER_MAC, src: server.mac }, ipv4({ src: server.address, dst: to }, segment));
  const outcome = hostPeer.run(frame, { ifindex: server.hostPeer });
  const { verdict, counts } = outcome;
  if (verdict === "redirect") expect(counts).toEqual(outOf(server)(frame.byteLength));
  else
    expect({ counts, packet: outcome.packet }).toEqual({
      counts: dropped(server.id, "notAPlayer")(0),
      packet: frame,
    });
  return outcome;
}

const verdictOf = (...args: Parameters<typeof answers>) => answers(...args).verdict;

/** When a player of server A last sent something, in steps. */
function stepOf(player: string, { playerKey } = CONFIG): number {
  using table = uplink.playerTables().get(A.id);
  return table?.get(0)?.[playerSlot(playerKey, A.id, player)] ?? 0;
}

function setStep(player: string, step: number): void {
  using table = uplink.playerTables().get(A.id);
  table?.set(0, (table.get(0) ?? []).with(playerSlot(CONFIG.playerKey, A.id, player), step));
}

test.each(["SA", "A", "PA", "FA", "R", "RA", "", "FPU"])(
  "a segment with the flags %p goes to no address that sent nothing",
  (flags) => {
    expect(verdictOf(stranger(), flags)).toBe("drop");
  },
);

test.each(["S", "A", "PA", "FA", "R"])("an address that sent a segment with the flags %p is answered", (flags) => {
  const player = stranger();
  expect(verdictOf(player)).toBe("drop");
  says(player, { flags });
  expect(verdictOf(player)).toBe("redirect");
  expect(verdictOf(player, "PA")).toBe("redirect");
});

test("a player of one server is none of another's, nor is its neighbour one", () => {
  const [player, neighbour] = [stranger(), stranger()];
  says(player);
  expect(verdictOf(player, "PA", B)).toBe("drop");
  expect(verdictOf(neighbour)).toBe("drop");
  says(player, {}, B);
  expect(verdictOf(player, "PA", B)).toBe("redirect");
});

test("a packet of no server, or not TCP, makes no address a player", () => {
  const player = stranger();
  says(player, { dst: 22 });
  arrives(player, udp({ src: 40_000, dst: A.port }));
  arrives(player, icmp({ type: 8 }));
  expect(stepOf(player)).toBe(0);
  expect(verdictOf(player)).toBe("drop");
});

test("a player who was silent for too long is none, until the next packet", () => {
  const player = stranger();
  says(player);
  const step = stepOf(player);
  expect(step).toBeGreaterThanOrEqual(2 ** 31);

  setStep(player, step - STEPS + 1);
  expect(verdictOf(player, "PA")).toBe("redirect");
  // Two more: a step may end meanwhile.
  setStep(player, step - STEPS - 2);
  expect(verdictOf(player, "PA")).toBe("drop");
  says(player, { flags: "A" });
  expect(stepOf(player)).toBeGreaterThanOrEqual(step);
  expect(verdictOf(player, "PA")).toBe("redirect");
});

test("addresses side by side have slots all over the table", () => {
  const players = Array.from({ length: 2000 }, (_, index) => `203.0.${112 + (index >> 8)}.${index & 0xff}`);
  for (const player of players) says(player);
  expect(players.filter((player) => stepOf(player) === 0)).toEqual([]);
  // Of 2000 random numbers below 8064, 1771 differ on average. A hash by one multiplication comes near that.
  const slots = players.map((player) => playerSlot(CONFIG.playerKey, A.id, player));
  expect(new Set(slots).size).toBeGreaterThan(1500);
  // The tests below do not expect most of the table to be full.
  using empty = uplink.playerTables().createInner();
  uplink.playerTables().set(A.id, empty);
});

test("with another secret, the slots are others", () => {
  const player = stranger();
  const config = { ...CONFIG, playerKey: 0xd1b5_4a32_d192_ed03n };
  uplink.set("dp_configs", 0, config);
  says(player);
  uplink.reset();
  expect(stepOf(player)).toBe(0);
  expect(stepOf(player, config)).not.toBe(0);
  expect(verdictOf(player)).toBe("drop");
});

test("while the table is younger than a player's absence may be, every address is a player", () => {
  const player = stranger();
  const other = stranger();
  says(other);
  const now = stepOf(other);
  hostPeer.set("dp_configs", 0, { ...CONFIG, playersFrom: now - STEPS + 2 });
  expect(verdictOf(player)).toBe("redirect");
  hostPeer.set("dp_configs", 0, { ...CONFIG, playersFrom: now - STEPS - 2 });
  expect(verdictOf(player)).toBe("drop");
});
