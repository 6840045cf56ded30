/** A packet's bytes, read and changed by offset. It copies what it is given. */
import { DpFamily } from "@dp/bpf";

type End = "source" | "destination";

export interface Quoted {
  /** TCP's number, or UDP's. */
  protocol: number;
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
}

const ICMP_ERRORS = [3, 11, 12];

export class Packet {
  readonly bytes: Uint8Array;
  /** The programs read no other family. */
  readonly family = DpFamily.ipv4;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
    this.#view = new DataView(this.bytes.buffer);
  }

  hasBytes(length: number): boolean {
    return this.bytes.byteLength >= length;
  }

  #u8(at: number): number {
    return this.#view.getUint8(at);
  }

  #u16(at: number): number {
    return this.#view.getUint16(at);
  }

  get destinationMac(): string {
    return this.#mac(0);
  }

  set destinationMac(mac: string) {
    this.setMac(0, mac);
  }

  get sourceMac(): string {
    return this.#mac(6);
  }

  #mac(at: number): string {
    return Array.from(this.bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  setMac(at: number, mac: string): void {
    this.bytes.set(
      mac.split(":").map((byte) => Number.parseInt(byte, 16)),
      at,
    );
  }

  get etherType(): number {
    return this.#u16(12);
  }

  addressAt(at: number): string {
    return this.bytes.subarray(at, at + 4).join(".");
  }

  // IPv4, at 14.

  get headerLength(): number {
    return (this.#u8(14) & 0xf) * 4;
  }

  get totalLength(): number {
    return this.#u16(16);
  }

  get id(): number {
    return this.#u16(18);
  }

  get moreFragments(): boolean {
    return (this.#u16(20) & 0x2000) !== 0;
  }

  get fragmentOffset(): number {
    return this.#u16(20) & 0x1fff;
  }

  /** What the fragments of one packet have in common. */
  get fragmentKey(): string {
    return `${this.family}/${this.protocol} ${this.source} ${this.destination} ${this.id}`;
  }

  get protocol(): number {
    return this.#u8(23);
  }

  get source(): string {
    return this.addressAt(26);
  }

  get destination(): string {
    return this.addressAt(30);
  }

  /** Whether its lengths agree with each other and the frame, with room for this many bytes behind the header. */
  ipIsSound(l4Length: number): boolean {
    if (this.#u8(14) >> 4 !== 4 || this.headerLength < 20) return false;
    return this.totalLength >= this.headerLength + l4Length && this.totalLength + 14 <= this.bytes.byteLength;
  }

  get #l4(): number {
    return 14 + this.headerLength;
  }

  /** Whether what the IPv4 header announces has this many bytes, and they are there. */
  l4Has(length: number): boolean {
    return this.hasBytes(this.#l4 + length) && this.ipIsSound(length);
  }

  get sourcePort(): number {
    return this.#u16(this.#l4);
  }

  get destinationPort(): number {
    return this.#u16(this.#l4 + 2);
  }

  get tcpFlags(): number {
    return this.#u8(this.#l4 + 13);
  }

  /** TCP's. */
  get sequenceNumber(): number {
    return this.#view.getUint32(this.#l4 + 4);
  }

  get acknowledgedNumber(): number {
    return this.#view.getUint32(this.#l4 + 8);
  }

  /** Whether the TCP header is all there is of the segment. */
  get hasNoData(): boolean {
    return this.totalLength - this.headerLength === (this.#u8(this.#l4 + 12) >> 4) * 4;
  }

  /** Opens a connection: SYN, and no ACK. */
  get isBareSyn(): boolean {
    return (this.tcpFlags & 0x12) === 0x02;
  }

  get isReset(): boolean {
    return (this.tcpFlags & 0x04) !== 0;
  }

  get icmpType(): number {
    return this.#u8(this.#l4);
  }

  get icmpCode(): number {
    return this.#u8(this.#l4 + 1);
  }

  setAddress(end: End, address: string): void {
    this.#setAddressOf(14, end, address);
  }

  /** Of the IPv4 header at `header`, with its checksum. */
  #setAddressOf(header: number, end: End, address: string): void {
    const at = header + (end === "source" ? 12 : 16);
    const old = this.bytes.slice(at, at + 4);
    this.bytes.set(address.split(".").map(Number), at);
    this.#replaceInSum(header + 10, old, this.bytes.subarray(at, at + 4));
  }

  /** One's complement arithmetic on the checksum at `at`: `old`, which it covers, becomes `now`. */
  #replaceInSum(at: number, old: Uint8Array, now: Uint8Array): void {
    const words = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return Array.from({ length: bytes.byteLength / 2 }, (_, index) => view.getUint16(index * 2));
    };
    let sum = ~this.#u16(at) & 0xffff;
    for (const word of words(old)) sum += ~word & 0xffff;
    for (const word of words(now)) sum += word;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    this.#view.setUint16(at, ~sum & 0xffff);
  }

  /** One end of a TCP segment, with all checksums. */
  translateTcp(end: End, address: string, port: number): void {
    this.#translate(14, this.#l4, end, address, port, true);
  }

  #translate(header: number, l4: number, end: End, address: string, port: number, hasChecksum: boolean): void {
    const addressAt = header + (end === "source" ? 12 : 16);
    const oldAddress = this.bytes.slice(addressAt, addressAt + 4);
    this.#setAddressOf(header, end, address);
    const portAt = l4 + (end === "source" ? 0 : 2);
    const oldPort = this.bytes.slice(portAt, portAt + 2);
    this.#view.setUint16(portAt, port);
    const isUdp = this.#u8(header + 9) === 17;
    const sum = l4 + (isUdp ? 6 : 16);
    // RFC 768: 0 is no checksum, and one that comes out as 0 is sent as its other form.
    if (!hasChecksum || (isUdp && this.#u16(sum) === 0)) return;
    this.#replaceInSum(sum, oldAddress, this.bytes.subarray(addressAt, addressAt + 4));
    this.#replaceInSum(sum, oldPort, this.bytes.subarray(portAt, portAt + 2));
    if (isUdp && this.#u16(sum) === 0) this.#view.setUint16(sum, 0xffff);
  }

  /** One end's address and both ports of a TCP segment or a datagram, with all checksums. */
  readdress(end: End, address: string, ports: { source: number; destination: number }): void {
    const isUdp = this.protocol === 17;
    const [l4, sum] = [this.#l4, this.#l4 + (isUdp ? 6 : 16)];
    const addressAt = end === "source" ? 26 : 30;
    const old = [this.bytes.slice(addressAt, addressAt + 4), this.bytes.slice(l4, l4 + 4)] as const;
    this.setAddress(end, address);
    this.#view.setUint16(l4, ports.source);
    this.#view.setUint16(l4 + 2, ports.destination);
    // RFC 768: 0 is no checksum, and one that comes out as 0 is sent as its other form.
    if (isUdp && this.#u16(sum) === 0) return;
    this.#replaceInSum(sum, old[0], this.bytes.subarray(addressAt, addressAt + 4));
    this.#replaceInSum(sum, old[1], this.bytes.subarray(l4, l4 + 4));
    if (isUdp && this.#u16(sum) === 0) this.#view.setUint16(sum, 0xffff);
  }

  // What an ICMP error quotes.

  get #quotedHeader(): number {
    return this.#l4 + 8;
  }

  get #quotedProtocol(): number {
    return this.#u8(this.#quotedHeader + 9);
  }

  get #quotedL4(): number {
    return this.#quotedHeader + (this.#u8(this.#quotedHeader) & 0xf) * 4;
  }

  /** undefined unless it is an unfragmented ICMP error that quotes the beginning of a TCP segment or a datagram. */
  quoted(): Quoted | undefined {
    if (!this.ipIsSound(8) || this.moreFragments || this.fragmentOffset !== 0) return undefined;
    const at = this.#quotedHeader;
    if (!this.hasBytes(at + 20) || !ICMP_ERRORS.includes(this.icmpType)) return undefined;
    const isSound = this.#u8(at) >> 4 === 4 && (this.#u8(at) & 0xf) >= 5 && [6, 17].includes(this.#quotedProtocol);
    if (!isSound || (this.#u16(at + 6) & 0x1fff) !== 0) return undefined;
    const l4 = this.#quotedL4;
    if (!this.#quotes(8)) return undefined;
    return {
      protocol: this.#quotedProtocol,
      source: this.addressAt(at + 12),
      destination: this.addressAt(at + 16),
      sourcePort: this.#u16(l4),
      destinationPort: this.#u16(l4 + 2),
    };
  }

  /** Whether the quoted segment's first bytes are there, and part of the packet. */
  #quotes(length: number): boolean {
    const end = this.#quotedL4 + length;
    return this.hasBytes(end) && 14 + this.totalLength >= end;
  }

  translateQuoted(end: End, address: string, port: number): void {
    // Of a datagram everything is quoted that changes; of a segment its checksum may not be.
    const hasChecksum = this.#quotedProtocol === 17 || this.#quotes(18);
    const [from, to] = [this.#l4 + 8, this.#quotedL4 + (this.#quotedProtocol === 6 && hasChecksum ? 18 : 8)];
    const before = this.bytes.slice(from, to);
    this.#translate(this.#quotedHeader, this.#quotedL4, end, address, port, hasChecksum);
    this.#replaceInSum(this.#l4 + 2, before, this.bytes.subarray(from, to));
  }
}
