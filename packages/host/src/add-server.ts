import type { Interface, Objects, ServerRecord } from "@dp/core";
import { type Link, Netlink, type Namespace, openNamespace } from "@dp/netlink";
import { currentNetns, DatapathError, netnsCookie, netnsInode } from "@dp/sys";
import { containerMac, isHostIndex, lowestFreeIndex } from "./allocate.ts";
import { checkAddress, checkInterfaceName, checkName, checkNumber, checkPort } from "./check-input.ts";
import { choosePort } from "./choose-port.ts";
import { changed, containerName, type ContainerNamespace, containerNamespace } from "./container.ts";
import { groupMembers } from "./group-members.ts";
import { groupId } from "./group.ts";
import { type HostAddress, hostAddresses, refreshHostAddresses } from "./host-addresses.ts";
import type { HostOptions } from "./host-options.ts";
import { withLoaded } from "./pin-root.ts";
import { requirePrivileges } from "./privileges.ts";
import { recoverServers } from "./remove.ts";
import { isReserved, releasePort, reservePort } from "./reserved-ports.ts";
import { goneHint, label, type Server, toServer } from "./server.ts";
import { Subnet } from "./subnet.ts";
import { Transaction } from "./transaction.ts";
import { toInterface, uplinkOf } from "./uplink.ts";
import {
  createPair,
  HOST_PEER_MAC,
  hostPeerName,
  prepareHostPeer,
  raiseContainerPeer,
  raiseHostPeer,
  raiseLoopback,
  type VethPlan,
} from "./veth-pair.ts";

export interface AddServerOptions extends HostOptions {
  /** The host port players connect to, or "auto": the lowest free one of the port range. */
  port: number | "auto";
  /** The container's network namespace: a path, a name in /run/netns, or "pid:N". This, or `container`. */
  netns?: string | undefined;
  /** A container of docker, podman, nerdctl, ctr or runc, by name or id; "podman:NAME" for one of that engine. */
  container?: string | undefined;
  /** Default: the container's name, or "server-PORT". */
  name?: string | undefined;
  /** Servers of one group reach each other's game port. Default: none. */
  group?: string | undefined;
  /** The public address players connect to, one of the host's. Default: that of `load`. */
  address?: string | undefined;
  /** Default: the lowest free one of the container subnet. */
  containerIp?: string | undefined;
  /** The host peer's, the container's gateway. Default: the one of the host subnet that ends like the container's. */
  hostIp?: string | undefined;
  /** The interface's name inside the container. Default "eth0". */
  ifname?: string | undefined;
  /** Where the server listens inside its container. Default 25565. */
  gamePort?: number | undefined;
  /** Default: the uplink's. */
  mtu?: number | undefined;
  /**
   * Also a port of the host's ephemeral range. It is reserved like any other (net.ipv4.ip_local_reserved_ports), so the
   * kernel gives it to no new connection. Default false.
   */
  force?: boolean | undefined;
}

const DEFAULT_GAME_PORT = 25565;
const DEFAULT_IFNAME = "eth0";
const MAX_NETNS_PATH = 127;
/** What IPv4 asks of a link at least, and what an IPv4 packet has at most. */
const MTU_RANGE = [68, 65535] as const;

/**
 * Puts a container behind a host port, and returns what players and operators need to know.
 *
 * It happens as a whole or not at all. Players get through from the very last step on.
 *
 * @throws DatapathError `BAD_USAGE` for values that cannot be, `CONFLICT` for a port, name, address, namespace or
 *   interface name that is taken, `NOT_LOADED`, `UNSUPPORTED` without the privileges, `FAILED` when there is no such
 *   namespace or container
 */
export async function addServer(options: AddServerOptions): Promise<Server> {
  const op = options.port === "auto" ? "add a server" : `add server ${options.port}`;
  checkOptions(options, op);
  requirePrivileges(op);
  // Before the lock: a container engine takes its time.
  const found = options.container === undefined ? undefined : await containerNamespace(options.container, op);
  return withLoaded(options, op, (objects) => {
    using namespace = openAsked(options, found, op);
    using host = Netlink.open();
    using inside = Netlink.open({ netns: namespace.fd });
    recoverServers(objects, host, options);
    const plan = planServer({ objects, host, inside, namespace, options, op });
    return carryOut(plan, { objects, host, inside, options, op });
  });
}

function checkOptions(options: AddServerOptions, op: string): void {
  const { port, name, group, address, containerIp, hostIp, ifname, gamePort, mtu } = options;
  if (port !== "auto") checkPort(port, "the port", op);
  if (gamePort !== undefined) checkPort(gamePort, "the game port", op);
  if (name !== undefined) checkName(name, "the name", op);
  if (group !== undefined) checkName(group, "the group", op);
  if (address !== undefined) checkAddress(address, "the public address", op);
  if (containerIp !== undefined) checkAddress(containerIp, "the container address", op);
  if (hostIp !== undefined) checkAddress(hostIp, "the host peer's address", op);
  if (ifname !== undefined) checkInterfaceName(ifname, op);
  if (mtu !== undefined) checkNumber(mtu, ...MTU_RANGE, "the MTU", op);
  if ((options.netns === undefined) === (options.container === undefined)) {
    throw new DatapathError("BAD_USAGE", op, "expected either a network namespace or a container", {
      hint: "--netns PATH, NAME or pid:N, or --container NAME",
    });
  }
}

function openAsked(
  { netns, container }: AddServerOptions,
  found: ContainerNamespace | undefined,
  op: string,
): Namespace {
  if (found === undefined || container === undefined) return openNamespace(netns as string);
  const namespace = openContainer(found, container, op);
  // The lock may have been waited for while the container was started anew.
  if (netnsCookie(namespace.fd) === found.cookie) return namespace;
  namespace[Symbol.dispose]();
  throw changed(container, op);
}

function openContainer({ ref }: ContainerNamespace, container: string, op: string): Namespace {
  try {
    return openNamespace(ref);
  } catch {
    throw changed(container, op);
  }
}

interface Situation {
  objects: Objects;
  host: Netlink;
  inside: Netlink;
  namespace: Namespace;
  options: AddServerOptions;
  op: string;
}

/** Everything decided and checked, nothing changed. */
interface ServerPlan {
  veth: VethPlan;
  /** As it will be, but for the two interface indexes. */
  record: ServerRecord;
  groupId: number;
  hostAddresses: readonly HostAddress[];
}

function planServer({ objects, host, inside, namespace, options, op }: Situation): ServerPlan {
  const config = objects.config();
  if (config === undefined) {
    throw new DatapathError("NOT_LOADED", op, "the last load, or unload, did not finish", {
      hint: "run `dp load` again",
    });
  }
  const records = objects.netData();
  const addresses = hostAddresses(host, records);

  const identity = checkNamespace(namespace, records, op);
  const ifname = options.ifname ?? DEFAULT_IFNAME;
  checkInside(inside, ifname, namespace.path, op);

  const { port, force = false, warn } = options;
  const hostPort = choosePort({ port, range: config.portRange, force, records, host, warn }, op);
  const name = options.name ?? defaultName(options, hostPort, records);
  const namesake = records.find((record) => record.name === name);
  if (namesake !== undefined) {
    throw new DatapathError("CONFLICT", op, `the name ${name} is taken by server ${namesake.hostPort}`, {
      hint: goneHint(namesake, host),
    });
  }
  const hostName = hostPeerName(hostPort);
  if (host.link(hostName) !== undefined) {
    throw new DatapathError("CONFLICT", op, `the host has an interface ${hostName} already, and it is no server's`, {
      hint: `dp gc removes it if it is of a server that is gone; else: ip link delete ${hostName}`,
    });
  }

  const publicAddress = options.address ?? config.publicAddress;
  const uplink = uplinkFor(publicAddress, config.uplink, objects, addresses, host, op);
  const subnets = { host: Subnet.parse(config.hostSubnet, op), container: Subnet.parse(config.containerSubnet, op) };
  const { hostAddress, containerAddress } = chooseAddresses(options, subnets, records, addresses, op);
  const mac = containerMac(containerAddress);
  const group = options.group ?? "";
  const members = group === "" ? [] : groupMembers(objects, records);

  return {
    veth: {
      hostName,
      hostAddress,
      netns: namespace.fd,
      containerName: ifname,
      containerMac: mac,
      containerAddress,
      mtu: options.mtu ?? uplink.mtu,
    },
    record: {
      state: "pending",
      publicAddress,
      hostPort,
      gamePort: options.gamePort ?? DEFAULT_GAME_PORT,
      uplink: uplink.index,
      createdAt: new Date(),
      netnsCookie: identity.cookie,
      netnsInode: identity.inode,
      name,
      group,
      netns: namespace.path,
      portReserved: !isReserved(hostPort),
      mtu: options.mtu,
      veth: {
        hostPeer: { iface: { index: 0, name: hostName, mac: HOST_PEER_MAC }, addr: hostAddress },
        podPeer: { iface: { index: 0, name: ifname, mac }, addr: containerAddress },
      },
    },
    groupId: groupId(group, members),
    hostAddresses: addresses,
  };
}

function checkNamespace(
  { fd, path }: Namespace,
  records: readonly ServerRecord[],
  op: string,
): { cookie: bigint; inode: bigint } {
  if (new TextEncoder().encode(path).byteLength > MAX_NETNS_PATH) {
    throw new DatapathError("BAD_USAGE", op, `the path ${path} is longer than ${MAX_NETNS_PATH} bytes`, {
      hint: "name the namespace by a process in it: --netns pid:N",
    });
  }
  const inode = netnsInode(fd);
  using own = currentNetns();
  if (inode === netnsInode(own)) {
    throw new DatapathError("CONFLICT", op, `${path} is the host's own network namespace`, {
      hint: "a container with host networking has none of its own: run it with --network none",
    });
  }
  const cookie = netnsCookie(fd);
  const owner = records.find((record) => record.netnsCookie === cookie);
  if (owner !== undefined) throw new DatapathError("CONFLICT", op, `${path} is already ${label(owner)}`);
  return { cookie, inode };
}

function checkInside(inside: Netlink, ifname: string, path: string, op: string): void {
  const hint = "the container must have no network of its own: run it with --network none";
  if (inside.link(ifname) !== undefined) {
    throw new DatapathError("CONFLICT", op, `${path} already has an interface ${ifname}`, { hint });
  }
  if (inside.routes({ family: "inet" }).some(({ destination }) => destination === "default")) {
    throw new DatapathError("CONFLICT", op, `${path} already has a default route`, { hint });
  }
}

function defaultName({ container }: AddServerOptions, port: number, records: readonly ServerRecord[]): string {
  const name = container === undefined ? "" : containerName(container);
  const fits = name !== "" && name.length <= 63 && !records.some((record) => record.name === name);
  return fits ? name : `server-${port}`;
}

/** The interface a server's replies leave by. */
function uplinkFor(
  address: string,
  main: number,
  objects: Objects,
  addresses: readonly HostAddress[],
  host: Netlink,
  op: string,
): Link {
  const attached: Interface[] = objects
    .attachments()
    .filter(({ program, ifindex }) => program === "dnat" && ifindex !== 0)
    .flatMap(({ ifindex }) => host.link(ifindex) ?? [])
    .map(toInterface)
    .sort((one, other) => Number(other.index === main) - Number(one.index === main));
  if (attached.length === 0) {
    throw new DatapathError("FAILED", op, "the uplink is gone: its interface was deleted", {
      hint: "run `dp load` again",
    });
  }
  const { index, name } = uplinkOf(address, attached, addresses, host, op);
  const link = host.link(index);
  if (link === undefined) throw new DatapathError("FAILED", op, `${name} is gone`, { hint: "run `dp load` again" });
  return link;
}

function chooseAddresses(
  options: AddServerOptions,
  subnets: { host: Subnet; container: Subnet },
  records: readonly ServerRecord[],
  addresses: readonly HostAddress[],
  op: string,
): { hostAddress: string; containerAddress: string } {
  const owners = new Map<string, string>();
  for (const { address } of addresses) owners.set(address, "the host itself");
  for (const record of records) {
    owners.set(record.veth.hostPeer.addr, label(record));
    owners.set(record.veth.podPeer.addr, label(record));
  }
  const indexIn = (subnet: Subnet, address: string, what: string) => {
    const index = subnet.indexOf(address);
    if (!isHostIndex(subnet, index)) {
      const why = index === undefined ? "is outside" : "is the network's own or the broadcast address of";
      throw new DatapathError("BAD_USAGE", op, `${what} ${address} ${why} ${subnet.toString()}`);
    }
    return index;
  };
  const { containerIp, hostIp } = options;
  const given =
    containerIp !== undefined
      ? indexIn(subnets.container, containerIp, "the container address")
      : hostIp !== undefined
        ? indexIn(subnets.host, hostIp, "the host peer's address")
        : undefined;
  if (hostIp !== undefined) indexIn(subnets.host, hostIp, "the host peer's address");
  const index = given ?? lowestFreeIndex(subnets.host, subnets.container, new Set(owners.keys()));
  if (index === undefined) {
    throw new DatapathError("CONFLICT", op, `every address of ${subnets.container.toString()} is taken`, {
      hint: "larger subnets: dp unload, then dp load --host-subnet ... --container-subnet ...",
    });
  }
  // One that was given, and the other ends alike; unless its subnet is too small for that.
  if (!isHostIndex(subnets.host, index) && hostIp === undefined) {
    throw new DatapathError(
      "BAD_USAGE",
      op,
      `${subnets.host.toString()} has no address that ends like ${containerIp}`,
      {
        hint: "give the host peer's too: --host-ip IP",
      },
    );
  }
  if (!isHostIndex(subnets.container, index) && containerIp === undefined) {
    throw new DatapathError(
      "BAD_USAGE",
      op,
      `${subnets.container.toString()} has no address that ends like ${hostIp}`,
      {
        hint: "give the container's too: --container-ip IP",
      },
    );
  }
  const chosen = {
    hostAddress: hostIp ?? subnets.host.at(index),
    containerAddress: containerIp ?? subnets.container.at(index),
  };
  // What was asked for comes first: its mirror image is taken for the same reason.
  const asked = [containerIp, hostIp].filter((address) => address !== undefined);
  for (const address of [...asked, ...Object.values(chosen)]) {
    const owner = owners.get(address);
    if (owner === undefined) continue;
    const hint = asked.includes(address) ? undefined : "give that address too: --container-ip IP --host-ip IP";
    throw new DatapathError("CONFLICT", op, `the address ${address} is taken by ${owner}`, { hint });
  }
  return chosen;
}

interface Means {
  objects: Objects;
  host: Netlink;
  inside: Netlink;
  options: AddServerOptions;
  op: string;
}

/**
 * The steps of adding, in an order that at every instant lets nothing through that should not: the interfaces go up
 * only when the programs that guard them are there and know their container.
 */
function carryOut(plan: ServerPlan, { objects, host, inside, options, op }: Means): Server {
  const { veth } = plan;
  const { hostPort } = plan.record;
  return Transaction.run(op, options.onStep, (transaction) => {
    let record = plan.record;
    transaction.step(
      "record pending",
      () => objects.addNetData(record, "create"),
      // With something left, the record stays: the next change tries again.
      (_, clean) => clean && objects.delNetData(hostPort),
    );
    if (record.portReserved) {
      transaction.step(
        "reserve port",
        () => reservePort(hostPort),
        () => releasePort(hostPort),
      );
    }
    const pair = transaction.step(
      "veth pair",
      () => createPair(host, inside, veth),
      ({ hostPeer }) => host.deleteLink(hostPeer.index),
    );
    const hostPeer = toInterface(pair.hostPeer);
    const containerPeer = toInterface(pair.containerPeer);
    record = {
      ...record,
      veth: {
        hostPeer: { iface: hostPeer, addr: veth.hostAddress },
        podPeer: { iface: containerPeer, addr: veth.containerAddress },
      },
    };
    // Noted at once: whoever finds the record pending must know which interface is its own.
    transaction.step("record interfaces", () => objects.addNetData(record, "replace"));

    // From then on nothing is sent to another interface, whoever gets this index one day.
    transaction.step(
      "host peer",
      () => objects.addHostPeer(veth.containerAddress, hostPeer.index),
      () => objects.delHostPeer(veth.containerAddress),
    );

    const place = { netns: veth.netns, hostPeerName: hostPeer.name };
    transaction.step(
      "attach tproxy_container",
      () => objects.attachTproxyCtrEgress(containerPeer, place),
      () => objects.detach("tproxy_container", hostPeer),
    );
    transaction.step(
      "attach tproxy_host",
      () => objects.attachTproxyHostEgress(hostPeer),
      () => objects.detach("tproxy_host", hostPeer),
    );
    transaction.step(
      "attach arp",
      () => objects.attachAndPinArp(hostPeer),
      () => objects.detach("arp", hostPeer),
    );
    transaction.step(
      "attach snat",
      () => objects.attachAndPinSnat(hostPeer),
      () => objects.detach("snat", hostPeer),
    );
    transaction.step(
      "counters",
      () => objects.addCounters(hostPeer.index),
      () => objects.delCounters(hostPeer.index),
    );
    transaction.step(
      "snat target",
      () =>
        objects.addSnatTarget(hostPeer.index, {
          containerAddress: veth.containerAddress,
          hostPeerAddress: veth.hostAddress,
          publicAddress: record.publicAddress,
          publicPort: hostPort,
          gamePort: record.gamePort,
          uplink: record.uplink,
          group: plan.groupId,
          containerMac: veth.containerMac,
        }),
      () => objects.delSnatTarget(hostPeer.index),
    );
    const { veth: peers, gamePort, netnsCookie } = record;
    const pairOptions = { gamePort, group: plan.groupId, netnsCookie };
    transaction.step(
      "veth pair entry",
      () => objects.addVethPairEntry(peers, pairOptions),
      () => {
        objects.delVethPairEntry(peers);
        objects.delFlows(veth.containerAddress);
      },
    );

    transaction.step("host peer address", () => prepareHostPeer(host, pair.hostPeer, veth));
    transaction.step(
      "container loopback",
      () => raiseLoopback(inside),
      (loopback) => loopback !== undefined && inside.setLink(loopback.index, { up: false }),
    );
    transaction.step("container peer", () => raiseContainerPeer(inside, pair.containerPeer, veth));
    transaction.step("host addresses", () => refreshHostAddresses(objects, plan.hostAddresses));
    transaction.step(
      "host peer up",
      () => raiseHostPeer(host, pair.hostPeer, veth),
      // Down again before its guards go.
      () => host.setLink(hostPeer.index, { up: false }),
    );
    const pending = record;
    record = { ...record, state: "active" };
    transaction.step(
      "record active",
      () => objects.addNetData(record, "replace"),
      () => objects.addNetData(pending, "replace"),
    );
    const endpoint = { address: record.publicAddress, port: hostPort };
    transaction.step(
      "dnat entry",
      () =>
        objects.addDnatTarget(endpoint, {
          hostPeer: hostPeer.index,
          containerAddress: veth.containerAddress,
          gamePort: record.gamePort,
          containerMac: veth.containerMac,
        }),
      () => objects.delDnatTarget(endpoint),
    );
    return toServer(record, pair.hostPeer);
  });
}
