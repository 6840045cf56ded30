import type { Objects } from "@dp/core";
import { DatapathError, sleepSync } from "@dp/sys";

/** How long an interface that is being deleted may take to be gone everywhere: in milliseconds, and tries. */
const PATIENCE = { ms: 20, tries: 50 } as const;

/**
 * Refuses to work from another network namespace than what is loaded is for, a container's that somebody has entered:
 * all servers would look dead from there, and be collected.
 *
 * @throws DatapathError `FAILED`
 */
export function requireOwnNamespace(objects: Objects, pinRoot: string): void {
  let index = objects.foreignInterface();
  // While the kernel deletes an interface, it is not to be seen any more, and still in the maps.
  for (let tries = 0; index !== undefined && tries < PATIENCE.tries; tries++) {
    sleepSync(PATIENCE.ms);
    index = objects.foreignInterface();
  }
  if (index === undefined) return;
  const reason = `it is for another network namespace than this: interface ${index}, which it uses, is not here`;
  throw new DatapathError("FAILED", `open ${pinRoot}`, reason, {
    hint: "if it is for the host's own: nsenter --net=/proc/1/ns/net dp ...",
  });
}
