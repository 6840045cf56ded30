import { endpointText, type Objects, serverLabel } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { type PortRange, ephemeralRange, inRange } from "../kernel/ephemeral-range.ts";
import { reservedPorts } from "../kernel/reserved-ports.ts";
import { describeHolders } from "../kernel/socket-holder.ts";
import { isUnused, portsInUse, type PortsInUse } from "../kernel/sockets.ts";
import { portOwners } from "../server/ports.ts";
import { goneHint } from "../server/present.ts";
import { type Free, lowestFree } from "./lowest-free.ts";

export interface PortChoice {
  port: number | "auto";
  /**
   * The public address. Another server may have the port on another address; "auto" takes a port that no server has.
   */
  address: string;
  /** The ports for "auto". */
  range: PortRange;
  /** All ports of the range below this one are taken by servers. */
  first: number;
  /** Allow a port of the host's ephemeral range. */
  force: boolean;
  objects: Objects;
  host: Netlink;
  warn: ((message: string) => void) | undefined;
}

/**
 * The public port of a new server. No server has it and no program listens on it. The kernel does not give it to
 * connections of the host, because it is outside the ephemeral range or reserved.
 *
 * @throws DatapathError `CONFLICT`
 */
export function choosePort(choice: PortChoice): Free {
  const { port, address, range, first, force, objects, host, warn } = choice;
  let sockets: PortsInUse | undefined;
  // Checking one port is fast. Only if it is in use, all sockets are read.
  const inUse = (each: number) => {
    if (isUnused(each)) return undefined;
    sockets ??= portsInUse();
    const listeners = sockets.listening.get(each);
    return listeners !== undefined || sockets.connected.has(each) ? { listeners } : undefined;
  };
  const ephemeral = ephemeralRange();
  const reserved = reservedPorts();
  const isEphemeral = (each: number) => !force && inRange(each, ephemeral) && !reserved.has(each);

  if (port === "auto") {
    const owners = portOwners(objects);
    const search = (also: (each: number) => boolean) =>
      lowestFree([first, range[1]], (each) => {
        if (owners(each).length > 0) return "server";
        return inUse(each) !== undefined || also(each) ? "other" : undefined;
      });
    const free = search(isEphemeral);
    if (free !== undefined) return free;
    const left = search(() => false);
    const reason = `every port from ${range.join(" to ")} is taken`;
    const larger = "give the host another range: dp load --port-range FIRST-LAST";
    if (left === undefined) throw new DatapathError("CONFLICT", undefined, reason, { hint: larger });
    throw new DatapathError(
      "CONFLICT",
      undefined,
      `${reason}, or in the host's ephemeral range, ${ephemeral.join("-")}`,
      {
        hint: `${larger}; or allow ports of the ephemeral range: --force`,
      },
    );
  }

  const endpoint = { protocol: "tcp", address, port } as const;
  const owner = objects.records.find({ endpoint });
  if (owner !== undefined) {
    throw new DatapathError("CONFLICT", undefined, `${endpointText(endpoint)} is taken by ${serverLabel(owner)}`, {
      hint: goneHint(objects, owner, host),
    });
  }
  const used = inUse(port);
  if (used?.listeners !== undefined) {
    throw new DatapathError(
      "CONFLICT",
      undefined,
      `${describeHolders(used.listeners)} listens on port ${port} of the host`,
      {
        hint: `choose another port, or stop it (ss -ltnp 'sport = :${port}')`,
      },
    );
  }
  if (isEphemeral(port)) {
    const reason = `port ${port} is in the host's ephemeral range, ${ephemeral.join("-")}: the host's own connections use it`;
    throw new DatapathError("CONFLICT", undefined, reason, {
      hint: "choose one outside of it (sysctl net.ipv4.ip_local_port_range), or reserve this one for the server: --force",
    });
  }
  if (used !== undefined) {
    warn?.(`a connection of the host itself uses port ${port}: it will break (ss -tnp 'sport = :${port}')`);
  }
  return { value: port, freeFrom: 0 };
}
