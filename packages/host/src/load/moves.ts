import type { HostConfig, Interface, ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { uplinkOf, uplinkOptions } from "../interfaces/uplink.ts";
import type { Home } from "../server/move.ts";
import { labels } from "../server/server.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** A server that gets another address or uplink than it had: the interface was deleted and made again. */
export interface Move {
  record: ServerRecord;
  home: Home;
}

/**
 * Finds each server's uplink anew, and another address for those whose address was the host's default and is not on the
 * host any more. One whose uplink would not be one any more is a conflict.
 */
export function planMoves(
  { netlink, old, records, addresses, options }: LoadInput,
  config: HostConfig,
  uplinks: readonly Interface[],
): Move[] {
  const stranded: ServerRecord[] = [];
  const moved = records.flatMap((record) => {
    let { publicAddress } = record;
    if (!addresses.some(({ address }) => address === publicAddress)) {
      if (publicAddress !== old?.publicAddress) {
        options.warn?.(`${publicAddress}, the address of ${labels([record])}, is not on this host any more`);
        return [];
      }
      ({ publicAddress } = config);
    }
    try {
      const uplink = uplinkOf(publicAddress, uplinks, addresses, netlink, OP).index;
      const stays = uplink === record.uplink && publicAddress === record.publicAddress;
      return stays ? [] : [{ record, home: { publicAddress, uplink } }];
    } catch {
      stranded.push(record);
      return [];
    }
  });
  if (stranded.length > 0) {
    const owners = addresses.filter(({ address }) => stranded.some((each) => each.publicAddress === address));
    const links = owners.flatMap(({ ifindex }) => netlink.link(ifindex) ?? []);
    const names = [...uplinks, ...links].map(({ name }) => name);
    throw new DatapathError("CONFLICT", OP, `the uplink of ${labels(stranded)} is not among those to load on`, {
      hint: `name it too, or delete them first: dp load ${uplinkOptions(names)}`,
    });
  }
  return moved;
}
