import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import type { Endpoint } from "../src/endpoint.ts";

/**
 * The topology of all tests with real traffic. `redirect` of nftables replaces dp_tproxy_container:
 *
 *     c1: eth0 10.2.0.2/32 --- hp1 10.1.0.2/32 \
 *                                               h (the proxy) up0 203.0.113.1/24 --- w0 w: 203.0.113.10, .11, .12/24
 *     c2: eth0 10.2.0.3/32 --- hp2 10.1.0.3/32 /                                           10.99.0.1, 169.254.169.254
 *
 * As in the datapath, a container's only route is its host peer, and the host's route to a container names the host
 * peer's address as source. 203.0.113.200 has a neighbour entry, but no host has that address: packets to it are lost.
 * 198.51.100.0/24 is unreachable by route.
 */
export type Place = "c1" | "c2" | "h" | "w";

export const PORTS = { http: 9080, dns: 9053, tcp: 9111 } as const;
export const VANISHING = "203.0.113.200";

const PLACES: readonly Place[] = ["c1", "c2", "h", "w"];

export class Sandbox {
  readonly #namespaces = new Map<Place, NetworkNamespace>();

  constructor() {
    requireRoot();
    for (const place of PLACES) {
      this.#namespaces.set(place, new NetworkNamespace());
      this.ip(place, "link set lo up");
    }
    this.#container("c1", "hp1", "10.2.0.2", "10.1.0.2");
    this.#container("c2", "hp2", "10.2.0.3", "10.1.0.3");
    this.ip("h", `link add up0 type veth peer name w0 netns ${this.name("w")}`);
    this.ip("h", "addr add 203.0.113.1/24 dev up0");
    this.ip("h", "link set up0 up");
    this.ip("w", "link set w0 up");
    for (const address of [
      "203.0.113.10/24",
      "203.0.113.11/24",
      "203.0.113.12/24",
      "10.99.0.1/24",
      "169.254.169.254/32",
    ]) {
      this.ip("w", `addr add ${address} dev w0`);
    }
    this.ip("h", "route add 10.99.0.0/24 dev up0");
    this.ip("h", "route add 169.254.169.254 dev up0");
    this.ip("h", "route add unreachable 198.51.100.0/24");
    this.ip("h", `neigh add ${VANISHING} lladdr 02:00:00:00:00:99 dev up0`);
    this.nft(`
      table ip pxtest {
        chain pre {
          type nat hook prerouting priority dstnat; policy accept;
          iifname "hp*" ip daddr 10.1.0.0/16 accept
          iifname "hp*" tcp dport 80 redirect to :${PORTS.http}
          iifname "hp*" tcp dport 53 redirect to :${PORTS.dns}
          iifname "hp*" udp dport 53 redirect to :${PORTS.dns}
          iifname "hp*" meta l4proto tcp redirect to :${PORTS.tcp}
        }
      }`);
  }

  #container(place: "c1" | "c2", hostPeer: string, address: string, gateway: string): void {
    this.ip("h", `link add ${hostPeer} type veth peer name eth0 netns ${this.name(place)}`);
    this.ip("h", `addr add ${gateway}/32 dev ${hostPeer}`);
    this.ip("h", `link set ${hostPeer} up`);
    this.ip("h", `route add ${address}/32 dev ${hostPeer} src ${gateway}`);
    this.ip(place, `addr add ${address}/32 dev eth0`);
    this.ip(place, "link set eth0 up");
    this.ip(place, `route add ${gateway}/32 dev eth0`);
    this.ip(place, `route add default via ${gateway}`);
  }

  #namespace(place: Place): NetworkNamespace {
    return this.#namespaces.get(place) as NetworkNamespace;
  }

  /** The name of a namespace. */
  name(place: Place): string {
    return this.#namespace(place).name;
  }

  /** Runs `ip COMMAND` in a namespace. */
  ip(place: Place, command: string): void {
    this.#namespace(place).ip(...command.split(" "));
  }

  nft(ruleset: string): void {
    const { exitCode, stderr } = Bun.spawnSync([...this.enter("h"), "nft", "-f", "-"], { stdin: Buffer.from(ruleset) });
    if (exitCode !== 0) throw new Error(`nft: ${stderr}`);
  }

  /** The first arguments of a command line that runs in a namespace. */
  enter(place: Place): string[] {
    return this.#namespace(place).command();
  }

  /** Runs a synchronous function in a namespace. Sockets that it opens stay in that namespace. */
  in<T>(place: Place, body: () => T): T {
    const result: { value?: T } = {};
    this.#namespace(place).inside(() => {
      result.value = body();
    });
    return result.value as T;
  }

  /** Removes every namespace, and with them the interfaces. */
  [Symbol.dispose](): void {
    for (const namespace of this.#namespaces.values()) namespace[Symbol.dispose]();
  }
}

type Native = Bun.Socket<undefined>;

/**
 * One end of a test's connection: Bun's native socket, which does not buffer writes and distinguishes FIN from RST.
 * Received bytes are passed to `onData`, by default to be collected.
 */
export class TestSocket {
  #native: Native | undefined;
  readonly chunks: Buffer[] = [];
  onData: (bytes: Buffer) => void = (bytes) => this.chunks.push(bytes);
  received = 0;
  readonly opened = Promise.withResolvers<void>();
  readonly fin = Promise.withResolvers<void>();
  /** How the connection ended: "closed" or an error code. */
  readonly closed = Promise.withResolvers<string>();
  #drain = Promise.withResolvers<void>();

  readonly handler: Bun.SocketHandler<undefined> = {
    open: (socket) => {
      this.#native = socket;
      this.opened.resolve();
    },
    data: (_, bytes) => {
      this.received += bytes.length;
      this.onData(bytes);
    },
    drain: () => {
      this.#drain.resolve();
      this.#drain = Promise.withResolvers();
    },
    end: () => this.fin.resolve(),
    close: (_, error) => {
      // When FIN has been sent before one arrives, Bun reports only the close.
      if (error === undefined) this.fin.resolve();
      this.closed.resolve(error === undefined ? "closed" : String((error as NodeJS.ErrnoException).code));
      this.#drain.resolve();
    },
    connectError: (_, error) => this.closed.resolve(String((error as NodeJS.ErrnoException).code)),
  };

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  get localPort(): number {
    return this.#native?.localPort ?? 0;
  }

  /** Writes all bytes, and waits until the kernel has taken them. */
  async write(data: string | Uint8Array): Promise<void> {
    await this.opened.promise;
    let rest = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    while (rest.length > 0) {
      const drained = this.#drain.promise;
      const written = this.#native?.write(rest) ?? -1;
      if (written < 0) throw new Error("the connection is closed");
      rest = rest.subarray(written);
      if (rest.length > 0) await drained;
    }
  }

  /** Writes the bytes that the kernel takes at once, and returns their number. */
  writeSome(data: Uint8Array): number {
    return this.#native?.write(data) ?? 0;
  }

  /** Sends FIN; can still receive. */
  shutdown(): void {
    this.#native?.shutdown();
  }

  reset(): void {
    this.#native?.terminate();
  }

  pause(): void {
    this.#native?.pause();
  }

  resume(): void {
    this.#native?.resume();
  }

  /** Waits until this number of bytes has arrived in total. */
  async until(bytes: number): Promise<void> {
    while (this.received < bytes) await Bun.sleep(2);
  }
}

/** Connects from a namespace. It returns at once; see `opened` and `closed`. */
export function connectFrom(sandbox: Sandbox, place: Place, { address, port }: Endpoint): TestSocket {
  const socket = new TestSocket();
  sandbox.in(place, () => {
    void Bun.connect({ hostname: address, port, allowHalfOpen: true, socket: socket.handler } as never).catch(() => {});
  });
  return socket;
}

/** Listens in a namespace. Each accepted connection is passed to `onConnection`. */
export function listenIn(
  sandbox: Sandbox,
  place: Place,
  { address, port }: Endpoint,
  onConnection: (socket: TestSocket) => void,
): Disposable {
  const sockets = new WeakMap<object, TestSocket>();
  const pass =
    (name: "data" | "drain" | "end" | "close") =>
    (native: Native, argument: never): void =>
      (sockets.get(native)?.handler[name] as (socket: Native, argument: never) => void)?.(native, argument);
  const listener = sandbox.in(place, () =>
    Bun.listen({
      hostname: address,
      port,
      allowHalfOpen: true,
      socket: {
        open(native: Native) {
          const socket = new TestSocket();
          sockets.set(native, socket);
          void socket.handler.open?.(native);
          onConnection(socket);
        },
        data: pass("data"),
        drain: pass("drain"),
        end: pass("end"),
        close: pass("close"),
      },
    } as never),
  ) as { stop(closeActive: boolean): void };
  return { [Symbol.dispose]: () => listener.stop(true) };
}

type Datagram = Bun.udp.Socket<"buffer">;

/** Opens a UDP socket in a namespace. */
export async function udpIn(
  sandbox: Sandbox,
  place: Place,
  { address, port }: Endpoint,
  onData: (socket: Datagram, bytes: Buffer, from: Endpoint) => void,
): Promise<Datagram> {
  const opening: { socket?: Promise<Datagram> } = {};
  sandbox.in(place, () => {
    opening.socket = Bun.udpSocket({
      hostname: address,
      port,
      socket: {
        data: (socket, bytes, from, source) => onData(socket, bytes, { address: source, port: from }),
        // Bun reports an answer that could not be delivered.
        error: () => {},
      },
    });
  });
  return (await opening.socket) as Datagram;
}
