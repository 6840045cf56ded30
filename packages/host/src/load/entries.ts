/** What a load writes into the maps, step by step, each with its way back. */
import type { HostConfig } from "@dp/core";
import type { Link } from "@dp/netlink";
import { type HostAddress, refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { moveServer } from "../server/move.ts";
import type { LoadContext } from "./context.ts";
import type { Move } from "./moves.ts";

export function replaceConfig({ transaction, objects }: LoadContext, old: HostConfig, config: HostConfig): void {
  transaction.step(
    "configuration",
    () => objects.setConfig(config),
    () => objects.setConfig(old),
  );
}

export function replaceHostAddresses({ transaction, objects }: LoadContext, addresses: readonly HostAddress[]): void {
  const old = objects.hostAddresses();
  transaction.step(
    "host addresses",
    () => refreshHostAddresses(objects, addresses),
    () => objects.setHostAddresses(old),
  );
}

export function addUplinks({ transaction, objects }: LoadContext, uplinks: readonly Link[]): void {
  const old = objects.uplinks();
  for (const { name, index } of uplinks) {
    transaction.step(
      `uplink ${name}`,
      () => objects.addUplink(index),
      () => old.includes(index) || objects.delUplink(index),
    );
  }
}

export function moveServers({ transaction, objects }: LoadContext, moved: readonly Move[]): void {
  for (const { record, home } of moved) {
    transaction.step(
      `address and uplink of server ${record.hostPort}`,
      () => moveServer(objects, record, home),
      () => moveServer(objects, { ...record, ...home }, record),
    );
  }
}
