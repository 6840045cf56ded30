import { readFileSync } from "node:fs";
import { DatapathError, socket } from "@dp/sys";
import { ioctl } from "../ffi/libc.ts";
import { callError } from "../libbpf/errors.ts";
import type { Peer } from "./stores/server-record.ts";

/** A network interface, as programs and maps refer to it. */
export interface Interface {
  /** ifindex, in the network namespace it lives in. */
  index: number;
  name: string;
  /** "7e:90:c4:ed:df:d0". */
  mac: string;
}

// netdevice(7). A struct ifreq is the interface's name, then the answer.
const SIOCGIFNAME = 0x8910;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

const AF_INET = 2;
const SOCK_DGRAM = 2;

function ask(name: string, request: number, call: string): DataView {
  const op = `look at interface ${name}`;
  const encoded = new TextEncoder().encode(name);
  if (encoded.byteLength === 0 || encoded.byteLength >= IFNAMSIZ) {
    throw new DatapathError("BAD_USAGE", op, `an interface's name has 1 to ${IFNAMSIZ - 1} bytes`);
  }
  const request_ = new Uint8Array(IFREQ_SIZE);
  request_.set(encoded);
  using any = socket(AF_INET, SOCK_DGRAM, 0, op);
  const result = ioctl(any.number, request, request_);
  if (result < 0) throw callError(result, { op, call, target: name });
  return new DataView(request_.buffer, IFNAMSIZ);
}

/** An interface of the calling thread's network namespace. Throws `SyscallError` ENODEV when none has that name. */
export function readInterface(name: string): Interface {
  const index = ask(name, SIOCGIFINDEX, "SIOCGIFINDEX").getInt32(0, true);
  // A struct sockaddr: two bytes of family, then the address.
  const hardware = ask(name, SIOCGIFHWADDR, "SIOCGIFHWADDR");
  const mac = Array.from({ length: 6 }, (_, at) =>
    hardware
      .getUint8(2 + at)
      .toString(16)
      .padStart(2, "0"),
  ).join(":");
  return { index, name, mac };
}

/** The name an interface of the calling thread's network namespace has; undefined without one of that index. */
export function interfaceName(index: number): string | undefined {
  const request = new Uint8Array(IFREQ_SIZE);
  new DataView(request.buffer).setInt32(IFNAMSIZ, index, true);
  using any = socket(AF_INET, SOCK_DGRAM, 0, `look at interface ${index}`);
  if (ioctl(any.number, SIOCGIFNAME, request) < 0) return undefined;
  return new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
}

/** Names of all interfaces of the calling thread's network namespace. */
export function interfaceNames(): string[] {
  // proc_pid_net(5): two lines of headings, then "  eth0: 1234 ...".
  const lines = readFileSync("/proc/thread-self/net/dev", "utf8").split("\n").slice(2);
  return lines.flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}

/**
 * One end of a veth pair by its interface.
 *
 * @param iface its name in the calling thread's network namespace, or what is known of it
 * @throws SyscallError ENODEV without such an interface
 */
export function toVethPeer(iface: string | Interface): Peer {
  const { index, name, mac } = typeof iface === "string" ? readInterface(iface) : iface;
  return { ifindex: index, name, mac };
}
