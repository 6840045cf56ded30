import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { hostPeerName } from "../interfaces/veth-pair.ts";
import type { Free } from "./lowest-free.ts";

/**
 * The lowest free id. It is free when no record, no map entry and no interface carries it; that of a server removed a
 * moment ago is not.
 *
 * @throws DatapathError `CONFLICT` when there is none
 */
export function chooseId(objects: Objects, host: Netlink, first: number, op: string): Free {
  const free = objects.records.ids.lowestFree(first, (id) => host.link(hostPeerName(id)) !== undefined);
  if (free !== undefined) return free;
  throw new DatapathError("CONFLICT", op, `all ids up to ${objects.records.ids.max} are taken`, {
    hint: "make room for more servers: dp load --max-servers N",
  });
}
