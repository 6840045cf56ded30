import type { Ports } from "./ports.ts";
import type { World } from "./world.ts";

/** One way for players to get to the servers behind a host. */
export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** It knows nothing of ports: as many as there may be, it is the same. */
  readonly anyPorts?: boolean;
  /**
   * Connects the containers, and makes every port known. What it starts and writes is gone with `world.made`.
   *
   * @param load the server: see load.c. It is to be started
   * @returns where the client connects to, "ADDRESS:PORT" for each container
   */
  readonly prepare: (world: World, ports: Ports, load: string) => Promise<string[]>;
  /** What it is, and its version. */
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}
