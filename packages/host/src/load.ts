import {
  type Attachment,
  type HostConfig,
  type Interface,
  loadBpf,
  type Objects,
  type ServerRecord,
  snapshotPins,
} from "@dp/core";
import { adoptFilters, chooseMechanism, functionName } from "@dp/core/internal";
import { type Link, Netlink } from "@dp/netlink";
import { DatapathError, type Fd, isBpffs, isCgroup2 } from "@dp/sys";
import { unpinnedFilters } from "./adopt-filters.ts";
import { cgroup2Mount, cgroupFolderById } from "./cgroup.ts";
import { checkAddress, checkPort, checkPortRange } from "./check-input.ts";
import { openServerNetns } from "./container-processes.ts";
import { ephemeralRange, overlap, type PortRange } from "./ephemeral-range.ts";
import type { Finding } from "./finding.ts";
import { type HostAddress, hostAddresses, refreshHostAddresses } from "./host-addresses.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { inspect } from "./inspect.ts";
import { type Home, moveServer } from "./move-server.ts";
import { hasPins, openIfLoaded, openPreviousLoad, withPreparedPinRoot } from "./pin-root.ts";
import { findHostPeer } from "./present.ts";
import { requirePrivileges } from "./privileges.ts";
import { putRight } from "./put-right.ts";
import { recoverServers } from "./remove.ts";
import { Scene } from "./scene.ts";
import { followMtu } from "./server-mtu.ts";
import { label, labels } from "./server.ts";
import { inspectStrayInterfaces } from "./stray-interfaces.ts";
import { Subnet } from "./subnet.ts";
import { tidyRecords } from "./tidy-records.ts";
import { messageOf, Transaction } from "./transaction.ts";
import { defaultAddress, defaultUplinks, findUplink, toInterface, uplinkOf, uplinkOptions } from "./uplink.ts";

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
  /** How many servers there is room for. Default: as many as before, 65,536 at the first load. */
  maxServers?: number | undefined;
  /** The version of who loads, for people who find it loaded by another. */
  build?: string | undefined;
}

/** An interface to the internet. */
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
  /** What is attached now, with the kernel's number of it; equal tags are equal code. */
  programs: { name: string; id: number; tag: string }[];
  /** The maps that got another layout or size, with what was in them. */
  migrated: string[];
  /** What servers that are alive lacked, and were given back. */
  mended: Finding[];
  /** What is wrong still: each says who can put it right. */
  remaining: Finding[];
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
  if (!isBpffs(pinRootOf(options)) && unpinnedFilters(netlink).length === 0) {
    clearStrayInterfaces(netlink, [], options);
    planLoad(netlink, undefined, options);
  }
  return await withPreparedPinRoot(options, OP, () => {
    takeOverFilters(netlink, options);
    using previous = openPreviousLoad(options);
    if (previous !== undefined) recoverServers(previous, netlink, previous.netData(), options);
    clearStrayInterfaces(netlink, previous?.netData() ?? [], options);
    if (previous !== undefined) warnOfMechanism(previous, options);
    const plan = planLoad(netlink, previous, options);
    if (options.portRange !== undefined) warnOfEphemeralPorts(options.portRange, options);
    const loaded = carryOut(plan, netlink, previous, options);
    return { ...loaded, ...mendServers(netlink, options) };
  });
}

/**
 * Where the bpffs was unmounted, and what was on it is gone, servers' interfaces are left without their programs and
 * records. They are of no use, and their addresses would be in the way.
 */
function clearStrayInterfaces(netlink: Netlink, records: readonly ServerRecord[], options: LoadOptions): void {
  const { done } = putRight(() => inspectStrayInterfaces(netlink, netlink.links(), records), options);
  for (const { finding } of done) options.warn?.(`removed: ${finding.what}`);
}

/** Where the bpffs was unmounted under clsact filters, they are what is loaded. */
function takeOverFilters(netlink: Netlink, options: LoadOptions): void {
  const pinRoot = pinRootOf(options);
  const filters = hasPins(pinRoot) ? [] : unpinnedFilters(netlink);
  if (filters.length === 0) return;
  options.warn?.(`the pins under ${pinRoot} were lost; what goes on working without them is taken over`);
  adoptFilters(pinRoot, filters);
}

/** What is loaded is right by then; this is for what is around it: routes, addresses, entries that were lost. */
function mendServers(netlink: Netlink, options: LoadOptions): Pick<LoadResult, "mended" | "remaining"> {
  using objects = openIfLoaded(options);
  if (objects === undefined) return { mended: [], remaining: [] };
  tidyRecords(objects, options);
  const look = () => inspect(new Scene(objects, netlink, options));
  const { done, remaining } = putRight(look, { ...options, only: "mend" });
  return { mended: done.map(({ finding }) => finding), remaining };
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
  /** Those that get another address or uplink than they had: the interface was deleted and made again. */
  moved: readonly { record: ServerRecord; home: Home }[];
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
  const moved = moveServers({ records, old, config, netlink, uplinks: interfaces, addresses, options });
  const present = records.filter(
    (record) => previous !== undefined && findHostPeer(previous, record, netlink) !== undefined,
  );
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
  const kept = uplinksOf(previous).flatMap(({ iface, ifindex }) => {
    // Under the name it had, or the one it has now.
    const link = netlink.link(iface) ?? (ifindex === 0 ? undefined : netlink.link(ifindex));
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

/** Half of the programs one way and half the other would run in another order: whoever was first decides. */
function warnOfMechanism({ mechanism }: Objects, { warn }: LoadOptions): void {
  const forced = process.env["DP_ATTACH"] ?? "";
  if (forced === "" || chooseMechanism() === mechanism) return;
  warn?.(`DP_ATTACH=${forced} changes nothing: what is loaded stays attached by ${mechanism}, until dp unload`);
}

function warnOfEphemeralPorts(range: PortRange, { warn }: LoadOptions): void {
  const shared = overlap(range, ephemeralRange());
  if (shared === undefined) return;
  warn?.(
    `the host's own connections use the ports ${shared.join("-")} (net.ipv4.ip_local_port_range): "auto" leaves them out`,
  );
}

/** Every server has one address of each subnet; below /30 there is room for none. */
const LONGEST_PREFIX = 30;

/** "This network", loopback and multicast: nothing is sent there as to a computer. */
const NO_COMPUTERS = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4"].map((text) => Subnet.parse(text, OP));

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
    const useless = NO_COMPUTERS.find((each) => each.overlaps(subnet));
    if (useless !== undefined) {
      throw new DatapathError("BAD_USAGE", OP, `no computer can have an address of ${useless.toString()}`, {
        hint: "private networks are 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16",
      });
    }
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

interface Move {
  records: readonly ServerRecord[];
  old: HostConfig | undefined;
  config: HostConfig;
  netlink: Netlink;
  uplinks: readonly Interface[];
  addresses: readonly HostAddress[];
  options: LoadOptions;
}

/**
 * Finds each server's uplink anew, and another address for those whose address was the host's default and is not on the
 * host any more. One whose uplink would not be one any more is a conflict.
 */
function moveServers({ records, old, config, netlink, uplinks, addresses, options }: Move): LoadPlan["moved"] {
  const stranded: ServerRecord[] = [];
  const moved = records.flatMap((record) => {
    let { publicAddress } = record;
    if (!addresses.some(({ address }) => address === publicAddress)) {
      if (publicAddress !== old?.publicAddress) {
        options.warn?.(`${publicAddress}, the address of ${labels([record])}, is not on this host any more`);
        return [];
      }
      ({ publicAddress } = config);
    }
    try {
      const uplink = uplinkOf(publicAddress, uplinks, addresses, netlink, OP).index;
      const stays = uplink === record.uplink && publicAddress === record.publicAddress;
      return stays ? [] : [{ record, home: { publicAddress, uplink } }];
    } catch {
      stranded.push(record);
      return [];
    }
  });
  if (stranded.length > 0) {
    const owners = addresses.filter(({ address }) => stranded.some((each) => each.publicAddress === address));
    const names = [
      ...uplinks.map(({ name }) => name),
      ...owners.flatMap(({ ifindex }) => netlink.link(ifindex)?.name ?? []),
    ];
    throw new DatapathError("CONFLICT", OP, `the uplink of ${labels(stranded)} is not among those to load on`, {
      hint: `name it too, or delete them first: dp load ${uplinkOptions(names)}`,
    });
  }
  return moved;
}

function carryOut(
  { uplinks, config, addresses, cgroup, oldCgroup, present, moved, servers }: LoadPlan,
  netlink: Netlink,
  previous: Objects | undefined,
  options: LoadOptions,
): Omit<LoadResult, "mended" | "remaining"> {
  const pinRoot = pinRootOf(options);
  const { maxServers, build = "" } = options;
  using before = snapshotPins({ pinRoot });
  const uplinkNow = (record: ServerRecord) =>
    moved.find((each) => each.record === record)?.home.uplink ?? record.uplink;
  let opened: Objects | undefined;
  try {
    return Transaction.run(OP, options.onStep, (transaction) => {
      const objects = transaction.step(
        "load programs",
        () => loadBpf({ pinRoot, build, ...(maxServers === undefined ? {} : { maxServers }) }),
        (loaded) => (previous === undefined ? loaded.unpinAll() : before.restore()),
      );
      opened = objects;
      const oldConfig = previous?.config();
      if (oldConfig !== undefined) {
        transaction.step(
          "configuration",
          () => objects.setConfig(config),
          () => objects.setConfig(oldConfig),
        );
      }
      const oldAddresses = objects.hostAddresses();
      transaction.step(
        "host addresses",
        () => refreshHostAddresses(objects, addresses),
        () => objects.setHostAddresses(oldAddresses),
      );
      const oldUplinks = objects.uplinks();
      for (const { name, index } of uplinks) {
        transaction.step(
          `uplink ${name}`,
          () => objects.addUplink(index),
          () => oldUplinks.includes(index) || objects.delUplink(index),
        );
      }
      for (const { record, home } of moved) {
        transaction.step(
          `address and uplink of server ${record.hostPort}`,
          () => moveServer(objects, record, home),
          () => moveServer(objects, { ...record, ...home }, record),
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
      const unreached = new Set<string>();
      const change = { transaction, objects, previous, unreached };
      // The guards of the containers before the door for their players.
      for (const record of present) guard(change, record, options);
      // It wants the mark of dp_snat, which that of before may not give: after all of those have been swapped.
      transaction.step(
        "attach guard",
        () => attachGuard(objects, options),
        // One that was there before stays in the new one's shape: they do the same.
        (attached) => attached === "attached" && objects.detachGuard(),
      );
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
        if (ifindex !== 0) {
          transaction.step(
            `no uplink ${iface}`,
            () => objects.delUplink(ifindex),
            () => objects.addUplink(ifindex),
          );
        }
      }
      const reached = present.map(({ veth }) => veth.hostPeer.iface.name).filter((name) => !unreached.has(name));
      transaction.step("verify programs", () =>
        verify(objects, new Set([...reached, ...uplinks.map(({ name }) => name)])),
      );
      // Nothing runs the previous programs any more: what they wrote into maps of theirs is complete.
      const migrated = transaction.step("finish upgrade", () => objects.finishUpgrade());
      // Last: whoever finds none knows that what is there was not finished.
      if (oldConfig === undefined) transaction.step("configuration", () => objects.setConfig(config));
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
        programs: objects.programs().map(({ program, id, tag }) => ({ name: functionName(program), id, tag })),
        migrated,
      };
    });
  } finally {
    opened?.close();
  }
}

function attachGuard(objects: Objects, options: LoadOptions): "attached" | "updated" | "unsupported" {
  const attached = objects.attachAndPinGuard();
  if (attached === "unsupported") {
    options.warn?.(
      "this kernel (before 6.4) has no BPF programs in netfilter: whoever rules over a container's network reaches the " +
        "host's own services by way of an ifb device",
    );
  }
  return attached;
}

interface Change {
  transaction: Transaction;
  objects: Objects;
  previous: Objects | undefined;
  /** Host peers whose containers could not be entered. */
  unreached: Set<string>;
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
  addHostPeer(change, record);
  attach(change, "arp", iface);
  attach(change, "snat", iface);
  attach(change, "tproxy_host", iface);
  attachToContainer(change, record, options);
  addVethPairEntry(change, record);
}

/**
 * As {@link attach}, on the container's end. Where that means to enter the namespace (to attach anew, or to replace a
 * filter) and that cannot be, the container keeps the program it has.
 */
function attachToContainer(
  { transaction, objects, previous, unreached }: Change,
  record: ServerRecord,
  options: LoadOptions,
): void {
  const { hostPeer, podPeer } = record.veth;
  const { name } = hostPeer.iface;
  const attachIn = (netns: Fd, those: Objects) => those.attachTproxyCtrEgress(podPeer, { netns, hostPeerName: name });
  transaction.step(
    `attach tproxy_container for ${name}`,
    () => {
      if (objects.swapTproxyCtrEgress(name)) return "updated";
      using netns = enterable(record, options);
      if (netns === undefined) unreached.add(name);
      return netns === undefined ? undefined : attachIn(netns, objects);
    },
    (done) => {
      if (done === "updated" && previous?.swapTproxyCtrEgress(name) === true) return;
      using netns = done === "updated" ? enterable(record, options) : undefined;
      if (netns !== undefined && previous !== undefined) attachIn(netns, previous);
      else if (done !== undefined) objects.detach("tproxy_container", hostPeer.iface);
    },
  );
}

/** Asks the kernel what runs on these interfaces and on the cgroup: the programs that were just loaded, no others. */
function verify(objects: Objects, names: ReadonlySet<string>): void {
  const attached = objects
    .attachments()
    .filter(({ iface, ifindex, programId }) => names.has(iface) && ifindex !== 0 && programId !== undefined);
  const onCgroup = objects.cgroupAttachments().filter(({ cgroupId }) => cgroupId !== 0n);
  const other = [...attached, ...onCgroup].find(({ program, programId }) => programId !== objects.programId(program));
  if (other === undefined) return;
  throw new DatapathError("FAILED", OP, `${other.path} runs program ${other.programId}, which was not just loaded`, {
    hint: "somebody else changes what is attached: see bpftool net",
  });
}

function enterable(record: ServerRecord, options: LoadOptions): Fd | undefined {
  try {
    return openServerNetns(record, OP);
  } catch (error) {
    options.warn?.(`the program in the container of ${label(record)} stays as it was: ${messageOf(error)}`);
    return undefined;
  }
}

/** For a server that was added by a build that trusted interface indexes. */
function addHostPeer({ transaction, objects }: Change, { veth: { hostPeer, podPeer } }: ServerRecord): void {
  if (objects.getHostPeer(podPeer.addr) !== undefined) return;
  transaction.step(
    `host peer ${hostPeer.iface.name}`,
    () => objects.addHostPeer(podPeer.addr, hostPeer.iface.index),
    () => objects.delHostPeer(podPeer.addr),
  );
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
