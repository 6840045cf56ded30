/**
 * What the programs say of a packet, as their rules (the comments that bpf/*.bpf.c open with) have it, written a second
 * time: over plain bytes, with nothing taken from the C but the rules and their order. The fuzzer compares the two.
 */
import { type Server, UPLINK } from "@dp/test-kit/two-servers.ts";
import { isContainers, isHostPeers } from "./addresses.ts";
import { Packet } from "./model-packet.ts";
import { drop, NEXT, PASS, redirect, type Verdict } from "./verdict.ts";

/** What the maps hold. */
export interface World {
  servers: readonly (Server & { group: number })[];
  publicAddress: string;
  hostAddresses: readonly string[];
  hostPeerMac: string;
  proxy: { http: number; dns: number; tcp: number };
  /** Listeners that flows were given before the proxy's ports changed: "container/port/protocol" to port. */
  flows: ReadonlyMap<string, number>;
}

const ARP = 0x0806;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ICMP = 1;
const TCP = 6;
const UDP = 17;

/** 0.0.0.0/8, 127.0.0.0/8, from 224.0.0.0 up, and host peers. */
function isNoPlayers(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return first === 0 || first === 127 || first >= 224 || isHostPeers(address);
}

/** The programs, with what they remember between packets. */
export class Model {
  readonly #world: World;
  readonly #key: bigint;
  /** Slots of dp_players that somebody was in. */
  readonly #players = new Set<number>();
  /** Datagrams whose first fragment was seen: the port of it. */
  readonly #fragments = new Map<string, number>();

  constructor(world: World, playerKey: bigint) {
    this.#world = world;
    this.#key = playerKey;
  }

  forgetFragments(): void {
    this.#fragments.clear();
  }

  #slot(container: string, player: string): number {
    const bits = (BigInt(littleEndian(container)) << 32n) | BigInt(littleEndian(player));
    return Number(BigInt.asUintN(64, bits * this.#key) >> 42n);
  }

  #isPlayer(server: Server, address: string): boolean {
    return this.#players.has(this.#slot(server.address, address));
  }

  #serverOf(address: string, port: number) {
    if (address !== this.#world.publicAddress) return undefined;
    return this.#world.servers.find(({ port }) => port === port);
  }

  dnat(bytes: Uint8Array, tag: number | undefined): Verdict {
    const packet = new Packet(bytes);
    if (packet.destinationMac !== UPLINK.mac || ((tag ?? 0) & 0xfff) !== 0) return NEXT; // 1, 2
    if (!packet.hasBytes(34) || packet.etherType !== IPV4 || !packet.ipIsSound(0)) return NEXT; // 3
    if (packet.protocol === ICMP) return this.#icmpIn(packet); // 4
    if (packet.protocol !== TCP) return NEXT; // 5
    const datagram = `${packet.source} ${packet.destination} ${packet.id}`;
    if (packet.fragmentOffset !== 0) return this.#laterFragment(packet, datagram); // 6
    if (!packet.l4Has(20)) return NEXT; // 7
    const server = this.#serverOf(packet.destination, packet.destinationPort);
    if (packet.moreFragments) {
      if (server === undefined) this.#fragments.delete(datagram);
      else this.#fragments.set(datagram, server.port);
    }
    if (server === undefined) return NEXT; // 8
    this.#players.add(this.#slot(server.address, packet.source)); // 9
    packet.destinationMac = server.mac;
    packet.translateTcp("destination", server.address, server.containerPort);
    return redirect(packet);
  }

  #laterFragment(packet: Packet, datagram: string): Verdict {
    const port = this.#fragments.get(datagram);
    const server = port === undefined ? undefined : this.#serverOf(packet.destination, port);
    if (server === undefined) return NEXT;
    packet.destinationMac = server.mac;
    packet.setAddress("destination", server.address);
    return redirect(packet);
  }

  #icmpIn(packet: Packet): Verdict {
    const quoted = packet.quoted();
    if (quoted?.protocol !== TCP || packet.destination !== quoted.source) return NEXT;
    const server = this.#serverOf(quoted.source, quoted.sourcePort);
    if (server === undefined || !this.#isPlayer(server, quoted.destination)) return NEXT;
    packet.destinationMac = server.mac;
    packet.setAddress("destination", server.address);
    packet.translateQuoted("source", server.address, server.containerPort);
    return redirect(packet);
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
    return this.#world.gatewayes.includes(address);
  }

  #tcpOut(packet: Packet, server: Server & { group: number }): Verdict {
    const { destination } = packet;
    if (isContainers(destination) && !this.#isHosts(destination)) return this.#eastWest(packet, server); // 8
    if (packet.sourcePort === server.containerPort) return this.#reply(packet, server); // 9
    if (this.#isForProxy(packet, server)) return this.#toHost(packet); // 10
    return drop("tcp"); // 13
  }

  #eastWest(packet: Packet, server: Server & { group: number }): Verdict {
    const other = this.#world.servers.find(({ address }) => address === packet.destination);
    if (other === undefined || server.group === 0 || other.group !== server.group) return drop("eastWest");
    const answers = packet.sourcePort === server.containerPort && !packet.isBareSyn;
    if (packet.destinationPort !== other.containerPort && !answers) return drop("eastWest");
    packet.destinationMac = other.mac;
    return redirect(packet);
  }

  #reply(packet: Packet, server: Server): Verdict {
    const player = packet.destination;
    if (packet.isBareSyn) return drop("forwardSyn");
    if (player === server.gateway || this.#isHosts(player)) return this.#toHost(packet);
    if (isNoPlayers(player)) return drop("destination");
    if (!this.#isPlayer(server, player)) return drop("notAPlayer");
    packet.translateTcp("source", this.#world.publicAddress, server.port);
    return redirect(packet);
  }

  #isForProxy(packet: Packet, server: Server): boolean {
    const { http, dns, tcp } = this.#world.proxy;
    const port = packet.destinationPort;
    if (packet.destination !== server.gateway || port === 0) return false;
    if (port === dns) return true;
    if (packet.protocol === TCP && (port === http || port === tcp)) return true;
    return this.#world.flows.get(`${server.address}/${packet.sourcePort}/${packet.protocol}`) === port;
  }

  #icmpOut(packet: Packet, server: Server): Verdict {
    const quoted = packet.quoted();
    const player = packet.destination;
    const isAboutPlayer =
      quoted?.protocol === TCP &&
      quoted.source === player &&
      quoted.destination === server.address &&
      quoted.destinationPort === server.containerPort;
    const isPlayer =
      !isNoPlayers(player) && !isContainers(player) && !this.#isHosts(player) && this.#isPlayer(server, player);
    if (!isAboutPlayer || !isPlayer) return drop("icmp");
    packet.setAddress("source", this.#world.publicAddress);
    packet.translateQuoted("destination", this.#world.publicAddress, server.port);
    return redirect(packet);
  }
}

function octets(address: string): number[] {
  return address.split(".").map(Number);
}

function littleEndian(address: string): number {
  return octets(address).reduceRight((bits, octet) => bits * 256 + octet, 0);
}
