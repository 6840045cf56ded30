import type { Fd } from "@dp/sys";
import type { Took } from "./timed.ts";

/** A host with servers on it, to which one more is added, and from which it is taken away again. */
export interface Host extends AsyncDisposable {
  /** Connects a network namespace that has nothing but `lo`. */
  readonly add: () => Took;
  /** Takes it away again. */
  readonly remove: () => Took;
}

export interface Contender {
  readonly name: string;
  readonly ours?: boolean;
  /** A host with so many servers present. `spare` is the namespace of the one more, known to others by its path. */
  readonly prepare: (servers: number, spare: Spare) => Promise<Host>;
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}

/** A network namespace without a server. */
export interface Spare {
  readonly netns: Fd;
  readonly path: string;
}
