import { type Attachment, type HostConfig, type Interface, loadBpf, type Objects, type ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { DatapathError, type Fd, isBpffs, isCgroup2 } from "@dp/sys";
import { cgroup2Mount, cgroupFolderById } from "./cgroup.ts";
import { checkAddress, checkPort, checkPortRange } from "./check-input.ts";
import { openServerNetns } from "./container-processes.ts";
import { type HostAddress, hostAddresses, refreshHostAddresses } from "./host-addresses.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { openOrRepair, withPreparedPinRoot } from "./pin-root.ts";
import { PinnedPrograms } from "./pinned-programs.ts";
import { requirePrivileges } from "./privileges.ts";
import { recoverServers } from "./remove.ts";
import { followMtu } from "./server-mtu.ts";
import { isHostPeer, label, labels } from "./server.ts";
import { Subnet } from "./subnet.ts";
import { messageOf, Transaction } from "./transaction.ts";
import { defaultAddress, defaultUplinks, findUplink, toInterface, uplinkOf } from "./uplink.ts";

/** What is left out stays as it was at the last load, or gets its default at the first. */
export interface LoadOptions extends HostOptions {
  /** The interfaces players come in by. Default: those of the default route. */
  ifaces?: readonly string[] | undefined;
  /** Addresses of the host players connect to; servers get the first unless they are given another. */
  addresses?: readonly string[] | undefined;
  /** Default "10.1.0.0/16". */
  hostSubnet?: string | undefined;
  /** Default "10.2.0.0/16". */
  containerSubnet?: string | undefined;
  /** What port "auto" takes from, both ends included. Default 25565 to 30564. */
  portRange?: readonly [first: number, last: number] | undefined;
  /** The transparent proxy's listeners, on every host peer's address. Default 9080, 9053, 9111. */
  httpPort?: number | undefined;
  dnsPort?: number | undefined;
  tcpPort?: number | undefined;
  /** A cgroup2 folder: proxies in it, or below, learn where connections were going. Default: the cgroup2 mount. */
  cgroup?: string | undefined;
  /** How many servers there is room for; at the first load only. Default 65,536. */
  maxServers?: number | undefined;
}

export interface UplinkInfo {
  name: string;
  ifindex: number;
  mac: string;
}

/** What is loaded now. All of it can be written as JSON. */
export interface LoadResult {
  /** Whether something was loaded there before. */
  upgraded: boolean;
  pinRoot: string;
  /** How programs are attached on this kernel. */
  mechanism: "tcx" | "clsact";
  uplinks: UplinkInfo[];
  /** What servers get unless they are given another. */
  publicAddress: string;
  hostSubnet: string;
  containerSubnet: string;
  portRange: [first: number, last: number];
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
  /** The cgroup2 folder whose processes learn where redirected connections were going. */
  cgroup: string;
  /** How many there are. */
  servers: number;
}

const DEFAULTS = {
  hostSubnet: "10.1.0.0/16",
  containerSubnet: "10.2.0.0/16",
  portRange: [25565, 30564],
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
} as const;

const OP = "load";

/**
 * Loads the programs, pins them, and attaches them to the uplinks. On a host that is loaded already it is an upgrade in
 * place: servers stay, and no packet of theirs is lost.
 *
 * @throws DatapathError `BAD_USAGE` for values that cannot be (before anything is changed), `CONFLICT` for what present
 *   servers rule out, `UNSUPPORTED` when the kernel, the machine or the privileges lack something. After any error the
 *   host is as it was: a first load leaves nothing, a later one the old running.
 */
export async function load(options: LoadOptions = {}): Promise<LoadResult> {
  checkOptions(options);
  requirePrivileges(OP);
  using netlink = Netlink.open();
  // A root that is not loaded yet is not even made when there is something wrong with the options.
  if (!isBpffs(pinRootOf(options))) planLoad(netlink, undefined, options);
  return await withPreparedPinRoot(options, OP, () => {
    using previous = openOrRepair(options);
    if (previous !== undefined) recoverServers(previous, netlink, options);
    const plan = planLoad(netlink, previous, options);
    return carryOut(plan, netlink, previous, options);
  });
}

function checkOptions(options: LoadOptions): void {
  for (const address of options.addresses ?? []) checkAddress(address, "the address", OP);
  if (options.portRange !== undefined) checkPortRange(options.portRange, OP);
  for (const key of ["httpPort", "dnsPort", "tcpPort"] as const) {
    const port = options[key];
    if (port !== undefined) checkPort(port, `the ${key.replace("Port", "")} port`, OP);
  }
  const { cgroup } = options;
  if (cgroup !== undefined && !isCgroup2(cgroup)) {
    throw new DatapathError("BAD_USAGE", OP, `${cgroup} is not a folder of a cgroup2 mount`, {
      hint: "see where it is mounted: findmnt -t cgroup2",
    });
  }
}

interface LoadPlan {
  uplinks: readonly Link[];
  config: HostConfig;
  addresses: readonly HostAddress[];
  cgroup: string;
  /** The folder the previous ones are attached to, if there is one. */
  oldCgroup: string | undefined;
  /** Those whose host peer is still there. */
  present: readonly ServerRecord[];
  /** Those that leave by another interface than they did: theirs was deleted and made again. */
  moved: readonly { record: ServerRecord; uplink: number }[];
  servers: number;
}

function planLoad(netlink: Netlink, previous: Objects | undefined, options: LoadOptions): LoadPlan {
  const records = previous?.netData() ?? [];
  const old = previous?.config();
  const addresses = hostAddresses(netlink, records);
  const { links: uplinks, source } = chooseUplinks(netlink, previous, old, addresses, options);
  const interfaces = uplinks.map(toInterface);
  const publicAddress = choosePublicAddress(uplinks, source, old, addresses, options);
  const uplinkFor = (address: string) => uplinkOf(address, interfaces, addresses, netlink, OP);

  for (const address of options.addresses ?? []) uplinkFor(address);
  const config: HostConfig = {
    publicAddress,
    uplink: uplinkFor(publicAddress).index,
    hostSubnet: options.hostSubnet ?? old?.hostSubnet ?? DEFAULTS.hostSubnet,
    containerSubnet: options.containerSubnet ?? old?.containerSubnet ?? DEFAULTS.containerSubnet,
    portRange: options.portRange ?? old?.portRange ?? DEFAULTS.portRange,
    httpPort: options.httpPort ?? old?.httpPort ?? DEFAULTS.httpPort,
    dnsPort: options.dnsPort ?? old?.dnsPort ?? DEFAULTS.dnsPort,
    tcpPort: options.tcpPort ?? old?.tcpPort ?? DEFAULTS.tcpPort,
  };
  checkProxyPorts(config);
  checkSubnets(config, old, records, addresses, netlink);
  const moved = moveServers(records, netlink, interfaces, addresses, options);
  const present = records.filter((record) => {
    const { index } = record.veth.hostPeer.iface;
    return index !== 0 && isHostPeer(netlink.link(index), record);
  });
  const oldCgroup = cgroupOf(previous);
  const cgroup = chooseCgroup(previous, oldCgroup, options);
  return { uplinks, config, addresses, cgroup, oldCgroup, present, moved, servers: records.length };
}

/** Where the previous programs are attached; undefined when they are not, or when it is gone. */
function cgroupOf(objects: Objects | undefined): string | undefined {
  const id = objects?.cgroupAttachments().find(({ cgroupId }) => cgroupId !== 0n)?.cgroupId;
  return id === undefined ? undefined : cgroupFolderById(id);
}

function chooseCgroup(previous: Objects | undefined, old: string | undefined, options: LoadOptions): string {
  if (options.cgroup !== undefined) return options.cgroup;
  if (old !== undefined) return old;
  const mount = cgroup2Mount(OP);
  if (previous !== undefined && previous.cgroupAttachments().length > 0) {
    options.warn?.(`the cgroup of the proxies is gone: all processes below ${mount} may be proxies now`);
  }
  return mount;
}

/** Those that are named; else those that were attached, as far as they are there; else the default route's. */
function chooseUplinks(
  netlink: Netlink,
  previous: Objects | undefined,
  old: HostConfig | undefined,
  addresses: readonly HostAddress[],
  options: LoadOptions,
): { links: Link[]; source: string | undefined } {
  if (options.ifaces !== undefined && options.ifaces.length > 0) {
    const names = new Set(options.ifaces);
    return { links: [...names].map((name) => findUplink(netlink, name, OP)), source: undefined };
  }
  const kept = uplinksOf(previous).flatMap(({ iface }) => {
    const link = netlink.link(iface);
    if (link === undefined) options.warn?.(`the uplink ${iface} is gone`);
    return link ?? [];
  });
  if (kept.length > 0) {
    const main = (link: Link) => Number(link.index === old?.uplink);
    return { links: kept.sort((one, other) => main(other) - main(one)), source: undefined };
  }
  try {
    return defaultUplinks(netlink, OP);
  } catch (error) {
    // Without a default route, the addresses say it.
    const owners = addresses
      .filter(({ address }) => options.addresses?.includes(address) ?? false)
      .map(({ ifindex }) => netlink.link(ifindex));
    const links = owners.filter((link) => link !== undefined);
    if (links.length === 0) throw error;
    return { links: links.map(({ name }) => findUplink(netlink, name, OP)), source: undefined };
  }
}

function uplinksOf(objects: Objects | undefined): Attachment[] {
  return objects?.attachments().filter(({ program }) => program === "dnat") ?? [];
}

function choosePublicAddress(
  uplinks: readonly Link[],
  source: string | undefined,
  old: HostConfig | undefined,
  addresses: readonly HostAddress[],
  options: LoadOptions,
): string {
  const given = options.addresses?.[0];
  if (given !== undefined) return given;
  const oldOwner = addresses.find(({ address }) => address === old?.publicAddress);
  if (old !== undefined && oldOwner !== undefined) {
    const named = options.ifaces === undefined || uplinks.some(({ index }) => index === oldOwner.ifindex);
    if (named) return old.publicAddress;
  }
  const address = defaultAddress(uplinks, addresses, source, OP);
  if (old !== undefined) options.warn?.(`new servers get ${address} instead of ${old.publicAddress}`);
  return address;
}

function checkProxyPorts({ httpPort, dnsPort, tcpPort }: HostConfig): void {
  if (new Set([httpPort, dnsPort, tcpPort]).size === 3) return;
  throw new DatapathError(
    "BAD_USAGE",
    OP,
    `the proxy's listeners need three different ports: HTTP has ${httpPort}, DNS ${dnsPort}, TCP ${tcpPort}`,
  );
}

/** Every server has one address of each subnet; below /30 there is room for none. */
const LONGEST_PREFIX = 30;

function checkSubnets(
  config: HostConfig,
  old: HostConfig | undefined,
  records: readonly ServerRecord[],
  addresses: readonly HostAddress[],
  netlink: Netlink,
): void {
  const host = Subnet.parse(config.hostSubnet, OP);
  const container = Subnet.parse(config.containerSubnet, OP);
  for (const subnet of [host, container]) {
    if (subnet.prefix < 8 || subnet.prefix > LONGEST_PREFIX) {
      throw new DatapathError(
        "BAD_USAGE",
        OP,
        `${subnet.toString()} is no useful subnet: /8 to /${LONGEST_PREFIX} are`,
      );
    }
  }
  if (host.overlaps(container)) {
    throw new DatapathError(
      "BAD_USAGE",
      OP,
      `the host subnet ${config.hostSubnet} and the container subnet ${config.containerSubnet} overlap`,
    );
  }
  for (const { address, prefix, ifindex } of addresses) {
    const network = Subnet.parse(`${address}/32`, OP);
    const whole = new Subnet(network.base, prefix);
    const clash = [host, container].find((subnet) => subnet.overlaps(whole));
    if (clash === undefined) continue;
    const name = netlink.link(ifindex)?.name ?? `interface ${ifindex}`;
    throw new DatapathError(
      "BAD_USAGE",
      OP,
      `${clash.toString()} overlaps the host's own network ${address}/${prefix} on ${name}`,
      {
        hint: "choose others: dp load --host-subnet SUBNET --container-subnet SUBNET",
      },
    );
  }
  if (old === undefined || records.length === 0) return;
  for (const key of ["hostSubnet", "containerSubnet"] as const) {
    if (config[key] === old[key]) continue;
    const what = key === "hostSubnet" ? "the host subnet" : "the container subnet";
    throw new DatapathError(
      "CONFLICT",
      OP,
      `${what} cannot change from ${old[key]} to ${config[key]} under ${labels(records)}`,
      {
        hint: "delete them first: dp del-server --all",
      },
    );
  }
}

/** Finds each server's uplink anew. One whose uplink would not be one any more is a conflict. */
function moveServers(
  records: readonly ServerRecord[],
  netlink: Netlink,
  uplinks: readonly Interface[],
  addresses: readonly HostAddress[],
  options: LoadOptions,
): { record: ServerRecord; uplink: number }[] {
  const stranded: ServerRecord[] = [];
  const moved = records.flatMap((record) => {
    if (!addresses.some(({ address }) => address === record.publicAddress)) {
      options.warn?.(`${record.publicAddress}, the address of ${labels([record])}, is not on this host any more`);
      return [];
    }
    try {
      const { index } = uplinkOf(record.publicAddress, uplinks, addresses, netlink, OP);
      return index === record.uplink ? [] : [{ record, uplink: index }];
    } catch {
      stranded.push(record);
      return [];
    }
  });
  if (stranded.length > 0) {
    throw new DatapathError("CONFLICT", OP, `the uplink of ${labels(stranded)} is not among those to load on`, {
      hint: "name it too (--iface), or delete them first",
    });
  }
  return moved;
}

function carryOut(
  { uplinks, config, addresses, cgroup, oldCgroup, present, moved, servers }: LoadPlan,
  netlink: Netlink,
  previous: Objects | undefined,
  options: LoadOptions,
): LoadResult {
  const pinRoot = pinRootOf(options);
  const { maxServers } = options;
  using pins = previous === undefined ? undefined : PinnedPrograms.open(pinRoot);
  const uplinkNow = (record: ServerRecord) => moved.find((each) => each.record === record)?.uplink ?? record.uplink;
  let opened: Objects | undefined;
  try {
    return Transaction.run(OP, options.onStep, (transaction) => {
      const objects = transaction.step(
        "load programs",
        () => loadBpf({ pinRoot, ...(maxServers === undefined ? {} : { maxServers }) }),
        (loaded) => (pins === undefined ? loaded.unpinAll() : pins.restore()),
      );
      opened = objects;
      const oldConfig = previous?.config();
      transaction.step(
        "configuration",
        () => objects.setConfig(config),
        () => oldConfig !== undefined && objects.setConfig(oldConfig),
      );
      const oldAddresses = objects.hostAddresses();
      transaction.step(
        "host addresses",
        () => refreshHostAddresses(objects, addresses),
        () => objects.setHostAddresses(oldAddresses),
      );
      for (const { record, uplink } of moved) {
        transaction.step(
          `uplink of server ${record.hostPort}`,
          () => setUplink(objects, record, uplink),
          () => setUplink(objects, record, record.uplink),
        );
      }
      transaction.step(
        `attach getsockopt and sockops to ${cgroup}`,
        () => objects.attachAndPinGetsockopt(cgroup),
        () => {
          if (previous !== undefined && oldCgroup !== undefined) previous.attachAndPinGetsockopt(oldCgroup);
          else objects.detachGetsockopt();
        },
      );
      const change = { transaction, objects, previous };
      // The guards of the containers before the door for their players.
      for (const record of present) guard(change, record, options);
      for (const record of present) followMtu(transaction, netlink, record, uplinkNow(record), options, OP);
      for (const uplink of uplinks) attach(change, "dnat", toInterface(uplink));
      for (const { iface, ifindex } of uplinksOf(previous)) {
        if (uplinks.some(({ name }) => name === iface)) continue;
        const link = ifindex === 0 ? undefined : netlink.link(ifindex);
        transaction.step(
          `detach dnat from ${iface}`,
          () => objects.detach("dnat", iface),
          () => link !== undefined && previous?.attachAndPinDnat(toInterface(link)),
        );
      }
      const { uplink: _, portRange, ...settings } = config;
      return {
        upgraded: previous !== undefined,
        pinRoot,
        mechanism: objects.mechanism,
        uplinks: uplinks.map(({ name, index, mac }) => ({ name, ifindex: index, mac })),
        ...settings,
        portRange: [portRange[0], portRange[1]],
        cgroup,
        servers,
      };
    });
  } finally {
    opened?.close();
  }
}

interface Change {
  transaction: Transaction;
  objects: Objects;
  previous: Objects | undefined;
}

const ATTACH = {
  dnat: "attachAndPinDnat",
  snat: "attachAndPinSnat",
  arp: "attachAndPinArp",
  tproxy_host: "attachTproxyHostEgress",
} as const;

/** Attaches a program, or swaps it in place; undone by swapping the previous back in, or by detaching. */
function attach({ transaction, objects, previous }: Change, program: keyof typeof ATTACH, iface: Interface): void {
  transaction.step(
    `attach ${program} to ${iface.name}`,
    () => objects[ATTACH[program]](iface),
    (done) => {
      if (done === "updated" && previous !== undefined) previous[ATTACH[program]](iface);
      else objects.detach(program, iface);
    },
  );
}

/** The programs of a server. */
function guard(change: Change, record: ServerRecord, options: LoadOptions): void {
  const { iface } = record.veth.hostPeer;
  attach(change, "arp", iface);
  attach(change, "snat", iface);
  attach(change, "tproxy_host", iface);
  attachToContainer(change, record, options);
  addVethPairEntry(change, record);
}

/** As {@link attach}, on the container's end. One whose namespace cannot be entered keeps the program it has. */
function attachToContainer(
  { transaction, objects, previous }: Change,
  record: ServerRecord,
  options: LoadOptions,
): void {
  const { hostPeer, podPeer } = record.veth;
  const attachIn = (netns: Fd, those: Objects) =>
    those.attachTproxyCtrEgress(podPeer, { netns, hostPeerName: hostPeer.iface.name });
  transaction.step(
    `attach tproxy_container for ${hostPeer.iface.name}`,
    () => {
      using netns = enterable(record, options);
      return netns === undefined ? undefined : attachIn(netns, objects);
    },
    (done) => {
      using netns = done === "updated" ? enterable(record, options) : undefined;
      if (netns !== undefined && previous !== undefined) attachIn(netns, previous);
      else if (done !== undefined) objects.detach("tproxy_container", hostPeer.iface);
    },
  );
}

function enterable(record: ServerRecord, options: LoadOptions): Fd | undefined {
  try {
    return openServerNetns(record, OP);
  } catch (error) {
    options.warn?.(`the program in the container of ${label(record)} stays as it was: ${messageOf(error)}`);
    return undefined;
  }
}

/** For a server that was added by a build that redirected nothing. */
function addVethPairEntry({ transaction, objects }: Change, record: ServerRecord): void {
  const { veth, gamePort, netnsCookie } = record;
  const target = objects.getSnatTarget(veth.hostPeer.iface.index);
  if (target === undefined || objects.getVethPairEntry(veth.podPeer.addr) !== undefined) return;
  transaction.step(
    `veth pair entry of ${veth.hostPeer.iface.name}`,
    () => objects.addVethPairEntry(veth, { gamePort, group: target.group, netnsCookie }),
    () => objects.delVethPairEntry(veth),
  );
}

function setUplink(objects: Objects, record: ServerRecord, uplink: number): void {
  const { index } = record.veth.hostPeer.iface;
  const target = objects.getSnatTarget(index);
  if (target !== undefined) objects.addSnatTarget(index, { ...target, uplink });
  objects.addNetData({ ...record, uplink }, "replace");
}
