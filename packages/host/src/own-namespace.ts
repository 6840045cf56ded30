import type { Objects } from "@dp/core";
import { DatapathError } from "@dp/sys";

/**
 * Refuses to work from another network namespace than what is loaded is for, a container's that somebody has entered:
 * all servers would look dead from there, and be collected.
 *
 * @throws DatapathError `FAILED`
 */
export function requireOwnNamespace(objects: Objects, pinRoot: string): void {
  const index = objects.foreignInterface();
  if (index === undefined) return;
  const reason = `it is for another network namespace than this: interface ${index}, which it uses, is not here`;
  throw new DatapathError("FAILED", `open ${pinRoot}`, reason, {
    hint: "if it is for the host's own: nsenter --net=/proc/1/ns/net dp ...",
  });
}
