/** The servers of the fuzzers: the two of two-servers.ts, each with several forwards. */
import { DpFamily } from "@dp/bpf";
import { A, B, type Server, STRANGER } from "@dp/test-kit/two-servers.ts";
import { type Forward, forwardOf } from "@dp/test-kit/write-server.ts";

export const TCP = 6;
export const UDP = 17;

export interface FuzzForward extends Forward {
  /** Its endpoints are closed: dp_dnat leaves its packets to the host. */
  readonly closed?: boolean;
}

export interface FuzzServer extends Server {
  readonly forwards: readonly FuzzForward[];
}

export const SECOND_ADDRESS = "203.0.113.11";

/** A range, a second public address and uplink, and forwards that no TCP over IPv4 may find. */
const SERVER_A: FuzzServer = {
  ...A,
  forwards: [
    forwardOf(A),
    forwardOf(A, { port: 30_000, count: 4, containerPort: 20_000, counter: 20 }),
    forwardOf(A, { address: SECOND_ADDRESS, containerPort: 25_566, counter: 21, uplink: STRANGER.index }),
    forwardOf(A, { protocol: UDP, port: 25_599, containerPort: 25_599, counter: 22 }),
    forwardOf(A, { address: "2001:db8::10", family: DpFamily.ipv6, port: 25_590, containerPort: 25_590, counter: 23 }),
  ],
};

/** Every place for a forward is used; its own is the last. The first one is closed. */
const SERVER_B: FuzzServer = {
  ...B,
  forwards: [
    { ...forwardOf(B, { port: 31_000, containerPort: 21_000, counter: 24 }), closed: true },
    ...Array.from({ length: 30 }, (_, index) =>
      forwardOf(B, { port: 31_001 + index, containerPort: 21_001 + index, counter: 25 + index }),
    ),
    forwardOf(B),
  ],
};

export const SERVERS: readonly FuzzServer[] = [SERVER_A, SERVER_B];

/** The forward of a server by container port. */
export function forwardByContainerPort(
  { forwards }: FuzzServer,
  protocol: number,
  family: number,
  port: number,
): FuzzForward | undefined {
  return forwards.find((each) => {
    const index = port - each.containerPort;
    return each.protocol === protocol && each.family === family && index >= 0 && index < each.count;
  });
}
