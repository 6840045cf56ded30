/** A flow by both its names: as the container sees it, and as the proxy does. */
import type { DpFlowKey, DpOriginKey } from "@dp/bpf";

/** "10.2.0.2:40000 198.51.100.80:443/6": what dp_flows is asked by. */
export type FlowId = string;
/** "10.2.0.2:40000/6": what dp_origins is asked by. */
export type OriginId = string;

export function flowId({ container, sport, dst, dport, protocol }: DpFlowKey): FlowId {
  return `${container}:${sport} ${dst}:${dport}/${protocol}`;
}

export function originId({ container, sport, protocol }: DpOriginKey): OriginId {
  return `${container}:${sport}/${protocol}`;
}

export function flowKey(id: FlowId): DpFlowKey {
  const [, container = "", sport, dst = "", dport, protocol] = /^(.+):(\d+) (.+):(\d+)\/(\d+)$/.exec(id) ?? [];
  return { container, sport: Number(sport), dst, dport: Number(dport), protocol: Number(protocol) };
}

export function originKey(id: OriginId): DpOriginKey {
  const [, container = "", sport, protocol] = /^(.+):(\d+)\/(\d+)$/.exec(id) ?? [];
  return { container, sport: Number(sport), protocol: Number(protocol) };
}

/** The flow that the proxy's side of one speaks of. */
export function flowIdOf({ container, protocol }: DpOriginKey, { dst, dport, sport }: Origin): FlowId {
  return flowId({ container, sport, dst, dport, protocol });
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
