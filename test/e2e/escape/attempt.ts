import { SyscallError } from "@dp/sys";
import { Injector, type Offload } from "../raw/packet-socket.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";
import { type Ground, PUBLIC_PORT, type Place, type World } from "./world.ts";

/** What an attempt leads to. Nothing at all: the container's own kernel, or the veth pair, does not carry it. */
export interface Outcome {
  /** Where its frames are seen. */
  readonly reaches?: readonly Place[];
  /** How many packets the attacker's counters say were dropped, by reason. */
  readonly drops?: Readonly<Record<string, number>>;
  /** Why it is right that something is seen, or that nothing is counted. */
  readonly because?: string;
}

export interface SentFrame {
  readonly frame: Uint8Array;
  readonly offload?: Offload;
}

/** Frames to send from inside the container. */
export interface Attempt extends Outcome {
  readonly name: string;
  /** Each frame has the mark in it. */
  readonly frames: (ground: Ground, mark: string) => readonly (Uint8Array | SentFrame)[];
  /** Past the programs on the container's own egress. */
  readonly bypass?: boolean;
}

export interface Topic {
  readonly title: string;
  readonly attempts: readonly Attempt[];
}

/** As {@link Outcome}, without reasons: for comparing. */
export interface Observed {
  readonly reaches: readonly string[];
  readonly drops: Readonly<Record<string, number>>;
}

export function expected({ reaches = [], drops = {} }: Outcome): Observed {
  return { reaches: [...reaches].sort(), drops };
}

/** Where frames are sent from. */
export interface Door {
  readonly namespace?: NetworkNamespace;
  readonly ifname?: string;
}

type Sockets = Readonly<Record<"plain" | "bypass" | "offloads", Injector>>;

const PATIENCE_MS = 5000;

/**
 * Makes attempts one after the other, and tells what became of each. Counters are waited for while they are less than
 * what is expected: a packet may be on its way still.
 */
export class Attacker implements Disposable {
  readonly #world: World;
  readonly #sockets: Sockets;
  #drops: Record<string, number>;

  private constructor(world: World, sockets: Sockets, drops: Record<string, number>) {
    this.#world = world;
    this.#sockets = sockets;
    this.#drops = drops;
  }

  static async open(world: World, { namespace = world.namespace, ifname = "eth0" }: Door = {}): Promise<Attacker> {
    const open = (options: { bypass?: boolean; offloads?: boolean }) => Injector.open(namespace, ifname, options);
    const [plain, bypass, offloads] = [await open({}), await open({ bypass: true }), await open({ offloads: true })];
    return new Attacker(world, { plain, bypass, offloads }, world.drops());
  }

  /** Sends its frames and tells what was dropped of them. Where they were seen is to be asked for, by the mark. */
  async make(
    attempt: Attempt,
    around: (send: () => void) => Promise<void> | void = (send) => send(),
  ): Promise<{ mark: string; drops: Record<string, number> }> {
    const mark = this.#world.mark();
    const frames = attempt.frames(this.#world.ground, mark);
    await around(() => {
      for (const sent of frames) this.#try(sent, attempt.bypass ?? false);
    });
    return { mark, drops: await this.#dropped(attempt.drops ?? {}) };
  }

  #try(sent: Uint8Array | SentFrame, bypass: boolean): void {
    try {
      this.#send(sent, bypass);
    } catch (error) {
      // How a packet socket learns that its frame was dropped on the way out of its own interface.
      if (!(error instanceof SyscallError && error.errnoName === "ENOBUFS")) throw error;
    }
  }

  #send(sent: Uint8Array | SentFrame, bypass: boolean): void {
    if (sent instanceof Uint8Array) this.#sockets[bypass ? "bypass" : "plain"].send(sent);
    else this.#sockets.offloads.send(sent.frame, sent.offload);
  }

  /** What was dropped since it was last asked. */
  async #dropped(wanted: Readonly<Record<string, number>>): Promise<Record<string, number>> {
    const before = this.#drops;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      this.#drops = this.#world.drops();
      const since = Object.entries(this.#drops).map(
        ([reason, count]) => [reason, count - (before[reason] ?? 0)] as const,
      );
      const dropped = Object.fromEntries(since.filter(([, count]) => count !== 0));
      const lacks = Object.entries(wanted).some(([reason, count]) => (dropped[reason] ?? 0) < count);
      if (!lacks || performance.now() > deadline) return dropped;
      await Bun.sleep(1);
    }
  }

  [Symbol.dispose](): void {
    for (const socket of Object.values(this.#sockets)) socket[Symbol.dispose]();
  }
}

/** Whatever is right to arrive arrives under addresses that are right. Throws when one is not. */
function checkAddresses(place: Place, frame: Buffer, { self, gateway, host, player, friend }: Ground): void {
  const address = (at: number) => frame.subarray(at, at + 4).join(".");
  const path = `${address(26)} to ${address(30)}`;
  const right: Readonly<Record<Place, readonly string[]>> = {
    uplink: [`${host} to ${player}`],
    containers: [`${self} to ${friend}`],
    host: [`${self} to ${gateway}`, `${self} to ${host}`],
  };
  if (!right[place].includes(path)) throw new Error(`seen at "${place}": a packet from ${path}`);
  const sourcePort = frame.readUInt16BE(14 + ((frame[14] as number) & 0xf) * 4);
  if (place === "uplink" && sourcePort !== PUBLIC_PORT) throw new Error(`left the uplink from port ${sourcePort}`);
}

export function observe(world: World, { mark, drops }: { mark: string; drops: Record<string, number> }): Observed {
  const seen = world.seen(mark);
  for (const [place, frames] of Object.entries(seen) as [Place, Buffer[]][]) {
    // What came around the programs is seen as it was made, and dropped right after.
    if (place === "host" && drops["bypass"] === frames.length) continue;
    for (const frame of frames) checkAddresses(place, frame, world.ground);
  }
  return { reaches: Object.keys(seen).sort(), drops };
}

/** What became of all attempts, by name; each between two times that what must arrive does. */
export async function makeAll(world: World, attempts: readonly Attempt[]): Promise<Record<string, Observed | Error>> {
  using attacker = await Attacker.open(world);
  const results: Record<string, Observed | Error> = {};
  await world.check();
  for (const attempt of attempts) {
    try {
      const made = await attacker.make(attempt);
      await world.check();
      results[attempt.name] = observe(world, made);
    } catch (error) {
      results[attempt.name] = error as Error;
    }
  }
  return results;
}
