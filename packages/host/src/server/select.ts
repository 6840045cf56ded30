import { type Objects, type Protocol, serverLabel, type ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { checkAddress, checkNumber, checkPort } from "./check-input.ts";
import { portOwners } from "./ports.ts";

/**
 * Selects one server: by its id, its name or a public port. Address and protocol are needed when several servers have
 * the port.
 */
export type ServerSelector =
  | { id: number }
  | { name: string }
  | { port: number; address?: string | undefined; protocol?: Protocol | undefined };

const MAX_ID = 0xffff_ffff;

/** Throws `DatapathError` BAD_USAGE for an invalid id, port or address. */
export function checkSelector(selector: ServerSelector): void {
  if ("name" in selector) return;
  if ("id" in selector) {
    checkNumber(selector.id, 1, MAX_ID, "the id");
    return;
  }
  checkPort(selector.port, "the port");
  if (selector.address !== undefined) checkAddress(selector.address, "the public address");
}

/** "server lobby", "server id:7", "server on 203.0.113.10:25570/tcp", for messages. */
export function describeSelector(selector: ServerSelector): string {
  if ("id" in selector) return `server id:${selector.id}`;
  if ("name" in selector) return `server ${selector.name}`;
  return `the server on ${describePort(selector)}`;
}

function describePort({ port, address, protocol }: Extract<ServerSelector, { port: number }>): string {
  const host = address?.includes(":") === true ? `[${address}]` : address;
  const end = protocol === undefined ? "" : `/${protocol}`;
  return host === undefined ? `port ${port}${end}` : `${host}:${port}${end}`;
}

/**
 * The server that a selector selects; undefined when there is none.
 *
 * @throws DatapathError `BAD_USAGE` when several servers match; it names them
 */
export function findServer(objects: Objects, selector: ServerSelector): ServerRecord | undefined {
  if ("id" in selector) return objects.records.get(selector.id);
  if ("name" in selector) return objects.records.find(selector);
  const found = serversOn(objects, selector);
  if (found.length <= 1) return found[0];
  const candidates = found.map(serverLabel).join(", ");
  throw new DatapathError(
    "BAD_USAGE",
    undefined,
    `${describePort(selector)} belongs to several servers: ${candidates}`,
    {
      hint: `name one of them: ${found.map(({ name }) => name).join(", ")}`,
    },
  );
}

/** As {@link findServer}. Throws `DatapathError` `NO_SUCH_SERVER`, too. */
export function requireServer(objects: Objects, selector: ServerSelector): ServerRecord {
  const record = findServer(objects, selector);
  if (record !== undefined) return record;
  throw new DatapathError("NO_SUCH_SERVER", undefined, absence(selector), { hint: "`dp list` shows the servers" });
}

function absence(selector: ServerSelector): string {
  if ("id" in selector) return `there is no server with the id ${selector.id}`;
  if ("name" in selector) return `there is no server named ${selector.name}`;
  return `there is no server on ${describePort(selector)}`;
}

function serversOn(
  objects: Objects,
  { port, address, protocol }: Extract<ServerSelector, { port: number }>,
): ServerRecord[] {
  if (address !== undefined) {
    const protocols: readonly Protocol[] = protocol === undefined ? ["tcp", "udp"] : [protocol];
    const found = protocols.flatMap(
      (each) => objects.records.find({ endpoint: { protocol: each, address, port } }) ?? [],
    );
    return found.filter((record, index) => found.findIndex(({ id }) => id === record.id) === index);
  }
  const has = ({ forwards }: ServerRecord) =>
    forwards.some(
      (forward) =>
        port >= forward.port &&
        port < forward.port + forward.count &&
        (protocol === undefined || forward.protocol === protocol),
    );
  const found = portOwners(objects)(port).flatMap((id) => objects.records.get(id) ?? []);
  // A server may have an address that the host no longer has.
  return (found.length > 0 ? found : objects.records.all()).filter(has);
}
