/** A flow by both its names: as the container sees it, and as the proxy does. */
import type { DpFlowKey, DpOriginKey } from "@dp/bpf";

/** "5:40000 198.51.100.80:443/6/0": server and port, destination, protocol, family. A key of dp_flows. */
export type FlowId = string;
/** "5:40000/6/0": server and port, protocol, family. A key of dp_origins. */
export type OriginId = string;

export function flowId({ server, sport, dst, dport, protocol, family }: DpFlowKey): FlowId {
  return `${server}:${sport} ${dst}:${dport}/${protocol}/${family}`;
}

export function originId({ server, sport, protocol, family }: DpOriginKey): OriginId {
  return `${server}:${sport}/${protocol}/${family}`;
}

export function flowKey(id: FlowId): DpFlowKey {
  const [, server, sport, dst = "", dport, protocol, family] = /^(\d+):(\d+) (.+):(\d+)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  return { dst, dport: Number(dport), ...numbers({ server, sport, protocol, family }) };
}

export function originKey(id: OriginId): DpOriginKey {
  const [, server, sport, protocol, family] = /^(\d+):(\d+)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  return numbers({ server, sport, protocol, family });
}

function numbers(texts: Record<keyof DpOriginKey, string | undefined>): DpOriginKey {
  const { server, sport, protocol, family } = texts;
  return { server: Number(server), sport: Number(sport), protocol: Number(protocol), family: Number(family) };
}

/** The flow that an origin belongs to. */
export function flowIdOf({ server, protocol, family }: DpOriginKey, { dst, dport, sport }: Origin): FlowId {
  return flowId({ server, sport, dst, dport, protocol, family });
}

/** What the programs know of one; the two have a map each, and may each be there without the other. */
export interface Flow {
  /** The port by which the proxy knows it. */
  sport: number;
  listener: number;
}

export interface Origin {
  dst: string;
  dport: number;
  /** As the container sees it. */
  sport: number;
  listener: number;
  /** The proxy has accepted it: it lasts. */
  established: boolean;
}
