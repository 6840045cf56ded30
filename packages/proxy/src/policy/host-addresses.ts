import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Errno, type Fd, parseIpv4, socket, tryBind } from "@dp/sys";

const AF_INET = 2;
const SOCK_DGRAM = 2;
/** The longest time before the addresses are listed again. */
const MAX_AGE_MS = 2000;

/** A way to find out whether an address is the host's. */
interface AddressSource extends Disposable {
  has(address: string): boolean;
}

/** The IPv4 addresses of the host. */
export class HostAddresses implements Disposable {
  readonly #source: AddressSource;

  constructor(source: AddressSource = defaultSource()) {
    this.#source = source;
  }

  /** True for an address of an interface, for 127.0.0.0/8, and for 0.0.0.0/8, which Linux connects to the host. */
  has(address: string): boolean {
    const number = parseIpv4(address);
    if (number === undefined) return false;
    return number >>> 24 === 127 || number >>> 24 === 0 || this.#source.has(address);
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}

/**
 * Binding asks the kernel, whose answer is always current. With `ip_nonlocal_bind` the kernel lets sockets bind to
 * every address, so the addresses are listed instead. An address that is newer than the list is detected when a
 * connection to it is established, because both ends then have the same address.
 */
function defaultSource(): AddressSource {
  const nonlocalBind = readFileSync("/proc/sys/net/ipv4/ip_nonlocal_bind", "utf8").trim() !== "0";
  return nonlocalBind ? new AddressList() : new BindProbe();
}

/**
 * Asks about one address by binding a socket to it, which takes a microsecond. Listing the interfaces takes a tenth of
 * a second on a host with a thousand servers. A socket that could be bound cannot be bound again, so it is replaced;
 * otherwise the same socket is used for the next address.
 */
class BindProbe implements AddressSource {
  #socket: Fd | undefined;

  /** Also true for the broadcast addresses of the host's networks, which containers must not reach either. */
  has(address: string): boolean {
    // struct sockaddr_in with port 0; sin_family is in host byte order.
    const sockaddr = new Uint8Array(16);
    new Uint16Array(sockaddr.buffer, 0, 1)[0] = AF_INET;
    sockaddr.set(address.split(".").map(Number), 4);
    try {
      this.#socket ??= socket(AF_INET, SOCK_DGRAM, 0);
    } catch {
      // Without a free descriptor the answer is unknown, and an unknown address must be treated as the host's.
      return true;
    }
    const result = tryBind(this.#socket, sockaddr);
    if (result === 0) this[Symbol.dispose]();
    return result !== -Errno.EADDRNOTAVAIL;
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** The addresses of the interfaces. They are listed again when they are needed and too old. */
export class AddressList implements AddressSource {
  readonly #list: () => string[];
  readonly #now: () => number;
  #addresses = new Set<string>();
  #listedAt = -Infinity;

  constructor(list: () => string[] = listAddresses, now: () => number = () => performance.now()) {
    this.#list = list;
    this.#now = now;
  }

  has(address: string): boolean {
    if (this.#now() - this.#listedAt > MAX_AGE_MS) {
      this.#addresses = new Set(this.#list());
      this.#listedAt = this.#now();
    }
    return this.#addresses.has(address);
  }

  [Symbol.dispose](): void {}
}

function listAddresses(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.filter(({ family }) => family === "IPv4").map(({ address }) => address);
}
