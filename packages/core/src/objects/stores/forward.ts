/** Forwards, and which forwards one server may have. */
import { DatapathError } from "@dp/sys";
import { type Endpoint, familyOfAddress, type Protocol } from "./endpoint.ts";

/** One public endpoint, or a range of them, and the container endpoint it leads to. */
export interface Forward {
  protocol: Protocol;
  /** The public address, IPv4 or IPv6, in canonical text. */
  address: string;
  /** The first public port. */
  port: number;
  /** The number of ports: 1 unless it is a range. */
  count: number;
  /** The container port that `port` leads to. The ports after it follow in the same order. */
  containerPort: number;
  /** ifindex of the interface that players' packets arrive by and replies leave by. */
  uplink: number;
  /** MTU of the way to players, in bytes: the uplink's. */
  mtu: number;
  /** Index of its counter in {@link Counters}. */
  counter: number;
}

/** The number of forwards a server can have (DP_FORWARDS). A range is one. */
export const MAX_FORWARDS = 32;

const LAST_PORT = 65535;

/** The public endpoints of a forward, by port. Throws nothing. */
export function* endpointsOf({ protocol, address, port, count }: ForwardRange): Generator<Endpoint, void, undefined> {
  for (let index = 0; index < count; index++) yield { protocol, address, port: port + index };
}

type ForwardRange = Pick<Forward, "protocol" | "address" | "port" | "count">;

/** Whether a forward has a public endpoint. Throws nothing. */
export function hasEndpoint(forward: ForwardRange, { protocol, address, port }: Endpoint): boolean {
  const offset = port - forward.port;
  return forward.protocol === protocol && forward.address === address && offset >= 0 && offset < forward.count;
}

/** `203.0.113.10:25565:25565/tcp`, `203.0.113.10:30000-30099:30000-30099/udp`, for messages. Throws nothing. */
export function forwardText({ protocol, address, port, count, containerPort }: Forward): string {
  const range = (first: number) => (count === 1 ? `${first}` : `${first}-${first + count - 1}`);
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${range(port)}:${range(containerPort)}/${protocol}`;
}

/**
 * Throws `DatapathError` BAD_USAGE for forwards that one server cannot have: too many, ports out of range, two with the
 * same public endpoint, or two of one protocol and family with the same container port: the forward of a reply would be
 * ambiguous.
 *
 * @param op what is done, for the message
 */
export function requireForwards(forwards: readonly Forward[], op: string): void {
  const refuse = (reason: string, hint?: string): never => {
    throw new DatapathError("BAD_USAGE", op, reason, { hint });
  };
  if (forwards.length > MAX_FORWARDS) {
    refuse(`${forwards.length} forwards: a server has at most ${MAX_FORWARDS}`, "a range of ports is one forward");
  }
  for (const forward of forwards) {
    const { port, count, containerPort } = forward;
    const first = Math.min(port, containerPort);
    const last = Math.max(port, containerPort) + count - 1;
    if (![port, count, containerPort].every(Number.isInteger) || count < 1 || first < 1 || last > LAST_PORT) {
      refuse(`${forwardText(forward)}: ports are 1 to ${LAST_PORT}`);
    }
  }
  for (const [index, one] of forwards.entries()) {
    for (const other of forwards.slice(index + 1)) {
      if (one.protocol !== other.protocol) continue;
      if (one.address === other.address && overlap(one.port, one.count, other.port, other.count)) {
        refuse(`${forwardText(one)} and ${forwardText(other)} have the same public endpoint`);
      }
      if (
        familyOfAddress(one.address) === familyOfAddress(other.address) &&
        overlap(one.containerPort, one.count, other.containerPort, other.count)
      ) {
        refuse(
          `${forwardText(one)} and ${forwardText(other)} lead to the same container port`,
          "give each forward its own container ports: the forward of a reply is found by its container port",
        );
      }
    }
  }
}

function overlap(first: number, count: number, otherFirst: number, otherCount: number): boolean {
  return first < otherFirst + otherCount && otherFirst < first + count;
}
