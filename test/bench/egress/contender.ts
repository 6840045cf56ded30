import type { World } from "../path/world.ts";
import type { Proxy } from "./proxies.ts";

/** One way for what a container opens to get to a proxy of the host's, or out without one. */
export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** Connects the one container, and starts the proxy. What it starts and makes is gone with `world.made`. */
  readonly prepare: (world: World) => Promise<void>;
}

/** The proxy behind one redirect and behind the other, beside none at all. */
export interface Redirect {
  readonly name: string;
  readonly ours?: boolean;
  readonly prepare: (world: World, proxy: Proxy) => Promise<void>;
}
