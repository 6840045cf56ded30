import type { Objects } from "@dp/core";
import { type Namespace, Netlink, openNamespace } from "@dp/netlink";
import { DatapathError, netnsCookie } from "@dp/sys";
import { changed, type ContainerNamespace, containerNamespace } from "./container/namespace.ts";
import { during } from "./during.ts";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { namesOf } from "./list.ts";
import { withLoaded } from "./pins/open.ts";
import {
  checkAddress,
  checkInterfaceName,
  checkName,
  checkNumber,
  checkOwner,
  checkPort,
  checkServerName,
} from "./server/check-input.ts";
import { connectServer } from "./server/connect.ts";
import type { ServerOptions } from "./server/options.ts";
import { planServer } from "./server/plan.ts";
import { recoverChanges } from "./server/recover.ts";
import { type Server, toServer } from "./server/server.ts";

export interface AddServerOptions extends ServerOptions, HostOptions {}

/** The smallest MTU of IPv4 (RFC 791), and the longest IPv4 packet. */
const MTU_RANGE = [68, 65535] as const;

/**
 * Adds a server: connects its container to the host and opens its forward. It happens whole or not at all. Players
 * reach the server from the last step on.
 *
 * @throws DatapathError `BAD_USAGE` for values that cannot be, `CONFLICT` for a port, name, address, namespace or
 *   interface name that is taken, `NOT_LOADED`, `UNSUPPORTED` without the privileges, `FAILED` when there is no such
 *   namespace or container
 */
export async function addServer(options: AddServerOptions): Promise<Server> {
  const op = opOf(options);
  during(op, () => checkOptions(options));
  requirePrivileges(op);
  // Before the lock: a container engine takes its time.
  const { container } = options;
  const found = container === undefined ? undefined : await during(op, () => containerNamespace(container));
  return withLoaded(options, op, (objects) => {
    using host = Netlink.open();
    recoverChanges(objects, host, options);
    return add({ objects, host, options, found, op });
  });
}

interface Addition {
  objects: Objects;
  host: Netlink;
  options: AddServerOptions;
  found: ContainerNamespace | undefined;
  op: string;
}

function add({ objects, host, options, found, op }: Addition): Server {
  using namespace = openAsked(options, found);
  using inside = Netlink.open({ netns: namespace.fd });
  const plan = planServer({ objects, host, inside, namespace, container: found?.container, options });
  const record = connectServer(plan, { objects, host, inside, options }, op);
  return toServer(record, true, namesOf(host));
}

export interface AddServersOptions extends HostOptions {
  /** Ends it between two servers: those that are left are failures. */
  signal?: AbortSignal | undefined;
}

/** What became of one of several servers. */
export type AddedServer = { server: Server } | { error: unknown };

/**
 * Adds many servers in one go: what is loaded is opened once, and the lock taken once. Each is added as by
 * {@link addServer}, as a whole or not at all, whatever becomes of the others.
 *
 * @returns what became of each, in the order of `servers`
 * @throws DatapathError as {@link addServer}, before anything is changed: `BAD_USAGE` for the first that cannot be,
 *   `NOT_LOADED`, `UNSUPPORTED`
 */
export async function addServers(
  servers: readonly ServerOptions[],
  options: AddServersOptions = {},
): Promise<AddedServer[]> {
  const op = "add servers";
  servers.forEach((server, index) =>
    during(`add server ${index + 1} of ${servers.length}`, () => checkOptions(server)),
  );
  requirePrivileges(op);
  const found = new Map<ServerOptions, ContainerNamespace | { error: unknown }>();
  for (const server of servers) {
    const { container } = server;
    if (container === undefined) continue;
    const namespace = during(opOf(server), () => containerNamespace(container));
    found.set(server, await namespace.catch((error: unknown) => ({ error })));
  }
  return withLoaded(options, op, async (objects) => {
    using host = Netlink.open();
    recoverChanges(objects, host, options);
    const results: AddedServer[] = [];
    for (const server of servers) {
      // Signals are heard here: the steps of one server are not interrupted.
      await new Promise((resolve) => setImmediate(resolve));
      const container = found.get(server);
      const each = { objects, host, options: { ...options, ...server }, op: opOf(server) };
      results.push(
        attempt(each.op, () => {
          if (options.signal?.aborted) throw new DatapathError("FAILED", undefined, "interrupted before its turn came");
          if (container !== undefined && "error" in container) throw container.error;
          return add({ ...each, found: container });
        }),
      );
    }
    return results;
  });
}

function attempt(op: string, run: () => Server): AddedServer {
  try {
    return { server: during(op, run) };
  } catch (error) {
    return { error };
  }
}

function opOf({ port }: ServerOptions): string {
  return port === "auto" ? "add a server" : `add server ${port}`;
}

function checkOptions(options: ServerOptions): void {
  const { port, name, group, owner, address, containerAddress, gatewayAddress, ifname, containerPort, mtu } = options;
  if (port !== "auto") checkPort(port, "the port");
  if (containerPort !== undefined) checkPort(containerPort, "the container port");
  if (name !== undefined) checkServerName(name);
  if (owner !== undefined) checkOwner(owner);
  if (group !== undefined) checkName(group, "the group");
  if (address !== undefined) checkAddress(address, "the public address");
  if (containerAddress !== undefined) checkAddress(containerAddress, "the container address");
  if (gatewayAddress !== undefined) checkAddress(gatewayAddress, "the gateway's address");
  if (ifname !== undefined) checkInterfaceName(ifname);
  if (mtu !== undefined) checkNumber(mtu, ...MTU_RANGE, "the MTU");
  if ((options.netns === undefined) === (options.container === undefined)) {
    throw new DatapathError("BAD_USAGE", undefined, "expected either a network namespace or a container", {
      hint: "--netns PATH, NAME or pid:N, or --container NAME",
    });
  }
}

function openAsked({ netns, container }: ServerOptions, found: ContainerNamespace | undefined): Namespace {
  if (found === undefined || container === undefined) return openNamespace(netns as string);
  const namespace = openContainer(found, container);
  // The lock may have been waited for while the container was started anew.
  if (netnsCookie(namespace.fd) === found.cookie) return namespace;
  namespace[Symbol.dispose]();
  throw changed(container);
}

function openContainer({ ref }: ContainerNamespace, container: string): Namespace {
  try {
    return openNamespace(ref);
  } catch {
    throw changed(container);
  }
}
