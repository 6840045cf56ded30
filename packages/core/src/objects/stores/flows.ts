import type { DpFlow, DpFlowCount, DpFlowKey, DpOrigin, DpOriginKey } from "@dp/bpf";
import type { BpfMap } from "../../libbpf/map.ts";
import { type Protocol, protocolOf } from "./endpoint.ts";

/** A connection or an exchange of datagrams of a container that is redirected to the proxy. */
export interface Flow {
  /** The id of the container's server. */
  server: number;
  protocol: Protocol;
  /** The container's port. */
  port: number;
  /** The container's port as the proxy sees it: another one when `port` was taken by a flow to another destination. */
  portAtProxy: number;
  /** The original destination. */
  destination: { address: string; port: number };
  /** The port of the proxy that it goes to. */
  listener: number;
  /** When it is removed, in nanoseconds of CLOCK_MONOTONIC; undefined while the proxy's socket exists. */
  expires: bigint | undefined;
}

/** DP_RESERVED_FLOWS: what a server has beyond is of the shared ones. */
const RESERVED_FLOWS = 64;

interface FlowMaps {
  /** dp_flows: as the container sees them. */
  flows: BpfMap<DpFlowKey, DpFlow>;
  /** dp_origins: as the proxy sees them. */
  origins: BpfMap<DpOriginKey, DpOrigin>;
  /** dp_flow_counts: how many, by server id; 0: how many of the shared ones are taken. */
  flowCounts: BpfMap<number, DpFlowCount>;
}

/**
 * The flows of all servers' containers. Programs make and remove them. What the kernel refuses throws `SyscallError`.
 */
export class Flows {
  readonly #maps: FlowMaps;

  constructor(maps: FlowMaps) {
    this.#maps = maps;
  }

  /** All flows, in no order. */
  all(): Flow[] {
    return Array.from(this.#maps.origins, ([key, origin]) => decodeFlow(key, origin));
  }

  /** The flows of a server. Reads all. */
  of(id: number): Flow[] {
    return this.all().filter(({ server }) => server === id);
  }

  /** The ids of the servers that have a flow, or one entry of a flow. */
  ids(): Set<number> {
    const ids = new Set<number>();
    for (const { server } of this.#maps.origins.keys()) ids.add(server);
    for (const { server } of this.#maps.flows.keys()) ids.add(server);
    return ids;
  }

  /** How many flows a server has, as the programs count them: it may be off by some. */
  count(id: number): number {
    return Math.max(0, this.#maps.flowCounts.get(id)?.flows ?? 0);
  }

  /**
   * Counts anew how many of the shared flows are taken. Those that programs count meanwhile are lost, until the next
   * time; they are few.
   */
  #countShared(): void {
    let taken = 0;
    for (const [id, { flows }] of this.#maps.flowCounts) if (id !== 0) taken += Math.max(0, flows - RESERVED_FLOWS);
    this.#maps.flowCounts.set(0, { flows: taken });
  }

  /**
   * Forgets all flows of a server that was removed, so that the next server with its id does not inherit them: an
   * established flow otherwise stays as long as the proxy's socket. For a server whose container entry is deleted; its
   * programs would go on making flows otherwise. Returns how many flows there were.
   */
  delete(id: number): number {
    const { flows, origins, flowCounts } = this.#maps;
    // In the same order as the programs: dp_origins last, because it leads to the entry of dp_flows.
    flows.deleteMany([...flows.keys()].filter(({ server }) => server === id));
    const deleted = origins.deleteMany([...origins.keys()].filter(({ server }) => server === id));
    flowCounts.set(id, { flows: 0 });
    this.#countShared();
    return deleted;
  }
}

function decodeFlow(key: DpOriginKey, origin: DpOrigin): Flow {
  return {
    server: key.server,
    protocol: protocolOf(key.protocol),
    port: origin.sport,
    portAtProxy: key.sport,
    destination: { address: origin.dst, port: origin.dport },
    listener: origin.listener,
    expires: origin.expires === 0n ? undefined : origin.expires,
  };
}
