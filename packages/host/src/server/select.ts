import type { Objects, ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { checkAddress, checkPort } from "./check-input.ts";

/** One server: by its host port, and its public address where several have that port; or by its name. */
export type ServerSelector = { port: number; address?: string | undefined } | { name: string };

/** Throws `DatapathError` BAD_USAGE for a port or an address that cannot be. */
export function checkSelector(selector: ServerSelector, op: string): void {
  if ("name" in selector) return;
  checkPort(selector.port, "the port", op);
  if (selector.address !== undefined) checkAddress(selector.address, "the public address", op);
}

/** "server 25570", for messages. */
export function describeSelector(selector: ServerSelector): string {
  if ("name" in selector) return `server ${selector.name}`;
  return selector.address === undefined ? `server ${selector.port}` : `server ${selector.address}:${selector.port}`;
}

/**
 * The server that is meant; undefined when there is none.
 *
 * @throws DatapathError `BAD_USAGE` when several have the port and no address says which
 */
export function findServer(objects: Objects, selector: ServerSelector, op: string): ServerRecord | undefined {
  if ("name" in selector) return objects.records.find(selector);
  const { port, address } = selector;
  if (address !== undefined) return objects.records.find({ endpoint: { address, port } });
  const [found, ...others] = serversOnPort(objects, port);
  if (others.length === 0) return found;
  const addresses = [found, ...others].flatMap((record) => record?.publicAddress ?? []);
  throw new DatapathError("BAD_USAGE", op, `port ${port} is a server's on ${addresses.join(" and on ")}`, {
    hint: `say which: ${addresses.map((each) => `--address ${each}`).join(" or ")}`,
  });
}

/** As {@link findServer}. Throws `DatapathError` `NO_SUCH_SERVER`, too. */
export function requireServer(objects: Objects, selector: ServerSelector, op: string): ServerRecord {
  const record = findServer(objects, selector, op);
  if (record !== undefined) return record;
  throw new DatapathError("NO_SUCH_SERVER", op, absence(selector), { hint: "`dp list` shows those there are" });
}

function absence(selector: ServerSelector): string {
  if ("name" in selector) return "there is no server of that name";
  const { port, address } = selector;
  return `there is no server on ${address === undefined ? `port ${port}` : `${address}:${port}`}`;
}

/** Every server with a host port, on whatever address. */
export function serversOnPort(objects: Objects, port: number): ServerRecord[] {
  const found = portOwners(objects)(port);
  // One may be on an address that the host has not any more.
  return found.length > 0 ? found : objects.netData().filter((record) => record.hostPort === port);
}

/** Tells the servers with a host port on the addresses the host has, without reading all records. */
export function portOwners(objects: Objects): (port: number) => ServerRecord[] {
  const { publicAddress } = objects.config() ?? {};
  const own = objects.hostAddresses().map(({ address }) => address);
  const addresses = [...new Set([...(publicAddress === undefined ? [] : [publicAddress]), ...own])];
  return (port) => addresses.flatMap((address) => objects.records.find({ endpoint: { address, port } }) ?? []);
}
