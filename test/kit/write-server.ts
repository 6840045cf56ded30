/** The one way to write a server into the maps of a loaded object, whichever of them it has. */
import { DpDropReason, DpFamily, type DpForward, type mapLayouts, type MapLayout } from "@dp/bpf";
import { PUBLIC_ADDRESS, type Server, UPLINK } from "./two-servers.ts";

const TCP = 6;

export type MapName = keyof typeof mapLayouts;
export type KeyOf<Name extends MapName> = (typeof mapLayouts)[Name] extends MapLayout<infer K, infer _> ? K : never;
export type ValueOf<Name extends MapName> = (typeof mapLayouts)[Name] extends MapLayout<infer _, infer V> ? V : never;

/** Where a server is written. */
export interface ServerMaps {
  has(name: MapName): boolean;
  set<Name extends MapName>(name: Name, key: KeyOf<Name>, value: ValueOf<Name>): void;
  /** Makes an empty player table for the server, unless it has one. */
  addPlayerTable(id: number): void;
}

/** One public endpoint or a range of them, and the container port it leads to. */
export interface Forward {
  readonly address: string;
  readonly port: number;
  readonly count: number;
  readonly containerPort: number;
  readonly protocol: number;
  readonly family: number;
  readonly uplink: number;
  readonly counter: number;
}

/** The server's own forward, or another one that is like it but for the given fields. */
export function forwardOf({ port, containerPort, counter }: Server, more: Partial<Forward> = {}): Forward {
  const one = { address: PUBLIC_ADDRESS, port, count: 1, containerPort, counter };
  return { ...one, protocol: TCP, family: DpFamily.ipv4, uplink: UPLINK.index, ...more };
}

/** What may be different of a server. */
export interface ServerDetails {
  readonly forwards?: readonly Forward[];
  readonly group?: number;
  /** The container's network namespace. */
  readonly netnsCookie?: bigint;
  /** 0: its endpoints are closed. */
  readonly open?: number;
}

/** Writes all entries of a server, as `dp` does. */
export function writeServer(maps: ServerMaps, server: Server, details: ServerDetails = {}): void {
  const { forwards = [forwardOf(server)], group = 0, netnsCookie = 0n, open = 1 } = details;
  const { id, hostPeer, mac, address, gateway } = server;
  if (maps.has("dp_endpoints")) for (const forward of forwards) writeEndpoints(maps, server, forward, open);
  if (maps.has("dp_servers")) {
    maps.set("dp_servers", hostPeer, {
      id,
      group,
      netnsCookie,
      addr: [address, ""],
      gateway: [gateway, ""],
      mac,
      forwards: forwards.map(entryOf),
    });
  }
  if (maps.has("dp_containers")) maps.set("dp_containers", address, { server: id, hostPeer });
  if (maps.has("dp_host_peers")) maps.set("dp_host_peers", id, hostPeer);
  if (maps.has("dp_players")) maps.addPlayerTable(id);
  for (const each of [0, id]) {
    if (maps.has("dp_flow_counts")) maps.set("dp_flow_counts", each, { flows: 0 });
    if (maps.has("dp_budgets")) maps.set("dp_budgets", each, { connections: 0n, datagrams: 0n });
  }
  writeDropCounts(maps, id);
}

/** Makes an entry of drop counts: of a server, or of none (0). */
export function writeDropCounts(maps: ServerMaps, id: number): void {
  if (!maps.has("dp_drop_counts")) return;
  maps.set("dp_drop_counts", id, { packets: Array.from({ length: DpDropReason.max }, () => 0n) });
}

function writeEndpoints(maps: ServerMaps, server: Server, forward: Forward, open: number): void {
  for (let index = 0; index < forward.count; index++) {
    const { address: addr, protocol, family, counter } = forward;
    maps.set(
      "dp_endpoints",
      { addr, port: forward.port + index, protocol, family },
      {
        server: server.id,
        counter,
        container: server.address,
        port: forward.containerPort + index,
        mac: server.mac,
        open,
      },
    );
  }
}

function entryOf({ address, port, containerPort, ...same }: Forward): DpForward {
  return { ...same, first: containerPort, publicFirst: port, publicAddr: address };
}

/** A server's key of dp_endpoints. */
export function endpointKey(server: Server, more: Partial<KeyOf<"dp_endpoints">> = {}): KeyOf<"dp_endpoints"> {
  return { addr: PUBLIC_ADDRESS, port: server.port, protocol: TCP, family: DpFamily.ipv4, ...more };
}
