import { Attacker, type Attempt, type Door, observe, type Observed, type Outcome } from "./attempt.ts";
import { datagram, open, ping, reply } from "./frame.ts";
import { GAME_PORT, type Ground, type World } from "./world.ts";

/** From where probes are sent, and as whom; by default from eth0, as the attacker is. */
interface Vantage extends Door {
  readonly ground?: Partial<Ground>;
  /** What is done before and after the frames of one probe are sent. */
  readonly around?: (send: () => void) => Promise<void>;
}

/** A change to the container's own network, which it can make with every capability inside its namespace. */
export interface Arrangement {
  readonly name: string;
  /** What is to be undone is left to `undo`. */
  readonly arrange: (world: World, undo: AsyncDisposableStack) => Promise<Vantage>;
  /** What becomes of probes that it makes a difference to. */
  readonly otherwise?: Readonly<Record<string, Outcome>>;
}

/** Sent under every arrangement. */
export const PROBES: readonly Attempt[] = [
  {
    name: "a reply to a player",
    frames: (ground, mark) => [reply(ground, mark)],
    reaches: ["uplink"],
    because: "a reply",
  },
  {
    name: "data from the container port to the internet",
    frames: (ground, mark) => [reply(ground, mark, { dst: "192.0.2.1" })],
    drops: { notAPlayer: 1 },
  },
  {
    name: "a connection to the internet",
    frames: (ground, mark) => [open(ground, mark, "192.0.2.1", 443)],
    reaches: ["host"],
    because: "redirected to the proxy",
  },
  {
    name: "a datagram to the internet",
    frames: (ground, mark) => [datagram(ground, mark, "192.0.2.1", 443)],
    drops: { udp: 1 },
  },
  {
    name: "a connection to port 22 of the gateway",
    frames: (ground, mark) => [open(ground, mark, ground.gateway, 22)],
    drops: { tcp: 1 },
  },
  {
    name: "a connection to a stranger's container port",
    frames: (ground, mark) => [open(ground, mark, ground.stranger, GAME_PORT)],
    drops: { eastWest: 1 },
  },
  {
    name: "a ping to the internet, from a stranger's address",
    frames: (ground, mark) => [ping(ground, mark, "192.0.2.1", { src: ground.stranger })],
    drops: { spoofedAddress: 1 },
  },
];

export function outcomeOf({ otherwise = {} }: Arrangement, probe: Attempt): Outcome {
  return otherwise[probe.name] ?? probe;
}

/** Every probe under an arrangement: what became of it, by name. Before and afterwards, what must arrive does. */
export async function probe(world: World, arrangement: Arrangement): Promise<Record<string, Observed>> {
  await world.check();
  const made: { name: string; mark: string; drops: Record<string, number> }[] = [];
  {
    await using undo = new AsyncDisposableStack();
    const { ground = {}, around, ...door } = await arrangement.arrange(world, undo);
    using attacker = await Attacker.open(world, door);
    for (const each of PROBES) {
      const frames: Attempt["frames"] = (usual, mark) => each.frames({ ...usual, ...ground }, mark);
      const { name } = each;
      made.push({ name, ...(await attacker.make({ name, ...outcomeOf(arrangement, each), frames }, around)) });
    }
  }
  await world.reopen();
  await world.check();
  return Object.fromEntries(made.map(({ name, ...rest }) => [name, observe(world, rest)]));
}
