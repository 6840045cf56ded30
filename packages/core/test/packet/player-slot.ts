import { ip } from "@dp/test-kit/frame.ts";

/** The 12 bytes before an IPv4 address in a struct dp_addr end with these, as a number of the host. */
const MAPPED = 0xffff0000n;

/** DP_PLAYER_SLOTS. */
const SLOTS = 4096n;

/** DP_HANDSHAKE_SETS, and DP_HANDSHAKE_PLACES, each of two numbers of a table. */
const SETS = 247n;
const PLACES = 8;

/** A player's hash: see bpf/lib/players.h. */
function hash(key: bigint, server: number, player: string, ports: bigint): bigint {
  const last = BigInt(new Uint32Array(ip(player).buffer)[0] ?? 0);
  const second = ((MAPPED ^ BigInt(server)) << 32n) | last;
  return BigInt.asUintN(64, (BigInt.asUintN(64, ports * key) ^ second) * key);
}

/** The slot of a player in a server's table. */
export function playerSlot(key: bigint, server: number, player: string): number {
  return Number(((hash(key, server, player, 0n) >> 32n) * SLOTS) >> 32n);
}

const networkOrder = (port: number) => BigInt(((port & 0xff) << 8) | (port >> 8));

/** A handshake's set and tag in a server's table, and where the set begins among the table's numbers. */
export function handshakeSlot(
  key: bigint,
  server: number,
  player: string,
  ports: { player: number; container: number },
): { set: number; tag: number; index: number } {
  const both = networkOrder(ports.player) | (networkOrder(ports.container) << 16n);
  const bits = hash(key, server, player, both);
  const set = Number(((bits >> 32n) * SETS) >> 32n);
  return { set, tag: Number((bits >> 20n) & 0xfffn) || 1, index: Number(SLOTS) + set * PLACES * 2 };
}
