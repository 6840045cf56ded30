/** The frames attempts are made of: from the attacker to its gateway, unless a field says otherwise. */
import {
  ethernet,
  type EthernetFields,
  icmp,
  ipv4,
  type Ipv4Fields,
  type Layer,
  tcp,
  type TcpFields,
  udp,
} from "@dp/test-kit/frame.ts";
import { GAME_PORT, type Ground } from "./world.ts";

export type Outer = Partial<EthernetFields>;
export type Inner = Partial<Ipv4Fields>;

/** A port that a program of the container could have. */
const OWN_PORT = 40_000;

export function ip(ground: Ground, fields: Inner, payload: Layer, outer: Outer = {}): Uint8Array {
  const inner = ipv4({ src: ground.self, dst: ground.player, ...fields }, payload);
  return ethernet({ ...ground.outer, ...outer }, inner);
}

/** Data from the container port: to a player, it is a reply. */
export function reply(ground: Ground, mark: string, fields: Inner = {}, outer: Outer = {}): Uint8Array {
  return fromGamePort(ground, mark, { flags: "PA" }, fields, outer);
}

export function fromGamePort(
  ground: Ground,
  mark: string,
  segment: Partial<TcpFields>,
  fields: Inner = {},
  outer: Outer = {},
): Uint8Array {
  return ip(ground, fields, tcp({ src: GAME_PORT, dst: OWN_PORT, ...segment }, mark), outer);
}

/** A connection that is opened, or what is said to be one. */
export function open(
  ground: Ground,
  mark: string,
  dst: string,
  port: number,
  segment: Partial<TcpFields> = {},
  fields: Inner = {},
  outer: Outer = {},
): Uint8Array {
  return ip(ground, { dst, ...fields }, tcp({ src: OWN_PORT, dst: port, flags: "S", ...segment }, mark), outer);
}

export function datagram(
  ground: Ground,
  mark: string,
  dst: string,
  port: number,
  fields: Inner = {},
  outer: Outer = {},
): Uint8Array {
  return ip(ground, { dst, ...fields }, udp({ src: OWN_PORT, dst: port }, mark), outer);
}

export function ping(ground: Ground, mark: string, dst: string, fields: Inner = {}, outer: Outer = {}): Uint8Array {
  return ip(ground, { dst, ...fields }, icmp({ type: 8 }, mark), outer);
}
