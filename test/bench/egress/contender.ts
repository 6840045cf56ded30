import type { World } from "../path/world.ts";
import type { Proxy } from "./proxies.ts";

/** One way to carry the connections that a container opens: by a proxy on the host, or without one. */
export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** Connects the container and starts the proxy. `world.made` ends and removes what it starts and makes. */
  readonly prepare: (world: World) => Promise<void>;
}

/** One way to redirect connections to a proxy. */
export interface Redirect {
  readonly name: string;
  readonly ours?: boolean;
  readonly prepare: (world: World, proxy: Proxy) => Promise<void>;
}
