import { networkInterfaces } from "node:os";
/**
 * Sends frames out of the eth0 of many containers in turn, as fast as it can, until it is ended. What it sends is made
 * by the kind of attack; each frame has another source port, or destination, than the one before.
 *
 *     bun starvation/hostile.ts KIND NETNS...
 *
 *     connections   SYNs to the internet, as flows through the proxy
 *     queries       DNS queries to the internet, as flows through the proxy
 *     listener      SYNs to the proxy's TCP listener on the gateway, of no flow
 *     datagrams     datagrams to the proxy's DNS listener on the gateway, of no flow
 *     repeated      queries from one port, which has a flow
 *
 * The events: flooding {}, once every container has sent something.
 */
import { HOST_PEER_MAC } from "@dp/core";
import { interfaceIndex } from "@dp/core/libbpf";
import { type Fd, openNetns, send, SyscallError, withNetns } from "@dp/sys";
import { ethernet, ipv4, tcp, udp } from "@dp/test-kit/frame.ts";
import { bindTo, rawSocket } from "../raw/packet-socket.ts";

const FRAMES = 4096;
const QUERY = Buffer.from(
  "000101000001000000000000 03777777 076578616d706c65 0474657374 00 0001 0001".replaceAll(" ", ""),
  "hex",
);
const [kind = "", ...paths] = process.argv.slice(2);

interface Container {
  fd: Fd;
  frames: Uint8Array[];
}

function open(path: string): Container {
  using netns = openNetns(path);
  return withNetns(netns, () => {
    const fd = rawSocket();
    bindTo(fd, 0, interfaceIndex("eth0"));
    const [own] = networkInterfaces()["eth0"] ?? [];
    if (own === undefined) throw new Error(`${path} has no eth0 with an address`);
    const gateway = own.address.replace(/^10\.2\./, "10.1.");
    return { fd, frames: Array.from({ length: FRAMES }, (_, at) => frameOf(own.mac, own.address, gateway, at)) };
  });
}

function frameOf(mac: string, src: string, gateway: string, at: number): Uint8Array {
  const port = 1024 + at;
  const internet = `192.0.2.${1 + (at % 250)}`;
  const layers = {
    connections: () => ipv4({ src, dst: internet }, tcp({ src: port, dst: 443, flags: "S" })),
    queries: () => ipv4({ src, dst: internet }, udp({ src: port, dst: 53 }, QUERY)),
    listener: () => ipv4({ src, dst: gateway }, tcp({ src: port, dst: 9111, flags: "S" })),
    datagrams: () => ipv4({ src, dst: gateway }, udp({ src: port, dst: 9053 }, QUERY)),
    repeated: () => ipv4({ src, dst: "192.0.2.53" }, udp({ src: 1024, dst: 53 }, QUERY)),
  };
  return ethernet({ src: mac, dst: HOST_PEER_MAC }, layers[kind as keyof typeof layers]());
}

const containers = paths.map(open);
for (let at = 0; ; at++) {
  for (const { fd, frames } of containers) {
    try {
      send(fd, frames[at % FRAMES] as Uint8Array, "send a frame");
    } catch (error) {
      // The program on the interface's egress drops it.
      if (!(error instanceof SyscallError) || !["ENOBUFS", "EAGAIN"].includes(error.errnoName ?? "")) throw error;
    }
  }
  if (at === 0) console.log(JSON.stringify({ event: "flooding" }));
}
