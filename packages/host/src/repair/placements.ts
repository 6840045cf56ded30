/** The uplink that each public address belongs to, and the default public address. */
import { DatapathError } from "@dp/sys";
import { defaultAddress, toInterface, uplinkOf } from "../interfaces/uplink.ts";
import type { Placement } from "../server/move.ts";
import { messageOf } from "../transaction.ts";
import { repairBy, type Problem, problem } from "./problem.ts";
import type { View } from "./view.ts";

/** Whether it is an address of the host. */
export function hasAddress({ addresses }: View, address: string): boolean {
  return addresses.some((each) => each.address === address);
}

/** The uplink that has an address, or why there is none. */
export function placementOf(
  { uplinks, addresses, netlink }: View,
  address: string,
): Placement | { reason: string; hint: string | undefined } {
  try {
    const { index } = uplinkOf(address, uplinks.map(toInterface), addresses, netlink);
    const mtu = uplinks.find((uplink) => uplink.index === index)?.mtu ?? 0;
    return { address, uplink: index, mtu };
  } catch (error) {
    if (error instanceof DatapathError) return error;
    return { reason: messageOf(error), hint: undefined };
  }
}

/** The placement of forwards whose default address is gone: with the address that the uplinks have now. */
export function defaultPlacement(view: View): Placement | undefined {
  try {
    const address = defaultAddress(view.uplinks, view.addresses, undefined);
    const found = placementOf(view, address);
    return "reason" in found ? undefined : found;
  } catch {
    return undefined;
  }
}

/** Whether new servers get an address that players reach. */
export function inspectDefaultPlacement(view: View): Problem[] {
  const { objects, settings } = view;
  const address = settings?.publicAddresses.ipv4;
  if (settings === undefined || address === undefined) return [];
  const move = (placement: Placement) =>
    repairBy(() =>
      objects.settings.set({
        ...settings,
        publicAddresses: { ...settings.publicAddresses, ipv4: placement.address },
        uplink: placement.uplink,
      }),
    );
  if (!hasAddress(view, address)) {
    const what = `the default public address ${address} is no longer an address of this host`;
    const words = { code: "public-address-gone", severity: "error", what } as const;
    const placement = defaultPlacement(view);
    return [problem(words, placement === undefined ? "dp load --address IP" : move(placement))];
  }
  const found = placementOf(view, address);
  if ("reason" in found) {
    const words = { code: "uplink-gone", severity: "error", what: found.reason } as const;
    return [problem(words, found.hint ?? "dp load --iface NAME")];
  }
  if (found.uplink === settings.uplink) return [];
  const what = `new servers would get the uplink ${settings.uplink}, and ${address} is on interface ${found.uplink}`;
  return [problem({ code: "uplink-changed", severity: "error", what }, move(found))];
}
