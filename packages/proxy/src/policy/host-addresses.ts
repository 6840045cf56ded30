import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Errno, type Fd, socket, tryBind } from "@dp/sys";
import { parseIpv4 } from "../ipv4.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
/** How old the list may get, where one is needed. */
const MAX_AGE_MS = 2000;

/** Something that knows which addresses are the host's. */
interface Source extends Disposable {
  has(address: string): boolean;
}

/** Which IPv4 addresses are the host's own. */
export class OwnAddresses implements Disposable {
  readonly #source: Source;

  constructor(source: Source = kernelSays()) {
    this.#source = source;
  }

  /** True for an address of an interface, all of 127.0.0.0/8, and 0.0.0.0/8, which Linux takes for the host. */
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
 * Asks the kernel, which is never out of date. It has to be the list where the host lets sockets bind to foreign
 * addresses; what is too new for the list is caught once a connection is established, when its two ends have the same
 * address.
 */
function kernelSays(): Source {
  const foreign = readFileSync("/proc/sys/net/ipv4/ip_nonlocal_bind", "utf8").trim() !== "0";
  return foreign ? new AddressList() : new BindProbe();
}

/**
 * Asks about one address by binding a socket to it: a microsecond. Listing the interfaces takes a tenth of a second on
 * a host with a thousand servers. The socket is the same until an address is the host's: then it is bound, and of no
 * use any more.
 */
class BindProbe implements Source {
  #socket: Fd | undefined;

  /** Also true for the broadcast addresses of the host's networks, which is as well. */
  has(address: string): boolean {
    // struct sockaddr_in with port 0; sin_family is in the order of the host.
    const sockaddr = new Uint8Array(16);
    new Uint16Array(sockaddr.buffer, 0, 1)[0] = AF_INET;
    sockaddr.set(address.split(".").map(Number), 4);
    try {
      this.#socket ??= socket(AF_INET, SOCK_DGRAM, 0);
    } catch {
      // No descriptor left: not knowing must not open the host.
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

/** The addresses of the interfaces, listed again when they are asked for and old. */
export class AddressList implements Source {
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
