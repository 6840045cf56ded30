/**
 * What happens to flows, step by step: packets of containers and of the proxy, most of them as they should be, and what
 * else changes under the programs.
 */
import {
  ethernet,
  fragments,
  icmp,
  type Ipv4Fields,
  ipv4,
  type Layer,
  RECORD_ROUTE,
  tcp,
  udp,
} from "@dp/test-kit/frame.ts";
import { A, B, HOST_PEER_MAC, type Server, STRANGER } from "@dp/test-kit/two-servers.ts";
import { ODD_ADDRESSES, OWN_ADDRESSES, STRANGERS } from "./addresses.ts";
import type { FlowModel } from "./flow-model.ts";
import { type Flow, type FlowId, flowId, flowKey, type Origin, type OriginId, originKey } from "./flow.ts";
import { anyTag, fitted, mutated } from "./mutate.ts";
import type { Random } from "./random.ts";

export interface PacketStep {
  program: "container" | "host";
  /** The host peer. Default: server A's. */
  ifindex?: number;
  /** In hexadecimal. */
  frame: string;
  /** Bytes that are left of it. */
  cutTo?: number;
  /** A VLAN tag beside the frame. */
  tag?: number;
  /**
   * Where in the frame the port is by which the proxy knows that flow. The program has chosen it: it is another one
   * each time the same steps are taken.
   */
  port?: { at: number; of: FlowId };
}

export type Change =
  /** The proxy has accepted the connection. */
  | { accept: FlowId }
  /** Half of it is gone. */
  | { lose: "flow" | "origin"; of: FlowId }
  /** The proxy listens elsewhere from now on: HTTP, DNS, TCP. */
  | { listen: readonly [number, number, number] }
  | { hold: boolean }
  /** Packets of this server's container come from its own network namespace, or from another one. */
  | { container: number; inOwnNetns: boolean };

export type Step = PacketStep | Change;

/** Few, so that they meet. */
const PORTS = [40_000, 40_001, 40_002, 40_003, 53, A.containerPort, 20_003, 20_004, 25_599, 21_030];
const SERVERS = ["198.51.100.80", "198.51.100.81", "192.0.2.53"];
const TCP_PORTS = [80, 53, 443, 443, 22, 9111, 25565];
const LISTENERS = [
  [9080, 9053, 9111],
  [9080, 9053, 9111],
  [9080, 8853, 8888],
  [9111, 9053, 9080],
  [0, 9053, 0],
] as const;
const FLAGS = ["SA", "A", "PA", "FA", "R", "RA", "", "SF", "SAE", "FPU"];
const IDS = [1, 2, 3];

const TEXTS = ["", "odd", "hello", "x".repeat(33)];

export function makeStep(random: Random, model: FlowModel): Step {
  if (random.once(12)) return makeChange(random, model) ?? makePacket(random, model);
  return makePacket(random, model);
}

function makeChange(random: Random, { flows, world }: FlowModel): Change | undefined {
  const id = random.one([...flows.keys()]) as FlowId | undefined;
  // What is wrong does not stay so for long.
  if (world.held) return { hold: false };
  const away = world.containers.find(({ inOwnNetns }) => !inOwnNetns);
  if (away !== undefined) return { container: away.id, inOwnNetns: true };
  switch (random.below(8)) {
    case 0:
      return { hold: true };
    case 1:
      return { container: random.one(world.containers).id, inOwnNetns: false };
    case 2:
      return { listen: random.one(LISTENERS) };
    case 3:
      return id === undefined ? undefined : { lose: random.one(["flow", "origin"]), of: id };
    default:
      return id === undefined ? undefined : { accept: id };
  }
}

function makePacket(random: Random, model: FlowModel): PacketStep {
  const program = random.one(["container", "container", "host"] as const);
  const { frame, ...more } = program === "container" ? outgoing(random, model) : incoming(random, model);
  const { frame: whole, cutTo } = fitted(random.once(3) ? mutated(frame, random) : frame);
  const tag = anyTag(random);
  return {
    program,
    frame: Buffer.from(whole).toString("hex"),
    ...(cutTo === undefined ? {} : { cutTo }),
    ...(tag === undefined ? {} : { tag }),
    ...more,
  };
}

type Made = Pick<PacketStep, "port" | "ifindex"> & { frame: Uint8Array };

/** Another one, rarely. */
function mostly<T>(random: Random, value: T, others: readonly T[], times = 20): T {
  return random.once(times) ? random.one(others) : value;
}

function anyOptions(random: Random): Partial<Ipv4Fields> {
  return random.once(15) ? { options: RECORD_ROUTE } : {};
}

function anyUdp(random: Random, ports: { src: number; dst: number }, text = random.one(TEXTS)): Layer {
  return udp({ ...ports, ...(random.once(3) ? { checksum: 0 } : {}) }, text);
}

const leaving = (server: Server) => ({ dst: HOST_PEER_MAC, src: server.mac });
const arriving = (server: Server) => ({ dst: server.mac, src: HOST_PEER_MAC });

/** What a container sends: most of it opens a flow or continues one. */
function outgoing(random: Random, model: FlowModel): Made {
  const known = random.once(2) ? (random.once(4) ? anyOrigin : anyFlow)(random, model) : undefined;
  const server = known?.server ?? random.one([A, B]);
  const isUdp = known === undefined ? random.once(3) : known.protocol === 17;
  const sport = known?.sport ?? random.one(PORTS);
  const dst = known?.dst ?? mostly(random, random.one(SERVERS), [...OWN_ADDRESSES, ...ODD_ADDRESSES]);
  const dport = known?.dport ?? (isUdp ? mostly(random, 53, [80, 443, 5353]) : random.one(TCP_PORTS));
  const flags = (known === undefined ? !random.once(6) : random.once(3)) ? "S" : random.one(FLAGS);
  const layer = isUdp
    ? anyUdp(random, { src: sport, dst: dport })
    : tcp({ src: sport, dst: dport, flags }, random.one(TEXTS));
  const src = mostly(random, server.address, [...STRANGERS, "10.2.0.9", server.gateway]);
  const fields = { src, dst, ...anyOptions(random) };
  if (random.once(40)) return { frame: fragments(leaving(server), fields, layer, [8])[0] as Uint8Array };
  return { frame: ethernet(leaving(server), ipv4(fields, layer)) };
}

/** What the host sends to a container: most of it answers a flow. */
function incoming(random: Random, model: FlowModel): Made {
  const known = anyOrigin(random, model);
  const server = mostly(random, known?.server ?? A, [A, B], 30);
  const isUdp = mostly(random, known?.protocol === 17, [true, false], 30);
  const listener = known?.listener ?? 9111;
  const ports = {
    src: mostly(random, listener, [9080, 9053, 9111, 8853, 8888, 22, listener + 1]),
    dst: mostly(random, known?.seenAs ?? 40_000, PORTS),
  };
  const fields = {
    src: mostly(random, server.gateway, [...STRANGERS, ...OWN_ADDRESSES], 15),
    dst: server.address,
    id: random.one(IDS),
    ...anyOptions(random),
  };
  const at = { ifindex: mostly(random, server.hostPeer, [A.hostPeer, B.hostPeer, STRANGER.index], 30) };
  const isFlows = known !== undefined && ports.dst === known.seenAs && known.seenAs !== known.sport;
  const layerAt = 14 + 20 + (fields.options?.byteLength ?? 0);
  const portAt = (offset: number) => (isFlows ? { ...at, port: { at: offset, of: known.id } } : at);
  if (random.once(6)) {
    const { error, portOffset } = anyError(random, fields, isUdp, ports);
    return { frame: ethernet(arriving(server), ipv4(fields, error)), ...portAt(layerAt + portOffset) };
  }
  const port = portAt(layerAt + 2);
  if (isUdp && random.once(2)) {
    const piece = random.below(3);
    const pieces = fragments(arriving(server), fields, anyUdp(random, ports, "x".repeat(40)), [16, 32]);
    return { frame: pieces[piece] as Uint8Array, ...(piece === 0 ? port : at) };
  }
  const layer = isUdp
    ? anyUdp(random, ports)
    : tcp({ ...ports, flags: random.one(["SA", "RA", ...FLAGS]) }, random.one(TEXTS));
  if (random.once(40)) return { frame: fragments(arriving(server), fields, layer, [24])[0] as Uint8Array, ...port };
  return { frame: ethernet(arriving(server), ipv4(fields, layer)), ...port };
}

/** What the host says of what a container sent it, and where in it the container's port is. */
function anyError(
  random: Random,
  { src, dst }: { src: string; dst: string },
  isUdp: boolean,
  ports: { src: number; dst: number },
): { error: Layer; portOffset: number } {
  const quotedPorts = { src: ports.dst, dst: ports.src };
  const text = random.one(TEXTS);
  const layer = isUdp ? anyUdp(random, quotedPorts, text) : tcp({ ...quotedPorts, flags: "S" }, text);
  const options = anyOptions(random);
  const quoted = ethernet(
    { dst: HOST_PEER_MAC, src: A.mac },
    ipv4({ src: mostly(random, dst, STRANGERS, 15), dst: mostly(random, src, STRANGERS, 15), ...options }, layer),
  ).subarray(14);
  const header = 20 + (options.options?.byteLength ?? 0);
  const error = icmp(
    { type: mostly(random, 3, [0, 5, 8, 11, 12]), code: random.one([3, 3, 4, 13]), rest: 0 },
    quoted.subarray(0, random.once(2) ? header + 8 : undefined),
  );
  return { error, portOffset: 8 + header };
}

/** A flow by all its names. */
interface Known {
  id: FlowId;
  server: Server;
  sport: number;
  dst: string;
  dport: number;
  protocol: number;
  listener: number;
  /** The port by which the proxy knows it. */
  seenAs: number;
}

/** One the container would know again. */
function anyFlow(random: Random, { flows, world }: FlowModel): Known | undefined {
  const entry = random.one([...flows]) as [FlowId, Flow] | undefined;
  if (entry === undefined) return undefined;
  const [id, { sport: seenAs, listener }] = entry;
  const key = flowKey(id);
  return { ...key, id, server: serverOf(world, key.server), listener, seenAs };
}

/** One the proxy would know again. */
function anyOrigin(random: Random, { origins, world }: FlowModel): Known | undefined {
  const entry = random.one([...origins]) as [OriginId, Origin] | undefined;
  if (entry === undefined) return undefined;
  const [id, { dst, dport, sport, listener }] = entry;
  const { server, sport: seenAs, protocol, family } = originKey(id);
  const key = { server, sport, dst, dport, protocol, family };
  return { ...key, id: flowId(key), server: serverOf(world, server), listener, seenAs };
}

function serverOf(world: FlowModel["world"], server: number): Server {
  return world.containers.find(({ id }) => id === server) as Server;
}
