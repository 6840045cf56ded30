import { ip } from "@dp/test-kit/frame.ts";

/** The 12 bytes before an IPv4 address in a struct dp_addr end with these, as a number of the host. */
const MAPPED = 0xffff0000n;

/** DP_PLAYER_SLOTS. */
const SLOTS = 8064n;

/** The slot of a player in a server's table: see bpf/lib/players.h. */
export function playerSlot(key: bigint, server: number, player: string): number {
  const last = BigInt(new Uint32Array(ip(player).buffer)[0] ?? 0);
  const bits = ((MAPPED ^ BigInt(server)) << 32n) | last;
  return Number(((BigInt.asUintN(64, bits * key) >> 32n) * SLOTS) >> 32n);
}
