/** Asks rtnetlink whether a TC hook has any filters, also those of other programs: libbpf has no function for it. */
import { Errno, MSG_TRUNC, receive, send, setSocketOption, socket } from "@dp/sys";
import { type Direction, numberOf } from "./attach-type.ts";
import { callError } from "./errors.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;

// linux/netlink.h and linux/rtnetlink.h: struct nlmsghdr, then struct tcmsg.
const HEADER_SIZE = 16;
const REQUEST_SIZE = HEADER_SIZE + 20;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const EPROTO = 71;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;

/** TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and its like (linux/pkt_sched.h). */
const PARENT: Record<Direction, number> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

/** False, too, without a clsact qdisc or such an interface. Throws `SyscallError`. */
export function hasFilters(ifindex: number, direction: Direction): boolean {
  const op = `list the filters on the ${direction} of interface ${ifindex}`;
  using kernel = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, op);
  // The kernel answers at once: two seconds are only exceeded by a fault.
  const patience = new BigInt64Array([2n, 0n]);
  setSocketOption(kernel, SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(patience.buffer), op);
  send(kernel, request(ifindex, direction), op);
  // The first message tells: a filter, the end of the list, or an error. What follows goes with the socket.
  const answer = new Uint8Array(64 * 1024);
  receive(kernel, answer, MSG_TRUNC, op);
  const view = new DataView(answer.buffer);
  const type = view.getUint16(4, true);
  if (type === RTM_NEWTFILTER) return true;
  if (type === NLMSG_DONE) return false;
  const result = type === NLMSG_ERROR ? view.getInt32(HEADER_SIZE, true) : -EPROTO;
  // No qdisc to have filters, or no interface to have a qdisc.
  if (result === -Errno.EINVAL || result === -Errno.ENODEV || result === -Errno.ENOENT) return false;
  throw callError(result, { op, call: "RTM_GETTFILTER" });
}

function request(ifindex: number, direction: Direction): Uint8Array {
  const view = new DataView(new ArrayBuffer(REQUEST_SIZE));
  view.setUint32(0, REQUEST_SIZE, true);
  view.setUint16(4, RTM_GETTFILTER, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  view.setInt32(HEADER_SIZE + 4, ifindex, true);
  view.setUint32(HEADER_SIZE + 12, numberOf(direction, PARENT), true);
  return new Uint8Array(view.buffer);
}
