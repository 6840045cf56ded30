/**
 * Builds Ethernet frames, layer inside layer:
 *
 *     ethernet({ dst, src }, ipv4({ src: "198.51.100.7", dst: "203.0.113.10" }, tcp({ src: 40000, dst: 25565 }, "hi")))
 *
 * Lengths and checksums are right unless a field says otherwise: a test of a malformed packet names exactly what is
 * wrong with it.
 */
import { parseIpv6 } from "@dp/sys";
import { checksum, pseudoHeader } from "./checksum.ts";

/** What stands inside another layer. */
export interface Layer {
  /** The number the layer around it announces it by: an EtherType or an IP protocol. */
  readonly type: number;
  /** `pseudo` is what the checksum of a TCP or UDP segment of `length` bytes covers of the layer around it. */
  encode(pseudo: (length: number) => Uint8Array): Uint8Array;
}

export type Payload = string | Uint8Array;

export const EtherType = { ipv4: 0x0800, arp: 0x0806, rarp: 0x8035, vlan: 0x8100, ipv6: 0x86dd, qinq: 0x88a8 } as const;
export const Protocol = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmpv6: 58, sctp: 132 } as const;

const NO_PSEUDO_HEADER = () => new Uint8Array(0);

/** Bytes as they are, announced as `type`. */
export function raw(type: number, payload: Payload): Layer {
  return { type, encode: () => bytes(payload) };
}

export interface EthernetFields {
  dst: string;
  src: string;
  /** Tags in the frame itself, outermost first; `id` is the whole 16-bit TCI. */
  vlans?: readonly { tpid?: number; tci: number }[];
  /** EtherType, instead of the payload's own. */
  type?: number;
}

export function ethernet(fields: EthernetFields, payload: Layer): Uint8Array {
  const tags = (fields.vlans ?? []).flatMap(({ tpid = EtherType.vlan, tci }) => [u16(tpid), u16(tci)]);
  return join(
    mac(fields.dst),
    mac(fields.src),
    ...tags,
    u16(fields.type ?? payload.type),
    payload.encode(NO_PSEUDO_HEADER),
  );
}

export interface Ipv4Fields {
  src: string;
  dst: string;
  /** Of a multiple of 4 bytes; see {@link RECORD_ROUTE}. */
  options?: Uint8Array;
  id?: number;
  dontFragment?: boolean;
  moreFragments?: boolean;
  /** Bytes, a multiple of 8. */
  fragmentOffset?: number;
  ttl?: number;
  tos?: number;
  /** Below: instead of what is right. */
  protocol?: number;
  version?: number;
  /** Header length in 32-bit words. */
  ihl?: number;
  totalLength?: number;
  checksum?: number;
}

export function ipv4(fields: Ipv4Fields, payload: Layer): Layer {
  return {
    type: EtherType.ipv4,
    encode() {
      const source = ip(fields.src);
      const destination = ip(fields.dst);
      const options = fields.options ?? new Uint8Array(0);
      const protocol = fields.protocol ?? payload.type;
      const body = payload.encode((length) => pseudoHeader(source, destination, payload.type, length));
      const headerLength = 20 + options.byteLength;
      const flags = (fields.dontFragment ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0);
      const header = join(
        [((fields.version ?? 4) << 4) | (fields.ihl ?? headerLength / 4), fields.tos ?? 0],
        u16(fields.totalLength ?? headerLength + body.byteLength),
        u16(fields.id ?? 0x1234),
        u16(flags | ((fields.fragmentOffset ?? 0) >>> 3)),
        [fields.ttl ?? 64, protocol],
        u16(0),
        source,
        destination,
        options,
      );
      header.set(u16(fields.checksum ?? checksum(header)), 10);
      return join(header, body);
    },
  };
}

/** RFC 791 record route, four empty slots, then padding: 20 bytes that every host must carry. */
export const RECORD_ROUTE = Uint8Array.from([7, 19, 4, ...Array.from({ length: 16 }, () => 0), 0]);

/** 40 bytes of no-operation: the longest header IPv4 has. */
export const MAXIMUM_OPTIONS = new Uint8Array(40).fill(1);

/**
 * One datagram as several frames, cut after the given numbers of bytes (multiples of 8) of its payload. The checksum of
 * a TCP segment in it is that of the whole segment, and is in the first.
 */
export function fragments(
  outer: EthernetFields,
  fields: Ipv4Fields,
  payload: Layer,
  cuts: readonly number[],
): Uint8Array[] {
  const whole = payload.encode((length) => pseudoHeader(ip(fields.src), ip(fields.dst), payload.type, length));
  return [0, ...cuts].map((start, index) => {
    const end = cuts[index];
    const fragment = { ...fields, fragmentOffset: start, moreFragments: end !== undefined };
    return ethernet(outer, ipv4(fragment, raw(payload.type, whole.subarray(start, end))));
  });
}

export interface TcpFields {
  src: number;
  dst: number;
  /** Letters of the flags that are set: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN. */
  flags?: string;
  seq?: number;
  ack?: number;
  window?: number;
  /** Of a multiple of 4 bytes; see {@link SYN_OPTIONS}. */
  options?: Uint8Array;
  /** Below: instead of what is right. Data offset in 32-bit words. */
  dataOffset?: number;
  checksum?: number;
}

const TCP_FLAGS = "FSRPAUEC";

export function tcp(fields: TcpFields, payload: Payload = ""): Layer {
  return {
    type: Protocol.tcp,
    encode(pseudo) {
      const options = fields.options ?? new Uint8Array(0);
      const flags = [...(fields.flags ?? "A")].reduce((bits, flag) => bits | (1 << TCP_FLAGS.indexOf(flag)), 0);
      const segment = join(
        u16(fields.src),
        u16(fields.dst),
        u32(fields.seq ?? 0x01020304),
        u32(fields.ack ?? 0x05060708),
        [(fields.dataOffset ?? 5 + options.byteLength / 4) << 4, flags],
        u16(fields.window ?? 0xfaf0),
        u16(0),
        u16(0),
        options,
        bytes(payload),
      );
      segment.set(u16(fields.checksum ?? checksum(pseudo(segment.byteLength), segment)), 16);
      return segment;
    },
  };
}

/** What Linux sends in a SYN: maximum segment size, SACK, timestamps, window scale. */
export const SYN_OPTIONS = Uint8Array.from([2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]);

export function udp(fields: { src: number; dst: number; checksum?: number }, payload: Payload = ""): Layer {
  return {
    type: Protocol.udp,
    encode(pseudo) {
      const body = bytes(payload);
      const datagram = join(u16(fields.src), u16(fields.dst), u16(8 + body.byteLength), u16(0), body);
      // A computed 0 is sent as its other form: 0 means that there is no checksum (RFC 768).
      datagram.set(u16(fields.checksum ?? (checksum(pseudo(datagram.byteLength), datagram) || 0xffff)), 6);
      return datagram;
    },
  };
}

export const IcmpType = { echoReply: 0, unreachable: 3, redirect: 5, echoRequest: 8, timeExceeded: 11 } as const;

export function icmp(fields: { type: number; code?: number; rest?: number }, payload: Payload = ""): Layer {
  return {
    type: Protocol.icmp,
    encode() {
      const message = join([fields.type, fields.code ?? 0], u16(0), u32(fields.rest ?? 0x00070001), bytes(payload));
      message.set(u16(checksum(message)), 2);
      return message;
    },
  };
}

/** Addresses as text: `::ffff:203.0.113.10`, too. */
export function ipv6(payload: Layer, fields: { src?: string; dst?: string } = {}): Layer {
  return {
    type: EtherType.ipv6,
    encode() {
      const source = ip6(fields.src ?? "2001:db8::1");
      const destination = ip6(fields.dst ?? "2001:db8::2");
      const body = payload.encode((length) => ipv6PseudoHeader(source, destination, payload.type, length));
      return join([0x60, 0, 0, 0], u16(body.byteLength), [payload.type, 64], source, destination, body);
    },
  };
}

/** What the checksum of a segment covers of the IPv6 header around it (RFC 8200 8.1). */
function ipv6PseudoHeader(source: Uint8Array, destination: Uint8Array, type: number, length: number): Uint8Array {
  return join(source, destination, u32(length), [0, 0, 0, type]);
}

export interface ArpFields {
  /** 1 request, 2 reply; 3 and 4 are RARP's. */
  operation?: number;
  senderMac: string;
  senderAddress: string;
  targetMac?: string;
  targetAddress: string;
  /** EtherType, instead of ARP's. */
  type?: number;
  hardwareType?: number;
  protocolType?: number;
  hardwareLength?: number;
  protocolLength?: number;
}

/** RFC 826. */
export function arp(fields: ArpFields): Layer {
  return raw(
    fields.type ?? EtherType.arp,
    join(
      u16(fields.hardwareType ?? 1),
      u16(fields.protocolType ?? EtherType.ipv4),
      [fields.hardwareLength ?? 6, fields.protocolLength ?? 4],
      u16(fields.operation ?? 1),
      mac(fields.senderMac),
      ip(fields.senderAddress),
      mac(fields.targetMac ?? "00:00:00:00:00:00"),
      ip(fields.targetAddress),
    ),
  );
}

/** Zeroes up to the 60 bytes that the shortest frame on a wire has. */
export function padded(frame: Uint8Array, length = 60): Uint8Array {
  return join(frame, new Uint8Array(Math.max(0, length - frame.byteLength)));
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function mac(text: string): Uint8Array {
  return Uint8Array.from(text.split(":"), (octet) => Number.parseInt(octet, 16));
}

export function ip(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}

function ip6(text: string): Uint8Array {
  const bytes = parseIpv6(text);
  if (bytes === undefined) throw new RangeError(`${text} is not an IPv6 address`);
  return bytes;
}

function bytes(payload: Payload): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
