/**
 * What container engines with CNI run for a container: the bridge plugin, then portmap; to remove it both again, in
 * reverse order. The engine's own time is left out. Of the servers present, ten are connected by the plugins; for the
 * others only portmap's rules are made: see path/portmap.ts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fd, openNetns } from "@dp/sys";
import { connectAll, pluginsVersion } from "../path/portmap.ts";
import { choosePorts, GAME_PORT } from "../path/ports.ts";
import { World } from "../path/world.ts";
import type { Contender, Host, Spare } from "./contender.ts";
import { timed, together, type Took } from "./timed.ts";

const PLUGINS = "/usr/lib/cni";
const CONTAINERS = 10;
/** No server present has it. */
const PORT = 40_000;

export const cni: Contender = {
  name: "CNI bridge and portmap",
  version: pluginsVersion,
  async prepare(servers, spare): Promise<Host> {
    await using made = new AsyncDisposableStack();
    const world = made.use(await World.create(`n${servers}`, Math.min(servers, CONTAINERS)));
    await connectAll(world, choosePorts(servers, world.containers.length));
    const state = mkdtempSync(join(tmpdir(), "cni-"));
    made.defer(() => rmSync(state, { recursive: true }));
    return new CniHost(made.use(openNetns(world.host.path)), state, spare, made.move());
  },
};

class CniHost implements Host {
  readonly #netns: Fd;
  readonly #spare: Spare;
  readonly #made: AsyncDisposableStack;
  readonly #bridge: object;
  readonly #portmap: object;
  #result: unknown;

  constructor(netns: Fd, state: string, spare: Spare, made: AsyncDisposableStack) {
    this.#netns = netns;
    this.#spare = spare;
    this.#made = made;
    const network = { cniVersion: "1.0.0", name: "bench" };
    this.#bridge = {
      ...network,
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipam: {
        type: "host-local",
        // Other addresses than those of the servers present.
        ranges: [[{ subnet: "10.2.0.0/16", rangeStart: "10.2.64.1", rangeEnd: "10.2.64.254" }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: join(state, "addresses"),
      },
    };
    this.#portmap = {
      ...network,
      type: "portmap",
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: [{ hostPort: PORT, containerPort: GAME_PORT, protocol: "tcp" }] },
    };
  }

  add(): Took {
    const bridge = this.#run("ADD", "bridge", this.#bridge);
    this.#result = JSON.parse(bridge.stdout);
    return together([bridge, this.#run("ADD", "portmap", { ...this.#portmap, prevResult: this.#result })]);
  }

  remove(): Took {
    return together([
      this.#run("DEL", "portmap", { ...this.#portmap, prevResult: this.#result }),
      this.#run("DEL", "bridge", { ...this.#bridge, prevResult: this.#result }),
    ]);
  }

  #run(command: string, plugin: string, config: object): Took {
    return timed(this.#netns, {
      words: [join(PLUGINS, plugin)],
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: "another",
        CNI_NETNS: this.#spare.path,
        CNI_IFNAME: "eth0",
        CNI_PATH: PLUGINS,
      },
      stdin: JSON.stringify(config),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made.disposeAsync();
  }
}
