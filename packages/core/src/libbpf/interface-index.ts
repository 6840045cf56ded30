import { DatapathError } from "@dp/sys";
import { nameToIndex } from "../ffi/libc.ts";

/**
 * The index of an interface, by its name, in the calling thread's network namespace: what {@link attachTcx} and its
 * like take. Throws `DatapathError` when there is none.
 */
export function interfaceIndex(name: string): number {
  const index = nameToIndex(name);
  if (index > 0) return index;
  throw new DatapathError("FAILED", `find interface ${name}`, "nothing has this name in this network namespace", {
    hint: "ip link shows those that are there",
  });
}
