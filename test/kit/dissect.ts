import { isIntact, pseudoHeader } from "./checksum.ts";
import { EtherType, Protocol } from "./frame.ts";

/** An Ethernet frame with IPv4 and TCP in it, taken apart by other code than built it. */
export interface Dissected {
  dst: string;
  src: string;
  ip: { src: string; dst: string; headerLength: number; fragmentOffset: number; moreFragments: boolean };
  tcp: { src: number; dst: number; syn: boolean; ack: boolean } | undefined;
  /** Whether the IPv4 header's checksum is right. */
  ipIntact: boolean;
  /** Whether the TCP checksum is; undefined where it cannot be told: in fragments and without a whole TCP header. */
  tcpIntact: boolean | undefined;
}

/** Undefined for what is not IPv4 or contradicts itself. */
export function dissect(frame: Uint8Array): Dissected | undefined {
  if (frame.byteLength < 34) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const version = view.getUint8(14) >>> 4;
  const headerLength = (view.getUint8(14) & 0xf) * 4;
  const totalLength = view.getUint16(16);
  if (view.getUint16(12) !== EtherType.ipv4 || version !== 4 || headerLength < 20) return undefined;
  if (totalLength < headerLength || 14 + totalLength > frame.byteLength) return undefined;

  const fragment = view.getUint16(20);
  const [source, destination] = [frame.subarray(26, 30), frame.subarray(30, 34)];
  const segment = frame.subarray(14 + headerLength, 14 + totalLength);
  const hasTcp = view.getUint8(23) === Protocol.tcp && (fragment & 0x1fff) === 0 && segment.byteLength >= 20;
  const isFragment = (fragment & 0x3fff) !== 0;
  const l4 = 14 + headerLength;
  const macAt = (at: number) =>
    Array.from(frame.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
  return {
    dst: macAt(0),
    src: macAt(6),
    ip: {
      src: source.join("."),
      dst: destination.join("."),
      headerLength,
      fragmentOffset: (fragment & 0x1fff) * 8,
      moreFragments: (fragment & 0x2000) !== 0,
    },
    tcp: hasTcp
      ? {
          src: view.getUint16(l4),
          dst: view.getUint16(l4 + 2),
          syn: (view.getUint8(l4 + 13) & 0x02) !== 0,
          ack: (view.getUint8(l4 + 13) & 0x10) !== 0,
        }
      : undefined,
    ipIntact: isIntact(frame.subarray(14, l4)),
    tcpIntact:
      hasTcp && !isFragment
        ? isIntact(pseudoHeader(source, destination, Protocol.tcp, segment.byteLength), segment)
        : undefined,
  };
}
