import type { Socket } from "node:net";
import { getSocketOption } from "@dp/sys";
import type { Endpoint } from "./endpoint.ts";
import { socketFd } from "./socket-fd.ts";

const SOL_IP = 0;
const SO_ORIGINAL_DST = 80;
const AF_INET = 2;

/**
 * The destination of an accepted connection before it was redirected to the proxy: `SO_ORIGINAL_DST`, answered by
 * dp_getsockopt or by nftables. Undefined when the connection was not redirected.
 */
export function originalDestination(socket: Socket): Endpoint | undefined {
  const fd = socketFd(socket);
  if (fd === undefined) return undefined;
  // struct sockaddr_in: sin_family in host order, sin_port and sin_addr in network order, 8 bytes of zero.
  const sockaddr = new Uint8Array(16);
  if (getSocketOption(fd, SOL_IP, SO_ORIGINAL_DST, sockaddr) < 8) return undefined;
  const view = new DataView(sockaddr.buffer);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  if (view.getUint16(0, littleEndian) !== AF_INET) return undefined;
  return { address: sockaddr.subarray(4, 8).join("."), port: view.getUint16(2) };
}
