import type { Objects } from "@dp/core";
import { DatapathError, sleepSync } from "@dp/sys";

/** How long to wait for an interface that is being deleted to leave the maps: milliseconds between tries, and tries. */
const WAIT = { ms: 20, tries: 50 } as const;

/**
 * Refuses to work in another network namespace than the one the datapath was loaded for, for example inside a
 * container: from there all interfaces look deleted, and all servers would be removed.
 *
 * @throws DatapathError `FAILED`
 */
export function requireOwnNamespace(objects: Objects, pinRoot: string): void {
  let index = objects.foreignInterface();
  // While the kernel deletes an interface, it is no longer listed but still in the maps.
  for (let tries = 0; index !== undefined && tries < WAIT.tries; tries++) {
    sleepSync(WAIT.ms);
    index = objects.foreignInterface();
  }
  if (index === undefined) return;
  const reason = `it was loaded for another network namespace: its interface ${index} does not exist in this one`;
  throw new DatapathError("FAILED", `open ${pinRoot}`, reason, {
    hint: "run dp in the host's network namespace: nsenter --net=/proc/1/ns/net dp ...",
  });
}
