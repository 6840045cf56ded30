import { formatIpv6 } from "@dp/sys";
import { AF_INET } from "./family.ts";
import { bytes, u32, u8 } from "./scalar.ts";
import { padding, struct } from "./struct.ts";

/** nlmsg_type of NETLINK_SOCK_DIAG (linux/sock_diag.h). */
export const SockDiagType = { SOCK_DIAG_BY_FAMILY: 20, SOCK_DESTROY: 21 } as const;

/** struct inet_diag_sockid: ports and addresses in network byte order, the interface, and a cookie. */
const SOCKET_ID_SIZE = 48;

/*
 * struct inet_diag_req_v2 {
 *         __u8  sdiag_family;
 *         __u8  sdiag_protocol;
 *         __u8  idiag_ext;
 *         __u8  pad;
 *         __u32 idiag_states;   // a bit for each enum of tcp_states.h
 *         struct inet_diag_sockid id;
 * };
 */
const inet_diag_req_v2 = struct("inet_diag_req_v2", {
  sdiag_family: u8,
  sdiag_protocol: u8,
  idiag_ext: u8,
  pad: padding(1),
  idiag_states: u32,
});

/** A request for the sockets of a family and protocol in these states; or for one, by its id. */
export function sockDiagRequest(
  value: { family: number; protocol: number; states: number },
  id: Uint8Array = new Uint8Array(SOCKET_ID_SIZE),
): Uint8Array {
  const { family, protocol, states } = value;
  const head = inet_diag_req_v2.write({ sdiag_family: family, sdiag_protocol: protocol, idiag_states: states });
  return Buffer.concat([head, id]);
}

/*
 * struct inet_diag_msg {
 *         __u8  idiag_family;
 *         __u8  idiag_state;
 *         __u8  idiag_timer;
 *         __u8  idiag_retrans;
 *         struct inet_diag_sockid id;
 *         ...
 * };
 */
const inet_diag_msg = struct("inet_diag_msg", {
  idiag_family: u8,
  idiag_state: u8,
  idiag_timer: u8,
  idiag_retrans: u8,
});

/** A socket as the kernel lists it. */
export interface SockDiag {
  readonly family: number;
  readonly state: number;
  /** To name the socket in a request. */
  readonly id: Uint8Array;
  /** In network byte order in the id. */
  readonly remotePort: number;
  /** An IPv4-mapped IPv6 address as the IPv4 address that it is. */
  readonly remoteAddress: string;
}

/** Throws {@link MalformedMessageError}. */
export function readSockDiag(payload: Uint8Array): SockDiag {
  const { idiag_family, idiag_state } = inet_diag_msg.read(payload);
  const id = bytes.read(payload.subarray(inet_diag_msg.size, inet_diag_msg.size + SOCKET_ID_SIZE));
  const remotePort = ((id[2] ?? 0) << 8) | (id[3] ?? 0);
  const remoteAddress = addressOf(idiag_family, id.subarray(REMOTE_ADDRESS, REMOTE_ADDRESS + 16));
  return { family: idiag_family, state: idiag_state, id, remotePort, remoteAddress };
}

/** Where it is in the id: behind two ports and the local address. */
const REMOTE_ADDRESS = 20;
/** ::ffff:0:0/96 */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

function addressOf(family: number, octets: Uint8Array): string {
  if (family === AF_INET) return octets.subarray(0, 4).join(".");
  const isMapped = MAPPED.every((octet, at) => octets[at] === octet);
  return isMapped ? octets.subarray(12).join(".") : formatIpv6(octets);
}
