/**
 * A container that tries to get out, and those who would notice:
 *
 *     player ── internet ── neighbour              "uplink": every frame that the host puts on the wire
 *                  │
 *               host 203.0.113.10                  "host": what gets past the guards of the attacker's host peer
 *          ┌───────┼────────┐
 *      attacker  friend  stranger                  "containers": every frame that enters one of the other two
 *      10.2.0.1  10.2.0.2  10.2.0.3
 *      group g   group g
 *
 * Each frame carries a mark that no other has. Frames that must arrive go before and after every attempt, one for each
 * observer: they show that it watches, and that it has seen all that came between.
 */
import { type Objects, openPinned } from "@dp/core";
import { ethernet, icmp, ipv4, tcp } from "@dp/test-kit/frame.ts";
import { must } from "@dp/test-kit/program.ts";
import { Injector, Sniffer } from "../raw/packet-socket.ts";
import type { Server } from "../topology/dp.ts";
import { Internet, NEIGHBOUR_ADDRESS, PLAYER_ADDRESSES, PUBLIC_ADDRESS } from "../topology/internet.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";
import { serve, transfer } from "../traffic/traffic.ts";
import { WATCHED_ETHER_TYPES } from "./ether-types.ts";

export type Place = "uplink" | "containers" | "host";

export const GAME_PORT = 25565;
export const PUBLIC_PORT = 25570;

/** Source and destination of frames. */
export interface Ground {
  /** The attacker's own address. */
  readonly self: string;
  /** Its host peer's. */
  readonly gateway: string;
  readonly friend: string;
  readonly stranger: string;
  /** The stranger's host peer's. */
  readonly otherGateway: string;
  /** The public address. */
  readonly host: string;
  /** Has sent TCP to the attacker's public port. */
  readonly player: string;
  /** On the uplink's network; never sent the attacker anything. */
  readonly neighbour: string;
  /** Of a frame of the attacker to its gateway. */
  readonly outer: { readonly src: string; readonly dst: string };
  readonly friendMac: string;
}

/** 8 bytes that no other frame has. They fit into a TCP header's sequence and acknowledgement numbers. */
class Marks {
  #last = 0;

  next(): string {
    this.#last += 1;
    return `#${this.#last.toString(36).padStart(6, "0")}#`;
  }
}

/** A mark as the sequence and acknowledgement numbers of a TCP segment without data. */
export function asNumbers(mark: string): { seq: number; ack: number } {
  const bytes = Buffer.from(mark, "latin1");
  return { seq: bytes.readUInt32BE(0), ack: bytes.readUInt32BE(4) };
}

const PATIENCE_MS = 10_000;

/** As `ip -j neighbour` tells it. */
type Neighbour = Readonly<Record<"dst" | "dev" | "lladdr", string>>;

type Observers = Readonly<Record<Place, readonly Sniffer[]>>;

interface Parts {
  readonly net: Internet;
  readonly attacker: Server;
  readonly friend: Server;
  readonly stranger: Server;
  readonly observers: Observers;
  readonly toStranger: Injector;
  readonly objects: Objects;
  readonly made: AsyncDisposableStack;
}

/** From now on the player and the friend are the attacker's players, and it is the friend's. */
async function meet(net: Internet, attacker: Server, friend: Server): Promise<void> {
  const [one, two] = [net.container("attacker"), net.container("friend")];
  await using _game = await serve(one, GAME_PORT);
  await using _other = await serve(two, GAME_PORT);
  const at = (server: Server) => ({ address: server.addresses.ipv4.container, port: GAME_PORT });
  await transfer(net.player(), { port: PUBLIC_PORT }, "download", 1000);
  await transfer(one, at(friend), "download", 1000);
  await transfer(two, at(attacker), "download", 1000);
}

export class World implements AsyncDisposable {
  readonly net: Internet;
  readonly attacker: Server;
  readonly ground: Ground;
  readonly #parts: Parts;
  readonly #marks = new Marks();
  #injector: Injector;

  private constructor(parts: Parts, injector: Injector) {
    this.net = parts.net;
    this.attacker = parts.attacker;
    this.#parts = parts;
    this.#injector = injector;
    const { attacker, friend, stranger } = parts;
    this.ground = {
      self: attacker.addresses.ipv4.container,
      gateway: attacker.addresses.ipv4.gateway,
      friend: friend.addresses.ipv4.container,
      stranger: stranger.addresses.ipv4.container,
      otherGateway: stranger.addresses.ipv4.gateway,
      host: PUBLIC_ADDRESS,
      player: PLAYER_ADDRESSES[0],
      neighbour: NEIGHBOUR_ADDRESS,
      outer: { src: attacker.containerPeer.mac, dst: attacker.hostPeer.mac },
      friendMac: friend.containerPeer.mac,
    };
  }

  static async create(): Promise<World> {
    await using made = new AsyncDisposableStack();
    const net = made.use(await Internet.create({ containers: ["attacker", "friend", "stranger"], neighbour: true }));
    // Interfaces that the attacker makes itself say nothing that was not tried.
    await net.container("attacker").sysctl("net.ipv6.conf.default.disable_ipv6", 1);
    await net.dp.must("load");
    const group = ["--group", "g"];
    const attacker = await net.dp.addServer(PUBLIC_PORT, net.container("attacker"), "--name", "attacker", ...group);
    const friend = await net.dp.addServer(25571, net.container("friend"), "--name", "friend", ...group);
    const stranger = await net.dp.addServer(25572, net.container("stranger"), "--name", "stranger");
    const watch = async (...at: Parameters<typeof Sniffer.open>) => made.use(await Sniffer.open(...at));
    const observers = {
      uplink: [await watch(net.router, "to-host")],
      containers: [await watch(net.container("friend"), "eth0"), await watch(net.container("stranger"), "eth0")],
      host: [await watch(net.host, attacker.hostPeer.name, WATCHED_ETHER_TYPES)],
    };
    const toStranger = made.use(await Injector.open(net.host, stranger.hostPeer.name));
    const objects = made.use(openPinned({ pinRoot: net.dp.pinRoot }));
    await meet(net, attacker, friend);
    const injector = await Injector.open(net.container("attacker"), "eth0");
    return new World({ net, attacker, friend, stranger, observers, toStranger, objects, made: made.move() }, injector);
  }

  get namespace(): NetworkNamespace {
    return this.net.container("attacker");
  }

  /** After the attacker's interface was elsewhere meanwhile: what must arrive is sent through it again. */
  async reopen(): Promise<void> {
    this.#injector[Symbol.dispose]();
    this.#injector = await Injector.open(this.namespace, "eth0");
  }

  mark(): string {
    return this.#marks.next();
  }

  /** Where frames with this mark were seen. */
  seen(mark: string): Partial<Record<Place, Buffer[]>> {
    const places = (["uplink", "containers", "host"] as const).map(
      (place) => [place, this.#seenAt(place, mark)] as const,
    );
    return Object.fromEntries(places.filter(([, frames]) => frames.length > 0));
  }

  #seenAt(place: Place, mark: string): Buffer[] {
    return this.#parts.observers[place].flatMap(({ frames }) =>
      frames.filter((frame) => frame.includes(mark, 0, "latin1")),
    );
  }

  /** Sends what must arrive, and waits until all observers have seen it. Throws when one does not. */
  async check(): Promise<void> {
    const { ground, attacker } = this;
    const { self: src, outer } = ground;
    const { stranger, toStranger } = this.#parts;
    const expected: [Place, string][] = (["uplink", "host", "containers", "containers"] as const).map((place) => [
      place,
      this.mark(),
    ]);
    const [reply, ping, group, local] = expected.map(([, mark]) => mark) as [string, string, string, string];
    const fromGame = (dst: number, mark: string) =>
      tcp({ flags: "PA", src: attacker.forwards[0].containerPort, dst }, mark);
    this.#injector.send(ethernet(outer, ipv4({ src, dst: ground.player }, fromGame(40_000, reply))));
    this.#injector.send(ethernet(outer, ipv4({ src, dst: ground.gateway }, icmp({ type: 8 }, ping))));
    this.#injector.send(ethernet(outer, ipv4({ src, dst: ground.friend }, fromGame(GAME_PORT, group))));
    const { hostPeer, containerPeer, addresses } = stranger;
    const { container, gateway } = addresses.ipv4;
    toStranger.send(
      ethernet(
        { src: hostPeer.mac, dst: containerPeer.mac },
        ipv4({ src: gateway, dst: container }, icmp({ type: 8 }, local)),
      ),
    );
    for (const [place, mark] of expected) await this.#arrives(place, mark);
  }

  async #arrives(place: Place, mark: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#seenAt(place, mark).length === 0) {
      if (performance.now() > deadline) throw new Error(`the observer "${place}" does not see what must arrive`);
      await Bun.sleep(1);
    }
  }

  /** Packets of the attacker that were dropped, by reason. */
  drops(): Record<string, number> {
    const drops = this.#parts.objects.drops.read(this.attacker.id) ?? {};
    return Object.fromEntries(Object.entries(drops).map(([reason, packets]) => [reason, Number(packets)]));
  }

  /** The same as `dp show --json` tells it, which takes a hundred times longer. */
  async shownDrops(): Promise<Record<string, number>> {
    const { drops } = await this.net.dp.json<{ drops: Record<string, number> }>("show", `id:${this.attacker.id}`);
    return drops;
  }

  /** Whom the host and the other containers take for whom. */
  async neighbours(): Promise<Record<string, string[]>> {
    const known: Record<string, string[]> = {};
    for (const namespace of [this.net.host, this.net.container("friend"), this.net.container("stranger")]) {
      const entries = JSON.parse(await must(["ip", "-n", namespace.name, "-j", "neighbour"])) as Neighbour[];
      known[namespace.name] = entries.map(({ dst, dev, lladdr }) => `${dst} on ${dev} is ${lladdr}`).sort();
    }
    return known;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#injector[Symbol.dispose]();
    await this.#parts.made.disposeAsync();
  }
}
