/**
 * The world that the tests and the demo take place in:
 *
 *     player1              player2                 neighbour
 *     198.51.100.10/25     198.51.100.140/25       203.0.113.50/24
 *        │                    │                       │
 *     ┌──┴────────────────────┴───┐    ┌──────────────┴──┐
 *     │ internet: routes          ├────┤ lan: a switch   │   the uplink's own network, gateway 203.0.113.1
 *     └───────────────────────────┘    └──────────────┬──┘
 *                                                     │
 *                                           eth0 203.0.113.10/24
 *                                      ┌──────────────┴──┐
 *                                      │ host            │   `dp` runs here
 *                                      └─┬─────────────┬─┘
 *                                       (dp1)         (dp2)    made by `dp add-server`
 *                                     container     container
 *
 * Every box is a network namespace, and none is the machine's own. The host neither forwards nor filters: what reaches
 * a container got there by the programs alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Owner } from "@dp/test-kit/network-namespace.ts";
import { must, execute } from "@dp/test-kit/program.ts";
import { Dp } from "./dp.ts";
import { NetworkNamespace } from "./namespace.ts";

export const PUBLIC_ADDRESS = "203.0.113.10";
export const GATEWAY = "203.0.113.1";
export const NEIGHBOUR_ADDRESS = "203.0.113.50";
export const PLAYER_ADDRESSES = ["198.51.100.10", "198.51.100.140"] as const;
const PROVIDER_ADDRESS = "192.0.2.2";
const PROVIDER_GATEWAY = "192.0.2.1";
const PLAYER_GATEWAYS = ["198.51.100.1", "198.51.100.129"] as const;

export interface InternetOptions {
  /** How many players' computers there are, one or two. Default one. */
  readonly players?: 1 | 2;
  /** A computer on the uplink's own network. Default none. */
  readonly neighbour?: boolean;
  /** Names of the containers; each is an empty network namespace. Default one, "container". */
  readonly containers?: readonly string[];
  /** Of every interface there is. Default 1500. */
  readonly mtu?: number;
  /** Of the wire between the players' provider and the internet. Default: there is no provider. */
  readonly narrow?: number;
}

export class Internet implements AsyncDisposable {
  readonly router: NetworkNamespace;
  readonly host: NetworkNamespace;
  readonly players: readonly NetworkNamespace[];
  readonly neighbour: NetworkNamespace | undefined;
  readonly containers: ReadonlyMap<string, NetworkNamespace>;
  /** `dp`, on the host, with a pin root of its own. */
  readonly dp: Dp;
  readonly #made: AsyncDisposableStack;

  private constructor(
    fields: Omit<Internet, "container" | "player" | typeof Symbol.asyncDispose>,
    made: AsyncDisposableStack,
  ) {
    this.router = fields.router;
    this.host = fields.host;
    this.players = fields.players;
    this.neighbour = fields.neighbour;
    this.containers = fields.containers;
    this.dp = fields.dp;
    this.#made = made;
  }

  static async create(options: InternetOptions = {}): Promise<Internet> {
    const { players: playerCount = 1, neighbour: withNeighbour = false, mtu = 1500, narrow } = options;
    await using made = new AsyncDisposableStack();
    const namespace = async (name: string, owner?: Owner) => made.use(await NetworkNamespace.create(name, owner));

    const router = await namespace("internet");
    await router.sysctl("net.ipv4.ip_forward", 1);
    await router.ip(`link add lan mtu ${mtu} type bridge`, "link set lan up", `address add ${GATEWAY}/24 dev lan`);

    const host = await namespace("host");
    await connect(router, host, mtu, { bridge: "lan", address: `${PUBLIC_ADDRESS}/24`, gateway: GATEWAY });

    const provider = narrow === undefined ? router : await namespace("provider");
    if (narrow !== undefined) {
      await connect(router, provider, narrow, { address: `${PROVIDER_ADDRESS}/30`, gateway: PROVIDER_GATEWAY });
      await provider.sysctl("net.ipv4.ip_forward", 1);
      await router.ip(`route add 198.51.100.0/24 via ${PROVIDER_ADDRESS}`);
    }

    const players: NetworkNamespace[] = [];
    for (const [index, address] of PLAYER_ADDRESSES.slice(0, playerCount).entries()) {
      const player = await namespace(playerCount === 1 ? "player" : `player${index + 1}`);
      await connect(provider, player, mtu, { address: `${address}/25`, gateway: PLAYER_GATEWAYS[index] as string });
      players.push(player);
    }

    let neighbour: NetworkNamespace | undefined;
    if (withNeighbour) {
      neighbour = await namespace("neighbour");
      await connect(router, neighbour, mtu, { bridge: "lan", address: `${NEIGHBOUR_ADDRESS}/24`, gateway: GATEWAY });
    }

    const containers = new Map<string, NetworkNamespace>();
    for (const name of options.containers ?? ["container"]) containers.set(name, await namespace(name, "container"));

    const pinRoot = mkdtempSync(join(tmpdir(), "pins-"));
    made.defer(async () => {
      // `dp load` mounts it. Namespaces may still hold programs: their interfaces go next.
      await execute(["umount", pinRoot]);
      rmSync(pinRoot, { recursive: true });
    });
    const dp = new Dp(host, pinRoot);
    return new Internet({ router, host, players, neighbour, containers, dp }, made.move());
  }

  player(index = 0): NetworkNamespace {
    return existing(this.players[index], `player ${index}`);
  }

  container(name = "container"): NetworkNamespace {
    return existing(this.containers.get(name), `container ${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made.disposeAsync();
  }
}

function existing<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`this topology has no ${what}`);
  return value;
}

interface Attachment {
  readonly address: string;
  readonly gateway: string;
  /** The router's switch to be plugged into; without it the router has an address of its own on this wire. */
  readonly bridge?: string;
}

/** A wire from a computer's eth0 to the router. */
async function connect(
  router: NetworkNamespace,
  computer: NetworkNamespace,
  mtu: number,
  { address, gateway, bridge }: Attachment,
): Promise<void> {
  const port = `to-${computer.name}`.slice(0, 15);
  const peer = ["peer", "name", "eth0", "mtu", `${mtu}`, "netns", computer.name];
  await must(["ip", "-n", router.name, "link", "add", port, "mtu", `${mtu}`, "type", "veth", ...peer]);
  if (bridge === undefined) await router.ip(`address add ${gateway}/${address.split("/")[1]} dev ${port}`);
  else await router.ip(`link set ${port} master ${bridge}`);
  await router.ip(`link set ${port} up`);
  await computer.ip(`address add ${address} dev eth0`, "link set eth0 up", `route add default via ${gateway}`);
}
