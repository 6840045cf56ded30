import { type Forward, familyOfAddress, type ServerRecord, type Settings } from "@dp/core";
import type { Link } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { toInterface, uplinkOf, uplinkOptions } from "../interfaces/uplink.ts";
import type { Move } from "../server/move.ts";
import { serverLabels } from "../server/server-labels.ts";
import type { LoadInput } from "./input.ts";

/**
 * Finds the uplink of each forward again. If a forward has the default public address and the host no longer has this
 * address, the forward gets the new default. A forward whose uplink would no longer be an uplink is a conflict.
 */
export function planMoves(input: LoadInput, settings: Settings, uplinks: readonly Link[]): Move[] {
  const stranded: { record: ServerRecord; address: string }[] = [];
  const moves = input.records.flatMap((record) => {
    const forwards = record.forwards.map((forward) => {
      const address = addressOf(input, settings, record, forward);
      if (address === undefined) return forward;
      const uplink = findUplink(input, uplinks, address);
      if (uplink === undefined) stranded.push({ record, address });
      return uplink === undefined ? forward : { ...forward, address, uplink: uplink.index, mtu: uplink.mtu };
    });
    const stay = forwards.every(({ address, uplink }, at) => {
      return address === record.forwards[at]?.address && uplink === record.forwards[at].uplink;
    });
    return stay ? [] : [{ record, forwards }];
  });
  if (stranded.length > 0) throw conflict(input, uplinks, stranded);
  return moves;
}

/** The address that a forward should have; undefined for one that is gone from the host and cannot be replaced. */
function addressOf(
  { addresses, old, options }: LoadInput,
  { publicAddresses }: Settings,
  record: ServerRecord,
  { address }: Forward,
): string | undefined {
  if (addresses.some((each) => each.address === address)) return address;
  const family = familyOfAddress(address);
  const other = publicAddresses[family];
  if (other !== undefined && address === old?.settings.publicAddresses[family]) return other;
  options.warn?.(`${address}, an address of ${serverLabels([record])}, is no longer on this host`);
  return undefined;
}

function findUplink({ addresses, host }: LoadInput, uplinks: readonly Link[], address: string): Link | undefined {
  try {
    const { index } = uplinkOf(address, uplinks.map(toInterface), addresses, host);
    return uplinks.find((uplink) => uplink.index === index);
  } catch (error) {
    if (error instanceof DatapathError) return undefined;
    throw error;
  }
}

function conflict(
  { addresses, host }: LoadInput,
  uplinks: readonly Link[],
  stranded: readonly { record: ServerRecord; address: string }[],
): DatapathError {
  const owners = addresses.filter(({ address }) => stranded.some((each) => each.address === address));
  const links = owners.flatMap(({ ifindex }) => host.link(ifindex) ?? []);
  const names = [...uplinks, ...links].map(({ name }) => name);
  const records = [...new Set(stranded.map(({ record }) => record))];
  return new DatapathError(
    "CONFLICT",
    undefined,
    `the uplink of ${serverLabels(records)} is not among those to load on`,
    {
      hint: `name it too, or delete the servers first: dp load ${uplinkOptions(names)}`,
    },
  );
}
