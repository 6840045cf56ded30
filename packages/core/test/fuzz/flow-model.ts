/**
 * dp_tproxy_container and dp_tproxy_host once more, as the rules that bpf/tproxy.bpf.c opens with have them, and the
 * flows they keep. Nothing ends here by the time: the fuzzer's flows live longer than it looks at them.
 */
import type { DpFlowKey, DpOriginKey } from "@dp/bpf";
import { isContainers, isHostPeers } from "./addresses.ts";
import { type Flow, type FlowId, flowId, flowIdOf, type Origin, type OriginId, originId, originKey } from "./flow.ts";
import { Packet } from "./model-packet.ts";
import { drop, NEXT, nextAs, type Verdict } from "./verdict.ts";
import { forwardByContainerPort, type FuzzServer, TCP, UDP } from "./world.ts";

const IPV4 = 0x0800;
const ICMP = 1;

export interface Container extends FuzzServer {
  /** Whether its packets come from the network namespace that it was added with. */
  inOwnNetns: boolean;
}

export interface FlowWorld {
  containers: Container[];
  listeners: { http: number; dns: number; tcp: number };
  /** An upgrade moves flows. */
  held: boolean;
  /** Flows one container may have: at most, those no other can take, and those they share. */
  most: number;
  reserved: number;
  shared: number;
  /** Flows all may have together. */
  room: number;
}

/** What became of a packet, for a look at how often each thing is tried. */
export type Fate = "opened" | "substituted" | "known" | "answer" | "laterFragment" | "error" | "refused" | "held";

export interface FlowVerdict extends Verdict {
  /** The container whose packet it is, of a drop. */
  of?: Container;
  fate?: Fate;
}

export class FlowModel {
  readonly world: FlowWorld;
  readonly flows = new Map<FlowId, Flow>();
  readonly origins = new Map<OriginId, Origin>();
  /** How many each server has, by its id. */
  readonly counts = new Map<number, number>();
  /** Datagrams whose first fragment was an answer: where the container thinks it is from. */
  readonly answers = new Map<string, string>();

  constructor(world: FlowWorld) {
    this.world = world;
    for (const { id } of world.containers) this.counts.set(id, 0);
  }

  /**
   * @param substitute what port the program has chosen for a flow whose own was taken. Any free one will do, so this
   *   is asked of the program, and believed if it is one
   */
  container(
    bytes: Uint8Array,
    tag: number | undefined,
    substitute: (key: DpFlowKey) => number | undefined,
  ): FlowVerdict {
    const packet = new Packet(bytes);
    if (tag !== undefined || !isWhole(packet)) return NEXT; // 1
    if (packet.moreFragments || packet.fragmentOffset !== 0 || !hasPorts(packet)) return NEXT; // 1, 6
    const sender = this.world.containers.find(({ address }) => address === packet.source);
    if (sender === undefined) return NEXT; // 2
    if (packet.destination === sender.gateway || isContainers(packet.destination)) return NEXT; // 3
    const listener = this.#listenerFor(packet, sender);
    if (listener === 0) return NEXT; // 4, 5, 6

    const key = {
      server: sender.id,
      family: packet.family,
      sport: packet.sourcePort,
      dst: packet.destination,
      dport: packet.destinationPort,
      protocol: packet.protocol,
    };
    if (packet.protocol === TCP && !packet.isBareSyn) {
      const flow = this.flows.get(flowId(key));
      if (flow !== undefined) return this.#toProxy(packet, sender, flow, "known"); // 9
      return sender.inOwnNetns ? { ...drop("noFlow"), of: sender } : NEXT; // 7, 2
    }
    if (!sender.inOwnNetns) return NEXT; // 2
    const known = this.#reopened(key, listener);
    if (known !== undefined) return this.#toProxy(packet, sender, known, "known"); // 9
    return this.#open(packet, sender, key, listener, substitute);
  }

  /** Another port than the container's own by which the proxy knows this flow, if there is one. */
  substituteOf(flow: FlowId): number | undefined {
    const keys = Array.from(this.origins, ([id, origin]) => ({ key: originKey(id), origin }));
    return keys.find(({ key, origin }) => flowIdOf(key, origin) === flow && key.sport !== origin.sport)?.key.sport;
  }

  /** The port of the listener that this goes to; 0 for none. */
  #listenerFor(packet: Packet, sender: Container): number {
    const { http, dns, tcp } = this.world.listeners;
    const port = packet.destinationPort;
    if (packet.protocol === UDP) return port === 53 ? dns : 0;
    const isForward = forwardByContainerPort(sender, TCP, packet.family, packet.sourcePort) !== undefined;
    if (isForward || port === 25565) return 0;
    return port === 80 ? http : port === 53 ? dns : tcp;
  }

  /** The flow that this packet would open, if there is one that can go on. */
  #reopened(key: DpFlowKey, listener: number): Flow | undefined {
    const flow = this.flows.get(flowId(key));
    if (flow === undefined) return undefined;
    const there = this.origins.get(originId({ ...key, sport: flow.sport }));
    // Where its other half was lost, the port may be another flow's.
    const isItsOwn = there !== undefined && flowIdOf(key, there) === flowId(key);
    const origin = isItsOwn ? there : undefined;
    // Accepted connections stay with their listener; all else follows the proxy.
    if (origin?.established || (origin !== undefined && flow.listener === listener)) return flow;
    if (origin === undefined) this.flows.delete(flowId(key));
    else this.#end({ ...key, sport: flow.sport }, origin);
    return undefined;
  }

  // 8
  #open(
    packet: Packet,
    sender: Container,
    key: DpFlowKey,
    listener: number,
    substitute: (key: DpFlowKey) => number | undefined,
  ): FlowVerdict {
    if (this.world.held) return { ...NEXT, fate: "held" };
    const refused = { ...drop("flows"), of: sender };
    const count = this.counts.get(sender.id) as number;
    if (!this.#mayTake(count) || this.flows.size >= this.world.room) return refused;
    const isFree = (port: number) => !this.origins.has(originId({ ...key, sport: port }));
    let sport = key.sport;
    if (!isFree(sport)) {
      const other = substitute(key) ?? 0;
      if (other < 1024 || other > 65535 || !isFree(other)) return refused;
      sport = other;
    }
    const { dst, dport } = key;
    this.flows.set(flowId(key), { sport, listener });
    const origin = { dst, dport, sport: key.sport, listener, established: false };
    this.origins.set(originId({ ...key, sport }), origin);
    this.counts.set(sender.id, count + 1);
    return this.#toProxy(packet, sender, { sport, listener }, sport === key.sport ? "opened" : "substituted"); // 9
  }

  /** Beyond its own, a quarter of what is left of the shared ones. */
  #mayTake(count: number): boolean {
    const { most, reserved, shared } = this.world;
    if (count < reserved) return true;
    return count < most && (count - reserved) * 4 < shared - this.taken;
  }

  /** How many of the shared flows are taken. */
  get taken(): number {
    const beyond = Array.from(this.counts.values(), (count) => Math.max(0, count - this.world.reserved));
    return beyond.reduce((sum, flows) => sum + flows, 0);
  }

  #toProxy(packet: Packet, sender: Container, { sport, listener }: Flow, fate: Fate): FlowVerdict {
    packet.readdress("destination", sender.gateway, { source: sport, destination: listener });
    return { ...nextAs(packet), fate };
  }

  host(bytes: Uint8Array, hostPeer: number): FlowVerdict {
    const packet = new Packet(bytes);
    if (!isWhole(packet)) return NEXT;
    const server = this.world.containers.find((each) => each.hostPeer === hostPeer);
    if (server === undefined || packet.destination !== server.address) return NEXT; // 1
    if (packet.fragmentOffset !== 0) return this.#laterFragment(packet); // 2
    if (packet.protocol === ICMP) return this.#error(packet, server); // 3
    if (!hasPorts(packet)) return NEXT;
    const { protocol, family, destinationPort: sport } = packet;
    const key = { server: server.id, sport, protocol, family };
    const origin = this.#answered(packet, this.origins.get(originId(key)));
    if (packet.protocol === UDP && packet.moreFragments) {
      if (origin === undefined) this.answers.delete(packet.fragmentKey);
      else this.answers.set(packet.fragmentKey, origin.dst);
    }
    if (origin === undefined) return NEXT; // 4
    packet.readdress("source", origin.dst, { source: origin.dport, destination: origin.sport }); // 5
    const isRefused = packet.protocol === TCP && packet.isReset && !origin.established;
    if (isRefused) this.#end(key, origin);
    return { ...nextAs(packet), fate: isRefused ? "refused" : "answer" };
  }

  #laterFragment(packet: Packet): FlowVerdict {
    const source = this.answers.get(packet.fragmentKey);
    if (source === undefined) return NEXT;
    packet.setAddress("source", source);
    return { ...nextAs(packet), fate: "laterFragment" };
  }

  /** What the host says of what a container sent to a listener; it says it to that container. */
  #error(packet: Packet, server: Container): FlowVerdict {
    const quoted = packet.quoted();
    if (quoted === undefined || quoted.source !== packet.destination) return NEXT;
    if (quoted.destination !== packet.source || !isHostPeers(packet.source)) return NEXT;
    const { sourcePort: sport, protocol } = quoted;
    const origin = this.origins.get(originId({ server: server.id, sport, protocol, family: packet.family }));
    if (origin === undefined || origin.listener !== quoted.destinationPort) return NEXT;
    packet.setAddress("source", origin.dst);
    packet.translateQuoted("destination", origin.dst, origin.dport);
    packet.translateQuoted("source", server.address, origin.sport);
    return { ...nextAs(packet), fate: "error" };
  }

  /** The flow, when this comes from where it went: its listener, on a host peer. */
  #answered(packet: Packet, origin: Origin | undefined): Origin | undefined {
    return isHostPeers(packet.source) && packet.sourcePort === origin?.listener ? origin : undefined;
  }

  /** Both halves of a flow go, and leave room for another. */
  #end(key: DpOriginKey, origin: Origin): void {
    const id = flowIdOf(key, origin);
    // Else it has begun anew under another port.
    if (this.flows.get(id)?.sport === key.sport) this.flows.delete(id);
    this.origins.delete(originId(key));
    this.counts.set(key.server, (this.counts.get(key.server) as number) - 1);
  }
}

function isWhole(packet: Packet): boolean {
  return packet.hasBytes(34) && packet.etherType === IPV4 && packet.ipIsSound(0);
}

function hasPorts(packet: Packet): boolean {
  if (packet.protocol === TCP) return packet.l4Has(20);
  return packet.protocol === UDP && packet.l4Has(8);
}
