import type { ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { lowestFreePort } from "./allocate.ts";
import { type PortRange, ephemeralRange, inRange } from "./ephemeral-range.ts";
import { portsInUse } from "./host-sockets.ts";
import { reservedPorts } from "./reserved-ports.ts";
import { goneHint, label } from "./server.ts";
import { describeHolders } from "./socket-holder.ts";

export interface PortChoice {
  port: number | "auto";
  /** What "auto" takes from. */
  range: PortRange;
  /** Also a port the kernel gives to the host's own connections. */
  force: boolean;
  records: readonly ServerRecord[];
  host: Netlink;
  warn: ((message: string) => void) | undefined;
}

/**
 * The host port of a new server: one that no server has and no program listens on, and that the kernel gives to none of
 * the host's own connections, being outside of the ephemeral range or reserved in it.
 *
 * @throws DatapathError `CONFLICT`
 */
export function choosePort({ port, range, force, records, host, warn }: PortChoice, op: string): number {
  const servers = new Map(records.map((record) => [record.hostPort, record]));
  const { listening, connected } = portsInUse();
  const ephemeral = ephemeralRange();
  const reserved = reservedPorts();
  const isEphemeral = (each: number) => !force && inRange(each, ephemeral) && !reserved.has(each);

  if (port === "auto") {
    const taken = (each: number) => servers.has(each) || listening.has(each) || connected.has(each);
    const free = lowestFreePort(range, (each) => taken(each) || isEphemeral(each));
    if (free !== undefined) return free;
    const left = lowestFreePort(range, taken);
    const reason = `every port from ${range.join(" to ")} is taken`;
    const larger = "give the host another range: dp load --port-range FIRST-LAST";
    if (left === undefined) throw new DatapathError("CONFLICT", op, reason, { hint: larger });
    throw new DatapathError("CONFLICT", op, `${reason}, or in the host's ephemeral range, ${ephemeral.join("-")}`, {
      hint: `${larger}; or take those all the same: --force`,
    });
  }

  const owner = servers.get(port);
  if (owner !== undefined) {
    throw new DatapathError("CONFLICT", op, `port ${port} is taken by ${label(owner)}`, {
      hint: goneHint(owner, host),
    });
  }
  const sockets = listening.get(port);
  if (sockets !== undefined) {
    throw new DatapathError("CONFLICT", op, `${describeHolders(sockets)} listens on port ${port} of the host`, {
      hint: `choose another port, or stop it (ss -ltnp 'sport = :${port}')`,
    });
  }
  if (isEphemeral(port)) {
    const reason = `port ${port} is in the host's ephemeral range, ${ephemeral.join("-")}: the host's own connections use it`;
    throw new DatapathError("CONFLICT", op, reason, {
      hint: "choose one outside of it (sysctl net.ipv4.ip_local_port_range), or have this one kept for the server: --force",
    });
  }
  if (connected.has(port)) {
    warn?.(`a connection of the host itself uses port ${port}: it will break (ss -tnp 'sport = :${port}')`);
  }
  return port;
}
