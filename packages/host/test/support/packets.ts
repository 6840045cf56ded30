/**
 * Everything that arrives in a network namespace, whichever interface it comes by: what should never get there is seen
 * even where there is no listener.
 */
import { type Fd, openNetns, receive, socket, SyscallError, withNetns } from "@dp/sys";

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** ETH_P_ALL, in network byte order. */
const EVERYTHING = 0x0300;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;

const ETH_P_IP = 0x0800;
const TCP = 6;

export class PacketSocket implements Disposable {
  readonly #fd: Fd;

  /** @param namespace a name in /run/netns */
  constructor(namespace: string) {
    using netns = openNetns(`/run/netns/${namespace}`);
    this.#fd = withNetns(netns, () => socket(AF_PACKET, SOCK_RAW, EVERYTHING, "open a packet socket"));
  }

  /** What came since the last time: "203.0.113.1 > 10.2.0.1:25565" of IPv4 TCP, and nothing of anything else. */
  tcp(): string[] {
    const packets: string[] = [];
    const buffer = new Uint8Array(65536);
    const view = new DataView(buffer.buffer);
    const address = (at: number) => buffer.subarray(at, at + 4).join(".");
    for (;;) {
      try {
        receive(this.#fd, buffer, MSG_DONTWAIT, "receive a packet");
      } catch (error) {
        if (error instanceof SyscallError && error.errno === EAGAIN) return packets;
        throw error;
      }
      if (view.getUint16(12) !== ETH_P_IP || buffer[23] !== TCP) continue;
      const ports = 14 + ((buffer[14] as number) & 15) * 4;
      packets.push(`${address(26)} > ${address(30)}:${view.getUint16(ports + 2)}`);
    }
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
