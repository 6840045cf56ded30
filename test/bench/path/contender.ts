import type { Ports } from "./ports.ts";
import type { World } from "./world.ts";

/** One way to forward players to containers behind a host. */
export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** It does not depend on the ports: it is measured with one number of ports only. */
  readonly anyPorts?: boolean;
  /**
   * Connects the containers and makes every port known. `world.made` ends and removes what it starts and makes.
   *
   * @param load executable of load.c; its server has to be started
   * @returns where the client connects to: "ADDRESS:PORT" for each container
   */
  readonly prepare: (world: World, ports: Ports, load: string) => Promise<string[]>;
  /** The software and its version. */
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}
