/** AF_PACKET sockets (packet(7)): frames as they are, past whatever the kernel would make of them. */
import {
  bindSocket,
  type Fd,
  openNetns,
  receive,
  send,
  setSocketOption,
  socket,
  SyscallError,
  withNetns,
} from "@dp/sys";
import type { NetworkNamespace } from "../topology/namespace.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const MSG_DONTWAIT = 0x40;

/** EtherType of sockets that see every frame, before any program does. */
const EVERY_FRAME = 3;

/** `ifindex` 0: every interface. */
function packetSocket(namespace: NetworkNamespace, etherType: number, ifindex: number): Fd {
  using netns = openNetns(namespace.path);
  const fd = withNetns(netns, rawSocket);
  bindTo(fd, etherType, ifindex);
  return fd;
}

/** In the calling thread's namespace. Receives nothing before it is bound. */
export function rawSocket(): Fd {
  return socket(AF_PACKET, SOCK_RAW, 0, "open a packet socket");
}

/** Throws `SyscallError` ENODEV when there is no such interface. */
export function bindTo(fd: Fd, etherType: number, ifindex: number): void {
  const address = new DataView(new ArrayBuffer(20)); // struct sockaddr_ll
  address.setUint16(0, AF_PACKET, true);
  address.setUint16(2, etherType);
  address.setUint32(4, ifindex, true);
  bindSocket(fd, new Uint8Array(address.buffer), "bind a packet socket");
}

const on = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);

/** What the kernel is told of a frame's checksum and segments: struct virtio_net_hdr. */
export interface Offload {
  /** Where the checksum begins, in bytes from the frame's start, and where in what it covers it is to be written. */
  readonly checksumStart: number;
  readonly checksumOffset: number;
  readonly segmentSize?: number;
}

async function indexOf(namespace: NetworkNamespace, ifname: string): Promise<number> {
  const link = (await namespace.links()).find((each) => each.ifname === ifname);
  if (link === undefined) throw new Error(`${namespace.name} has no interface ${ifname}`);
  return link.ifindex;
}

/** Sends frames out of an interface. */
export class Injector implements Disposable {
  readonly #fd: Fd;
  readonly #offloads: boolean;

  private constructor(fd: Fd, offloads: boolean) {
    this.#fd = fd;
    this.#offloads = offloads;
  }

  /**
   * `bypass`: past everything on the interface's egress, queueing disciplines and programs. `offloads`: each frame says
   * what is left to do about its checksum.
   */
  static async open(
    namespace: NetworkNamespace,
    ifname: string,
    { bypass = false, offloads = false } = {},
  ): Promise<Injector> {
    const fd = packetSocket(namespace, 0, await indexOf(namespace, ifname));
    if (bypass) setSocketOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, on(1), "bypass queueing disciplines");
    if (offloads) setSocketOption(fd, SOL_PACKET, PACKET_VNET_HDR, on(1), "tell of offloads");
    return new Injector(fd, offloads);
  }

  /** Throws `SyscallError`: ENETDOWN, EMSGSIZE. */
  send(frame: Uint8Array, offload?: Offload): void {
    if (!this.#offloads) return send(this.#fd, frame, "send a frame");
    const NEEDS_CHECKSUM = 1;
    const TCPV4 = 1;
    const header = new DataView(new ArrayBuffer(10 + frame.byteLength));
    if (offload !== undefined) {
      header.setUint8(0, NEEDS_CHECKSUM);
      header.setUint8(1, offload.segmentSize === undefined ? 0 : TCPV4);
      header.setUint16(2, offload.segmentSize === undefined ? 0 : 54, true);
      header.setUint16(4, offload.segmentSize ?? 0, true);
      header.setUint16(6, offload.checksumStart, true);
      header.setUint16(8, offload.checksumOffset, true);
    }
    const bytes = new Uint8Array(header.buffer);
    bytes.set(frame, 10);
    send(this.#fd, bytes, "send a frame");
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

/**
 * Keeps the frames that an interface receives. One for certain EtherTypes sees only what the programs on the
 * interface's ingress let through: the kernel hands it out after them.
 */
export class Sniffer implements Disposable {
  readonly #fds: readonly Fd[];
  readonly #frames: Buffer[] = [];

  private constructor(fds: readonly Fd[]) {
    this.#fds = fds;
  }

  /** `ifname` undefined: whatever interfaces there are, now and later. */
  static async open(
    namespace: NetworkNamespace,
    ifname: string | undefined,
    etherTypes: readonly number[] = [EVERY_FRAME],
  ): Promise<Sniffer> {
    const ifindex = ifname === undefined ? 0 : await indexOf(namespace, ifname);
    const fds = etherTypes.map((etherType) => {
      const fd = packetSocket(namespace, etherType, ifindex);
      setSocketOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, on(1), "see what is received only");
      setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, on(32 << 20), "make room for frames");
      return fd;
    });
    return new Sniffer(fds);
  }

  /** All that came until now. */
  get frames(): readonly Buffer[] {
    for (const fd of this.#fds) {
      for (let frame = receiveFrame(fd); frame !== undefined; frame = receiveFrame(fd)) this.#frames.push(frame);
    }
    return this.#frames;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) fd.close();
  }
}

const room = Buffer.alloc(1 << 16);

/** undefined when none is there. */
function receiveFrame(fd: Fd): Buffer | undefined {
  try {
    return Buffer.from(room.subarray(0, receive(fd, room, MSG_DONTWAIT, "receive a frame")));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // The interface went down, or is gone; what came before is still to be had.
    if (error.errnoName === "ENETDOWN") return receiveFrame(fd);
    if (error.errnoName === "EAGAIN") return undefined;
    throw error;
  }
}
