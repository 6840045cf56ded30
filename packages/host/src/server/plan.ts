import {
  type ContainerRef,
  type Forward,
  type FreeFrom,
  hostPeerName,
  type Objects,
  serverLabel,
  type ServerRecord,
} from "@dp/core";
import type { Link, Namespace, Netlink } from "@dp/netlink";
import { currentNetns, DatapathError, type Fd, netnsCookie, netnsInode } from "@dp/sys";
import { AddressOwners, chooseAddresses } from "../allocate/choose-addresses.ts";
import { choosePort } from "../allocate/choose-port.ts";
import { freeFrom } from "../allocate/first-free.ts";
import { ipv4Subnets } from "../allocate/subnet.ts";
import { ADMINISTRATOR_REMEDY, administratorOf, describeAdministrator } from "../container/authority.ts";
import type { HostOptions } from "../host-options.ts";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import { smallestMtu } from "../interfaces/server-mtu.ts";
import { toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { containerMac, HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import type { ServerOptions } from "./options.ts";
import { goneHint } from "./present.ts";

const DEFAULT_CONTAINER_PORT = 25565;
const DEFAULT_IFNAME = "eth0";
const DEFAULT_OWNER = "cli";
const MAX_NETNS_PATH = 127;

/** What a plan is made from. */
export interface PlanInput {
  objects: Objects;
  host: Netlink;
  inside: Netlink;
  namespace: Namespace;
  /** The container, where one was named. */
  container: ContainerRef | undefined;
  options: ServerOptions & HostOptions;
}

/** How a server is added: everything is decided and checked, nothing is changed yet. */
export interface ServerPlan {
  /** The record, without the indexes of the two interfaces. */
  record: ServerRecord;
  netns: Fd;
  /** Of both peers. */
  mtu: number;
  /** All addresses of the host, if the public address was not in dp_host_addrs. */
  hostAddresses: readonly HostAddress[] | undefined;
  freeFrom: Pick<FreeFrom, "address" | "port">;
}

/**
 * Decides everything about a new server. The number of look-ups does not grow with the number of servers.
 *
 * @throws DatapathError as `addServer`
 */
export function planServer(input: PlanInput): ServerPlan {
  const { objects, host, inside, namespace, container, options } = input;
  const config = objects.config.get();
  const settings = objects.settings.get();
  const address = options.address ?? settings?.publicAddresses.ipv4;
  if (config === undefined || settings === undefined || address === undefined) {
    throw new DatapathError("NOT_LOADED", undefined, "the last load, or unload, did not finish", {
      hint: "run `dp load` again",
    });
  }
  const netns = checkNamespace(namespace, objects);
  const ifname = options.ifname ?? DEFAULT_IFNAME;
  checkInside(inside, ifname, namespace.path);
  if (options.trusted !== true) checkAuthority(namespace);

  const { uplink, hostAddresses } = uplinkFor(address, settings.uplink, input);
  const first = freeFrom(objects, settings);
  const { port: asked, force = false, warn } = options;
  const range = settings.portRange;
  const port = choosePort({ port: asked, address, range, first: first.port, force, objects, host, warn });
  const name = options.name ?? defaultName(container, port.value, objects);
  const namesake = objects.records.find({ name });
  if (namesake !== undefined) {
    throw new DatapathError("CONFLICT", undefined, `the name ${name} is taken by ${serverLabel(namesake)}`, {
      hint: goneHint(objects, namesake, host),
    });
  }
  const subnets = ipv4Subnets(config);
  const chosen = chooseAddresses(options, subnets, new AddressOwners(objects, host), first.address);
  const { freeFrom: nextAddress, ...ipv4 } = chosen;
  const [counter = 0] = objects.counters.lowestFree(1);
  const forwards: Forward[] = [
    {
      protocol: "tcp",
      address,
      port: port.value,
      count: 1,
      containerPort: options.containerPort ?? DEFAULT_CONTAINER_PORT,
      uplink: uplink.index,
      mtu: uplink.mtu,
      counter,
    },
  ];
  const id = objects.serverIds((each) => host.link(each) !== undefined).lowestFree();
  return {
    record: {
      id,
      name,
      group: options.group ?? "",
      state: "pending",
      createdAt: new Date(),
      owner: options.owner ?? DEFAULT_OWNER,
      network: "own",
      trusted: options.trusted ?? false,
      container,
      netns: { ...netns, path: namespace.path },
      hostPeer: { ifindex: 0, name: hostPeerName(id), mac: HOST_PEER_MAC },
      containerPeer: { ifindex: 0, name: ifname, mac: containerMac(id) },
      addresses: { ipv4 },
      forwards,
      mtu: options.mtu,
    },
    netns: namespace.fd,
    mtu: options.mtu ?? smallestMtu(forwards) ?? uplink.mtu,
    hostAddresses,
    freeFrom: { address: nextAddress, port: port.freeFrom },
  };
}

function checkNamespace({ fd, path }: Namespace, objects: Objects): { cookie: bigint; inode: bigint } {
  if (new TextEncoder().encode(path).byteLength > MAX_NETNS_PATH) {
    throw new DatapathError("BAD_USAGE", undefined, `the path ${path} is longer than ${MAX_NETNS_PATH} bytes`, {
      hint: "name the namespace by a process in it: --netns pid:N",
    });
  }
  const inode = netnsInode(fd);
  using own = currentNetns();
  if (inode === netnsInode(own)) {
    throw new DatapathError("CONFLICT", undefined, `${path} is the host's own network namespace`, {
      hint: "a container with host networking has no network namespace: run it with --network none",
    });
  }
  const cookie = netnsCookie(fd);
  const owner = objects.records.find({ netnsCookie: cookie });
  if (owner !== undefined)
    throw new DatapathError("CONFLICT", undefined, `${path} already belongs to ${serverLabel(owner)}`);
  return { cookie, inode };
}

function checkAuthority({ fd, path }: Namespace): void {
  const administrator = administratorOf(fd);
  if (administrator === undefined) return;
  const reason = `${path}: ${describeAdministrator(administrator)}`;
  throw new DatapathError("CONFLICT", undefined, reason, { hint: ADMINISTRATOR_REMEDY });
}

function checkInside(inside: Netlink, ifname: string, path: string): void {
  const hint = "the container must have no network of its own: run it with --network none";
  if (inside.link(ifname) !== undefined) {
    throw new DatapathError("CONFLICT", undefined, `${path} already has an interface ${ifname}`, { hint });
  }
  if (inside.routes({ family: "inet" }).some(({ destination }) => destination === "default")) {
    throw new DatapathError("CONFLICT", undefined, `${path} already has a default route`, { hint });
  }
}

function defaultName(container: ContainerRef | undefined, port: number, { records }: Objects): string {
  const name = container?.name ?? "";
  const isName = name.length <= 63 && !/^\d*$/.test(name);
  if (isName && records.find({ name }) === undefined) return name;
  // Several servers may have the port, on different addresses: only the first gets the name without a number.
  for (let count = 1; ; count++) {
    const plain = count === 1 ? `server-${port}` : `server-${port}-${count}`;
    if (records.find({ name: plain }) === undefined) return plain;
  }
}

/** The uplink that replies leave by; and all addresses of the host, if they had to be read to find it. */
function uplinkFor(
  address: string,
  main: number,
  { objects, host }: PlanInput,
): { uplink: Link; hostAddresses: HostAddress[] | undefined } {
  const attached = objects.uplinks
    .all()
    .flatMap((index) => host.link(index) ?? [])
    .sort((one, other) => Number(other.index === main) - Number(one.index === main));
  if (attached.length === 0) {
    throw new DatapathError("FAILED", undefined, "the uplink is gone: its interface was deleted", {
      hint: "run `dp load` again",
    });
  }
  const owner = objects.hostAddresses.ownerOf(address);
  const uplink = attached.find(({ index }) => index === owner);
  const isStillThere =
    uplink !== undefined &&
    host.addresses({ ifindex: uplink.index, family: "inet" }).some((each) => each.address === address);
  if (isStillThere) return { uplink, hostAddresses: undefined };
  const all = hostAddresses(host, objects.records.all());
  const { index } = uplinkOf(address, attached.map(toInterface), all, host);
  const found = attached.find((each) => each.index === index) as Link;
  return { uplink: found, hostAddresses: all };
}
