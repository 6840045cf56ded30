/** The steps of a load that write map entries, each with its undo. */
import type { Link } from "@dp/netlink";
import { type HostAddress, refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { type Move, moveServer } from "../server/move.ts";
import type { LoadChange } from "./change.ts";
import type { LoadPlan } from "./plan.ts";

/** Not with the configuration, whose absence means that a first load did not finish. */
export function storeSettings({ transaction, objects }: LoadChange, { old, settings }: LoadPlan): void {
  transaction.step(
    "settings",
    () => objects.settings.set(settings),
    () => old !== undefined && objects.settings.set(old.settings),
  );
}

export function storeConfig({ transaction, objects }: LoadChange, { old, config }: LoadPlan): void {
  transaction.step(
    "configuration",
    () => objects.config.set(config),
    () => old !== undefined && objects.config.set(old.config),
  );
}

export function replaceHostAddresses({ transaction, objects }: LoadChange, addresses: readonly HostAddress[]): void {
  const old = objects.hostAddresses.all();
  transaction.step(
    "host addresses",
    () => refreshHostAddresses(objects, addresses),
    () => objects.hostAddresses.set(old),
  );
}

export function addUplinks({ transaction, objects }: LoadChange, uplinks: readonly Link[]): void {
  const old = objects.uplinks.all();
  for (const { name, index } of uplinks) {
    transaction.step(
      `uplink ${name}`,
      () => objects.uplinks.set(index),
      () => old.includes(index) || objects.uplinks.delete(index),
    );
  }
}

export function moveServers({ transaction, objects }: LoadChange, moves: readonly Move[]): void {
  for (const move of moves) {
    const { record, forwards } = move;
    transaction.step(
      `forwards of server ${record.id}`,
      () => moveServer(objects, move),
      () => moveServer(objects, { record: { ...record, forwards }, forwards: record.forwards }),
    );
  }
}
