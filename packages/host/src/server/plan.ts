import type { FreeFrom, Objects, ServerRecord } from "@dp/core";
import type { Link, Namespace, Netlink } from "@dp/netlink";
import { currentNetns, DatapathError, netnsCookie, netnsInode } from "@dp/sys";
import { AddressOwners, chooseAddresses } from "../allocate/choose-addresses.ts";
import { choosePort } from "../allocate/choose-port.ts";
import { freeFrom } from "../allocate/first-free.ts";
import { containerMac } from "../allocate/lowest-free.ts";
import { Subnet } from "../allocate/subnet.ts";
import { containerName } from "../container/namespace.ts";
import type { HostOptions } from "../host-options.ts";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { HOST_PEER_MAC, hostPeerName, type VethPlan } from "../interfaces/veth-pair.ts";
import { isReserved } from "../kernel/reserved-ports.ts";
import type { ServerOptions } from "./options.ts";
import { goneHint } from "./present.ts";
import { label } from "./server.ts";

const DEFAULT_GAME_PORT = 25565;
const DEFAULT_IFNAME = "eth0";
const MAX_NETNS_PATH = 127;

export interface Situation {
  objects: Objects;
  host: Netlink;
  inside: Netlink;
  namespace: Namespace;
  options: ServerOptions & HostOptions;
  op: string;
}

/** Everything decided and checked, nothing changed. */
export interface ServerPlan {
  veth: VethPlan;
  /** As it will be, but for the two interface indexes. */
  record: ServerRecord;
  groupId: number;
  /** All of the host's own, when they turned out to be others than was known. */
  hostAddresses: readonly HostAddress[] | undefined;
  freeFrom: FreeFrom;
}

/**
 * Decides where a server goes, with a number of questions that does not grow with the servers there are.
 *
 * @throws DatapathError as `addServer`
 */
export function planServer({ objects, host, inside, namespace, options, op }: Situation): ServerPlan {
  const config = objects.config();
  if (config === undefined) {
    throw new DatapathError("NOT_LOADED", op, "the last load, or unload, did not finish", {
      hint: "run `dp load` again",
    });
  }
  const { records } = objects;
  const identity = checkNamespace(namespace, objects, op);
  const ifname = options.ifname ?? DEFAULT_IFNAME;
  checkInside(inside, ifname, namespace.path, op);

  const publicAddress = options.address ?? config.publicAddress;
  const { uplink, hostAddresses } = uplinkFor(publicAddress, config.uplink, objects, host, op);
  const first = freeFrom(objects, config);
  const { port: asked, force = false, warn } = options;
  const { portRange: range } = config;
  const choice = { port: asked, address: publicAddress, range, first: first.port, force, objects, host, warn };
  const port = choosePort(choice, op);
  const hostPort = port.value;
  const name = options.name ?? defaultName(options, hostPort, objects);
  const namesake = records.find({ name });
  if (namesake !== undefined) {
    throw new DatapathError("CONFLICT", op, `the name ${name} is taken by server ${namesake.hostPort}`, {
      hint: goneHint(objects, namesake, host),
    });
  }
  const subnets = { host: Subnet.parse(config.hostSubnet, op), container: Subnet.parse(config.containerSubnet, op) };
  const addresses = chooseAddresses(options, subnets, new AddressOwners(objects, host), first.index, op);
  const { hostAddress, containerAddress } = addresses;
  const mac = containerMac(containerAddress);
  const hostName = nameHostPeer(hostPort, objects, host, op);
  const group = options.group ?? "";

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
    groupId: records.groups.of(group),
    hostAddresses,
    freeFrom: { index: addresses.freeFrom, port: port.freeFrom },
  };
}

function checkNamespace({ fd, path }: Namespace, objects: Objects, op: string): { cookie: bigint; inode: bigint } {
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
  const owner = objects.records.find({ netnsCookie: cookie });
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

function defaultName({ container }: ServerOptions, port: number, { records }: Objects): string {
  const name = container === undefined ? "" : containerName(container);
  if (name !== "" && name.length <= 63 && records.find({ name }) === undefined) return name;
  // Of the same port on several addresses, the first has the plain one.
  for (let count = 1; ; count++) {
    const plain = count === 1 ? `server-${port}` : `server-${port}-${count}`;
    if (records.find({ name: plain }) === undefined) return plain;
  }
}

function nameHostPeer(port: number, objects: Objects, host: Netlink, op: string): string {
  const name = hostPeerName(port, (each) => objects.isGuarded(each));
  if (host.link(name) === undefined) return name;
  throw new DatapathError("CONFLICT", op, `the host has an interface ${name} already, and it is no server's`, {
    hint: `dp gc removes it if it is of a server that is gone; else: ip link delete ${name}`,
  });
}

/** The interface a server's replies leave by; and all addresses of the host, when they had to be read to tell. */
function uplinkFor(
  address: string,
  main: number,
  objects: Objects,
  host: Netlink,
  op: string,
): { uplink: Link; hostAddresses: HostAddress[] | undefined } {
  const attached = objects
    .uplinks()
    .flatMap((index) => host.link(index) ?? [])
    .sort((one, other) => Number(other.index === main) - Number(one.index === main));
  if (attached.length === 0) {
    throw new DatapathError("FAILED", op, "the uplink is gone: its interface was deleted", {
      hint: "run `dp load` again",
    });
  }
  const owner = objects.hostAddressOwner(address);
  const uplink = attached.find(({ index }) => index === owner);
  const isStillThere =
    uplink !== undefined &&
    host.addresses({ ifindex: uplink.index, family: "inet" }).some((each) => each.address === address);
  if (isStillThere) return { uplink, hostAddresses: undefined };
  const all = hostAddresses(host, objects.netData());
  const { index } = uplinkOf(address, attached.map(toInterface), all, host, op);
  const found = attached.find((each) => each.index === index) as Link;
  return { uplink: found, hostAddresses: all };
}
