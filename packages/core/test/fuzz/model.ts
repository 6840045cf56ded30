/**
 * What the programs say of a packet, as their rules (the comments that bpf/*.bpf.c open with) have it, written a second
 * time: over plain bytes, with nothing taken from the C but the rules and their order. The fuzzer compares the two.
 */
import { UPLINK } from "@dp/test-kit/two-servers.ts";
import { handshakeSlot, playerSlot } from "../packet/player-slot.ts";
import { isContainers, isHostPeers } from "./addresses.ts";
import { Packet, type Quoted } from "./model-packet.ts";
import { drop, NEXT, PASS, redirect, type Verdict } from "./verdict.ts";
import { forwardByContainerPort, type FuzzForward, type FuzzServer, TCP, UDP } from "./world.ts";

/** What the maps hold. */
export interface World {
  servers: readonly (FuzzServer & { group: number })[];
  hostAddresses: readonly string[];
  hostPeerMac: string;
  /** Listeners that flows were given before the proxy's ports changed: "server/port/protocol/family" to port. */
  flows: ReadonlyMap<string, number>;
}

/** Where packets to a public endpoint go. */
interface Endpoint {
  server: FuzzServer;
  forward: FuzzForward;
  containerPort: number;
}

const ARP = 0x0806;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ICMP = 1;

/** 0.0.0.0/8, 127.0.0.0/8, from 224.0.0.0 up, and host peers. */
function isInvalidDestination(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return first === 0 || first === 127 || first >= 224 || isHostPeers(address);
}

/** No packet from an uplink is from there. */
function isImpossibleSource(address: string, hostAddresses: readonly string[]): boolean {
  return isInvalidDestination(address) || isContainers(address) || hostAddresses.includes(address);
}

/** A connection that is being opened. */
interface Handshake {
  /** SYN+ACKs that may follow. */
  left: number;
  /** What the ACK must acknowledge; undefined before the first SYN+ACK. */
  noted: number | undefined;
}

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;
const ANSWERS = 8;

/** The programs, with what they remember between packets. */
export class Model {
  readonly #world: World;
  readonly #key: bigint;
  /** Slots of dp_players that a player was in, with the server: "5 1234". */
  readonly #players = new Set<string>();
  /** By server, set and tag: there are never so many that one takes another's place. */
  readonly #handshakes = new Map<string, Handshake>();
  /** Packets whose first fragment was seen: the server, or 0, and the port. */
  readonly #fragments = new Map<string, { server: number; port: number }>();

  constructor(world: World, playerKey: bigint) {
    this.#world = world;
    this.#key = playerKey;
  }

  /** Everything. */
  forget(): void {
    this.#fragments.clear();
    this.#handshakes.clear();
    this.#players.clear();
  }

  /** An address that was noted as a player by another program. */
  meet(server: FuzzServer, address: string): void {
    this.#players.add(this.#slot(server, address));
  }

  #slot({ id }: FuzzServer, player: string): string {
    return `${id} ${playerSlot(this.#key, id, player)}`;
  }

  #isPlayer(server: FuzzServer, address: string): boolean {
    return this.#players.has(this.#slot(server, address));
  }

  #handshakeKey({ id }: FuzzServer, player: string, ports: { player: number; container: number }): string {
    const { set, tag } = handshakeSlot(this.#key, id, player, ports);
    return `${id} ${set} ${tag}`;
  }

  /** Whether a server takes a segment: bpf/lib/handshake.h. */
  #admits(packet: Packet, server: FuzzServer, containerPort: number): boolean {
    const { source, tcpFlags: flags } = packet;
    const isReset = (flags & RST) !== 0;
    if (this.#isPlayer(server, source)) return true;
    const key = this.#handshakeKey(server, source, { player: packet.sourcePort, container: containerPort });
    const known = this.#handshakes.get(key);
    if (packet.isBareSyn && !isReset) {
      const isNoted = known !== undefined && known.left !== ANSWERS;
      this.#handshakes.set(key, isNoted ? { ...known, left: ANSWERS - 1 } : { left: ANSWERS, noted: undefined });
      return true;
    }
    if (known === undefined) return false;
    if (isReset) return true;
    if ((flags & (SYN | ACK)) !== ACK || known.noted !== packet.acknowledgedNumber) return false;
    this.#players.add(this.#slot(server, source));
    return true;
  }

  /** Whether a server may send a segment from a container port. */
  #mayAnswer(packet: Packet, server: FuzzServer): boolean {
    const { destination, tcpFlags: flags } = packet;
    if (this.#isPlayer(server, destination)) return true;
    const isReset = (flags & RST) !== 0;
    const isSyn = (flags & SYN) !== 0;
    if (!packet.hasNoData || (flags & FIN) !== 0 || isReset === isSyn) return false;
    const ports = { player: packet.destinationPort, container: packet.sourcePort };
    const key = this.#handshakeKey(server, destination, ports);
    const known = this.#handshakes.get(key);
    if (known === undefined || known.left === 0) return false;
    if (isReset) this.#handshakes.delete(key);
    else this.#handshakes.set(key, { left: known.left - 1, noted: (packet.sequenceNumber + 1) >>> 0 });
    return true;
  }

  /** Whether a server may send an ICMP error instead of a reset: one for each SYN, with no room for data. */
  #refuses(packet: Packet, server: FuzzServer, quoted: Quoted): boolean {
    if (packet.totalLength - packet.headerLength > 8 + 60 + 60) return false;
    const ports = { player: quoted.sourcePort, container: quoted.destinationPort };
    const key = this.#handshakeKey(server, packet.destination, ports);
    const known = this.#handshakes.get(key);
    if (known === undefined || known.left === 0) return false;
    this.#handshakes.delete(key);
    return true;
  }

  /** False when the packet's fragments go nowhere. @param server 0 for the host's */
  #firstFragment(packet: Packet, server: number): boolean {
    const port = packet.destinationPort;
    const known = this.#fragments.get(packet.fragmentKey);
    if (known === undefined) {
      this.#fragments.set(packet.fragmentKey, { server, port });
      return true;
    }
    if (known.server === server && known.port === port) return true;
    known.server = 0;
    return false;
  }

  /** The open endpoint, if there is one. */
  #endpoint(protocol: number, family: number, address: string, port: number): Endpoint | undefined {
    for (const server of this.#world.servers) {
      for (const forward of server.forwards) {
        const index = port - forward.port;
        const same = forward.protocol === protocol && forward.family === family && forward.address === address;
        if (!same || index < 0 || index >= forward.count || forward.closed === true) continue;
        return { server, forward, containerPort: forward.containerPort + index };
      }
    }
    return undefined;
  }

  dnat(bytes: Uint8Array, tag: number | undefined): Verdict {
    const packet = new Packet(bytes);
    if (packet.destinationMac !== UPLINK.mac || ((tag ?? 0) & 0xfff) !== 0) return NEXT; // 1, 2
    if (!packet.hasBytes(34) || packet.etherType !== IPV4 || !packet.ipIsSound(0)) return NEXT; // 3
    if (packet.protocol === ICMP) return this.#icmpIn(packet); // 4
    if (packet.protocol !== TCP) return NEXT; // 5
    if (packet.fragmentOffset !== 0) return this.#laterFragment(packet); // 6
    if (!packet.l4Has(20)) return NEXT; // 7
    const port = packet.destinationPort;
    const endpoint = this.#endpoint(packet.protocol, packet.family, packet.destination, port);
    const isAdmitted =
      endpoint !== undefined &&
      !isImpossibleSource(packet.source, this.#world.hostAddresses) &&
      this.#admits(packet, endpoint.server, endpoint.containerPort); // 9
    if (packet.moreFragments && !this.#firstFragment(packet, isAdmitted ? endpoint.server.id : 0)) return NEXT; // 10
    if (endpoint === undefined || !isAdmitted) return NEXT; // 8, 9
    const { server, forward, containerPort } = endpoint; // 11
    packet.destinationMac = server.mac;
    packet.translateTcp("destination", server.address, containerPort);
    return redirect(packet, `${forward.counter} in`);
  }

  #laterFragment(packet: Packet): Verdict {
    const first = this.#fragments.get(packet.fragmentKey);
    if (first === undefined || first.server === 0) return NEXT;
    const endpoint = this.#endpoint(packet.protocol, packet.family, packet.destination, first.port);
    if (endpoint?.server.id !== first.server) return NEXT;
    packet.destinationMac = endpoint.server.mac;
    packet.setAddress("destination", endpoint.server.address);
    return redirect(packet, `${endpoint.forward.counter} in`);
  }

  #icmpIn(packet: Packet): Verdict {
    const quoted = packet.quoted();
    if (quoted?.protocol !== TCP || packet.destination !== quoted.source) return NEXT;
    const { hostAddresses } = this.#world;
    if ([packet.source, quoted.destination].some((each) => isImpossibleSource(each, hostAddresses))) return NEXT;
    const endpoint = this.#endpoint(quoted.protocol, packet.family, quoted.source, quoted.sourcePort);
    if (endpoint === undefined || !this.#isPlayer(endpoint.server, quoted.destination)) return NEXT;
    const { server, forward, containerPort } = endpoint;
    packet.destinationMac = server.mac;
    packet.setAddress("destination", server.address);
    packet.translateQuoted("source", server.address, containerPort);
    return redirect(packet, `${forward.counter} in`);
  }

  arp(bytes: Uint8Array, tag: number | undefined, hostPeer: number): Verdict {
    const packet = new Packet(bytes);
    if (packet.etherType !== ARP || tag !== undefined) return NEXT; // 1
    const server = this.#behind(hostPeer);
    if (server === undefined) return drop("unknownInterface"); // 2
    if (!packet.hasBytes(42)) return drop("truncated"); // 3
    const question = [0, 1, 0x08, 0x00, 6, 4, 0, 1];
    const isForGateway =
      question.every((byte, index) => packet.bytes[14 + index] === byte) &&
      packet.addressAt(28) === server.address &&
      packet.addressAt(38) === server.gateway;
    if (!isForGateway) return drop("arp"); // 5
    packet.setMac(0, server.mac); // 4
    packet.setMac(6, this.#world.hostPeerMac);
    packet.bytes[21] = 2;
    packet.setMac(22, this.#world.hostPeerMac);
    packet.bytes.set(octets(server.gateway), 28);
    packet.setMac(32, server.mac);
    packet.bytes.set(octets(server.address), 38);
    return redirect(packet);
  }

  #behind(hostPeer: number) {
    return this.#world.servers.find((server) => server.hostPeer === hostPeer);
  }

  snat(bytes: Uint8Array, tag: number | undefined, hostPeer: number): Verdict {
    const packet = new Packet(bytes);
    const server = this.#behind(hostPeer);
    if (server === undefined) return drop("unknownInterface"); // 1
    if (packet.sourceMac !== server.mac) return drop("spoofedMac"); // 3
    if (tag !== undefined || packet.etherType === 0x8100 || packet.etherType === 0x88a8) return drop("vlan"); // 4
    if (packet.etherType === IPV6) return drop("ipv6");
    if (packet.etherType !== IPV4) return drop("notIp");
    if (!packet.hasBytes(34)) return drop("truncated"); // 2
    if (!packet.ipIsSound(0)) return drop("malformed"); // 5
    if (packet.source !== server.address) return drop("spoofedAddress"); // 6
    if (packet.moreFragments || packet.fragmentOffset !== 0) return drop("fragment"); // 7
    switch (packet.protocol) {
      case TCP:
        return packet.l4Has(20) ? this.#tcpOut(packet, server) : drop("truncated");
      case UDP:
        if (!packet.l4Has(8)) return drop("truncated");
        return this.#isForProxy(packet, server) ? this.#toHost(packet) : drop("udp"); // 10
      case ICMP:
        if (!packet.l4Has(8)) return drop("truncated");
        if (packet.destination === server.gateway && packet.icmpType === 8) return this.#toHost(packet); // 11
        return this.#icmpOut(packet, server); // 12
      default:
        return drop("protocol"); // 13
    }
  }

  #toHost(packet: Packet): Verdict {
    return packet.headerLength === 20 ? PASS : drop("ipOptions"); // 14
  }

  #isHosts(address: string): boolean {
    return this.#world.hostAddresses.includes(address);
  }

  #tcpOut(packet: Packet, server: FuzzServer & { group: number }): Verdict {
    const { destination } = packet;
    if (isContainers(destination) && !this.#isHosts(destination)) return this.#eastWest(packet, server); // 8
    const forward = forwardByContainerPort(server, TCP, packet.family, packet.sourcePort);
    if (forward !== undefined) return this.#reply(packet, server, forward); // 9
    if (this.#isForProxy(packet, server)) return this.#toHost(packet); // 10
    return drop("tcp"); // 13
  }

  #eastWest(packet: Packet, server: FuzzServer & { group: number }): Verdict {
    const other = this.#world.servers.find(({ address }) => address === packet.destination);
    if (other === undefined || server.group === 0 || other.group !== server.group) return drop("eastWest");
    const isForward = (of: FuzzServer, port: number) => {
      return forwardByContainerPort(of, TCP, packet.family, port) !== undefined;
    };
    const isTaken = isForward(other, packet.destinationPort) && this.#admits(packet, other, packet.destinationPort);
    const answers = () => !packet.isBareSyn && isForward(server, packet.sourcePort) && this.#mayAnswer(packet, server);
    if (!isTaken && !answers()) return drop("eastWest");
    packet.destinationMac = other.mac;
    return redirect(packet);
  }

  #reply(packet: Packet, server: FuzzServer, forward: FuzzForward): Verdict {
    const player = packet.destination;
    if (packet.isBareSyn) return drop("forwardSyn");
    const isHost = player === server.gateway || this.#isHosts(player);
    if (!isHost && isInvalidDestination(player)) return drop("destination");
    if (!this.#mayAnswer(packet, server)) return drop("notAPlayer");
    if (isHost) return this.#toHost(packet);
    packet.translateTcp("source", forward.address, publicPort(forward, packet.sourcePort));
    return redirect(packet, `${forward.counter} out`);
  }

  #isForProxy(packet: Packet, server: FuzzServer): boolean {
    if (packet.destination !== server.gateway) return false;
    const flow = `${server.id}/${packet.sourcePort}/${packet.protocol}/${packet.family}`;
    return this.#world.flows.get(flow) === packet.destinationPort;
  }

  #icmpOut(packet: Packet, server: FuzzServer): Verdict {
    const quoted = packet.quoted();
    const player = packet.destination;
    const isAboutPlayer = quoted?.protocol === TCP && quoted.source === player && quoted.destination === server.address;
    const isFragmentationNeeded = packet.icmpType === 3 && packet.icmpCode === 4;
    if (!isAboutPlayer || isFragmentationNeeded) return drop("icmp");
    const forward = forwardByContainerPort(server, TCP, packet.family, quoted.destinationPort);
    const isPossible = !isInvalidDestination(player) && !isContainers(player) && !this.#isHosts(player);
    if (forward === undefined || !isPossible) return drop("icmp");
    if (!this.#isPlayer(server, player) && !this.#refuses(packet, server, quoted)) return drop("icmp");
    packet.setAddress("source", forward.address);
    packet.translateQuoted("destination", forward.address, publicPort(forward, quoted.destinationPort));
    return redirect(packet, `${forward.counter} out`);
  }
}

function octets(address: string): number[] {
  return address.split(".").map(Number);
}

function publicPort(forward: FuzzForward, containerPort: number): number {
  return forward.port + containerPort - forward.containerPort;
}
