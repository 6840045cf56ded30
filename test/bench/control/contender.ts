import type { Fd } from "@dp/sys";
import type { Took } from "./timed.ts";

/** A host with servers. One more server is added and removed. */
export interface Host extends AsyncDisposable {
  /** Adds a server with the spare namespace. */
  readonly add: () => Took;
  /** Removes that server. */
  readonly remove: () => Took;
}

export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** Makes a host with so many servers. @param spare the namespace of the server that is added and removed */
  readonly prepare: (servers: number, spare: Spare) => Promise<Host>;
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}

/** A network namespace without a server. */
export interface Spare {
  readonly netns: Fd;
  readonly path: string;
}
