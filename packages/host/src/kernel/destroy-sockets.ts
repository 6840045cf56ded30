import type { Objects } from "@dp/core";
import { UnsupportedError } from "@dp/sys";

/** Whose sockets. */
export interface DestroySocketsOptions {
  /** The address that the sockets are connected to. */
  readonly address: string;
}

/**
 * Destroys the TCP and connected UDP sockets of the host (the calling thread's network namespace) that are connected to
 * an address. Returns how many; undefined on a kernel that cannot.
 */
export function destroySockets(objects: Objects, { address }: DestroySocketsOptions): number | undefined {
  try {
    return objects.destroyTcpSocks({ remote: address }) + objects.destroyUdpSocks({ remote: address });
  } catch (error) {
    // Before Linux 6.5. The proxy closes its connections of a removed server within a second.
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}
