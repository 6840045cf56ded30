import type { DpConfig } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { hasTcx } from "../libbpf/feature.ts";
import { Link } from "../libbpf/link.ts";
import type { SetMode } from "../libbpf/map.ts";
import { possibleCpus } from "../libbpf/per-cpu.ts";
import { pinnedKind, unpin } from "../libbpf/pin.ts";
import type { Program } from "../libbpf/program.ts";
import { clsact } from "./attach-clsact.ts";
import { tcx } from "./attach-tcx.ts";
import type { Mechanism, Place } from "./attachment.ts";
import {
  block,
  blocks,
  type BlockOptions,
  type BlockSelector,
  type ConnectionBlock,
  unblock,
} from "./connection-block.ts";
import { type Counters, NO_DROPS, sumDrops, sumTraffic } from "./counters.ts";
import { octetFilter } from "./host-address.ts";
import { decodeConfig, encodeConfig, type HostConfig } from "./host-config.ts";
import type { Interface } from "./interface.ts";
import type { Maps } from "./maps.ts";
import { type PinRoot, PROGRAMS, type ProgramName } from "./pin-root.ts";
import { decodeRecord, encodeRecord, type ServerRecord } from "./server-record.ts";
import { type DestroyOptions, SockDestroyer } from "./sock-destroyer.ts";
import {
  decodeDnatTarget,
  decodeSnatTarget,
  type DnatTarget,
  encodeDnatTarget,
  encodeEndpoint,
  encodeSnatTarget,
  type PublicEndpoint,
  type SnatTarget,
} from "./target.ts";

/** A program attached to an interface. */
export interface Attachment {
  program: ProgramName;
  /** The interface's name when it was attached. */
  iface: string;
  /** 0 when the interface is gone. */
  ifindex: number;
  /** The pin that keeps it. */
  path: string;
  mechanism: "tcx" | "clsact";
}

/** The key of the counters of what belongs to no server. */
const HOST_WIDE = 0;

/**
 * The loaded datapath: programs, maps and links pinned under one pin root.
 *
 * Addresses are dotted IPv4 strings, MACs "7e:90:c4:ed:df:d0", ports and interface indexes plain numbers; byte order is
 * taken care of. A value that cannot be (an address that is none, a name too long) throws `DatapathError` BAD_USAGE and
 * changes nothing; a full map throws `MapFullError`.
 *
 * Interfaces are those of the calling thread's network namespace: the host's. Changes are not locked here; whoever
 * makes them takes the pin root's lock first.
 *
 * Disposing closes descriptors. Everything pinned stays and goes on working.
 */
export class Objects implements Disposable {
  /** The folder everything is pinned under. */
  readonly pinRoot: string;
  readonly #root: PinRoot;
  readonly #programs: Readonly<Record<ProgramName, Program>>;
  readonly #maps: Maps;
  readonly #mechanism: "tcx" | "clsact" | undefined;
  #destroyer: SockDestroyer | undefined;

  /** Internal: use {@link loadBpf} or {@link openPinned}. */
  constructor(
    root: PinRoot,
    programs: Readonly<Record<ProgramName, Program>>,
    maps: Maps,
    mechanism?: "tcx" | "clsact",
  ) {
    this.pinRoot = root.path;
    this.#root = root;
    this.#programs = programs;
    this.#maps = maps;
    this.#mechanism = mechanism;
  }

  /** How programs are attached: as was asked for, or as this kernel can. Throws without the privileges to find out. */
  get mechanism(): "tcx" | "clsact" {
    return this.#mechanism ?? (hasTcx() ? "tcx" : "clsact");
  }

  /**
   * Sends what arrives at a public endpoint to a container, from this moment on. Replaces what was there, and counts
   * from zero.
   */
  addDnatTarget(endpoint: PublicEndpoint, target: DnatTarget): void {
    this.#maps.dnatTargets.set(encodeEndpoint(endpoint), onEachCpu(encodeDnatTarget(target)));
  }

  /** False when there was none. */
  delDnatTarget(endpoint: PublicEndpoint): boolean {
    return this.#maps.dnatTargets.delete(encodeEndpoint(endpoint));
  }

  /** Where a public endpoint's packets go. */
  getDnatTarget(endpoint: PublicEndpoint): DnatTarget | undefined {
    const [target] = this.#maps.dnatTargets.get(encodeEndpoint(endpoint)) ?? [];
    return target === undefined ? undefined : decodeDnatTarget(target);
  }

  /** All public endpoints with where their packets go. */
  dnatTargets(): (PublicEndpoint & DnatTarget)[] {
    return [...this.#maps.dnatTargets].flatMap(([key, [target]]) =>
      target === undefined ? [] : [{ address: key.addr, port: key.port, ...decodeDnatTarget(target) }],
    );
  }

  /**
   * Lets a container's packets in at its host peer, as far as they are what they should be. Replaces what was there,
   * and counts from zero.
   */
  addSnatTarget(hostPeer: number, target: SnatTarget): void {
    this.#maps.snatTargets.set(hostPeer, onEachCpu(encodeSnatTarget(target)));
  }

  /** From then on nothing of that container gets through. False when there was none. */
  delSnatTarget(hostPeer: number): boolean {
    return this.#maps.snatTargets.delete(hostPeer);
  }

  /** What is known of the container behind a host peer. */
  getSnatTarget(hostPeer: number): SnatTarget | undefined {
    const [target] = this.#maps.snatTargets.get(hostPeer) ?? [];
    return target === undefined ? undefined : decodeSnatTarget(target);
  }

  /** All of them, with their host peers' ifindexes. */
  snatTargets(): (SnatTarget & { hostPeer: number })[] {
    return [...this.#maps.snatTargets].flatMap(([hostPeer, [target]]) =>
      target === undefined ? [] : [{ hostPeer, ...decodeSnatTarget(target) }],
    );
  }

  /**
   * Keeps the record of a server under its host port.
   *
   * @param mode "create" throws `SyscallError` EEXIST when the port has one, "replace" ENOENT when it has none
   */
  addNetData(record: ServerRecord, mode: SetMode = "any"): void {
    this.#maps.netRecords.set({ hostPort: record.hostPort }, encodeRecord(record), mode);
  }

  getNetData(hostPort: number): ServerRecord | undefined {
    const data = this.#maps.netRecords.get({ hostPort });
    return data === undefined ? undefined : decodeRecord(data);
  }

  /** False when there was none. */
  delNetData(hostPort: number): boolean {
    return this.#maps.netRecords.delete({ hostPort });
  }

  /** The records of all servers, by host port. */
  netData(): ServerRecord[] {
    const records = [...this.#maps.netRecords].map(([, data]) => decodeRecord(data));
    return records.sort((one, other) => one.hostPort - other.hostPort);
  }

  /** The host's configuration; undefined before it was set for the first time. */
  config(): HostConfig | undefined {
    const data = this.#maps.configs.get(0);
    return data === undefined ? undefined : decodeConfig(data);
  }

  /** Takes effect with the next packet. */
  setConfig(config: HostConfig): void {
    this.#maps.configs.set(0, encodeConfig(config, this.#storedConfig().hostOctets));
  }

  #storedConfig(): DpConfig {
    const data = this.#maps.configs.get(0);
    // An array map has all its entries from the start.
    if (data === undefined) throw new DatapathError("FAILED", "read the host's configuration", "the map has no entry");
    return data;
  }

  /**
   * Makes these, and no others, the addresses of the host itself, besides host peers': a server's reply to one of them
   * goes up the host's own stack. An address that stays is there throughout.
   */
  setHostAddresses(addresses: readonly { address: string; ifindex: number }[]): void {
    const map = this.#maps.hostAddrs;
    const wanted = new Set(addresses.map(({ address }) => address));
    const old = [...map.keys()].filter((address) => !wanted.has(address));
    for (const { address, ifindex } of addresses) map.set(address, { ifindex });
    // The filter in front of the map: set once all it lets through is there, before anything is taken away.
    this.#maps.configs.set(0, { ...this.#storedConfig(), hostOctets: octetFilter(wanted) });
    map.deleteMany(old);
  }

  hostAddresses(): { address: string; ifindex: number }[] {
    return [...this.#maps.hostAddrs].map(([address, { ifindex }]) => ({ address, ifindex }));
  }

  /** Starts counting what is dropped of a host peer's packets, from zero. Without this it counts with the host's. */
  addCounters(hostPeer: number): void {
    this.#maps.dropCounts.set(hostPeer, onEachCpu(NO_DROPS));
  }

  /**
   * What a host peer's packets came to: its traffic as long as it has its targets, its drops as long as it has
   * counters. undefined when it has neither. Of 0: the drops that belong to no server.
   */
  counters(hostPeer: number = HOST_WIDE): Counters | undefined {
    const drops = this.#maps.dropCounts.get(hostPeer);
    const out = this.#maps.snatTargets.get(hostPeer);
    if (drops === undefined && out === undefined) return undefined;
    const endpoint = out?.[0] && { addr: out[0].publicAddr, port: out[0].publicPort };
    const into = endpoint && this.#maps.dnatTargets.get(endpoint);
    return { in: sumTraffic(into), out: sumTraffic(out), drops: sumDrops(drops) };
  }

  /** False when there were none. The host's own stay: 0 is refused. */
  delCounters(hostPeer: number): boolean {
    if (hostPeer === HOST_WIDE) {
      throw new DatapathError("BAD_USAGE", "delete counters", "those of no server always stay");
    }
    return this.#maps.dropCounts.delete(hostPeer);
  }

  /** Internal: makes the counters of what belongs to no server, unless they are there. */
  startHostCounters(): void {
    if (this.#maps.dropCounts.get(HOST_WIDE) === undefined) this.addCounters(HOST_WIDE);
  }

  /**
   * Puts dp_dnat on an uplink's ingress, pinned as `progs/dp_dnat_IFACE`.
   *
   * An upsert: what is there already has its program swapped in place, so that no packet meets none. What is pinned for
   * an interface that is gone is replaced.
   */
  attachAndPinDnat(iface: Interface): "attached" | "updated" {
    return this.#upsert("dnat", iface);
  }

  /** Puts dp_snat on a host peer's ingress, behind dp_arp; see {@link attachAndPinDnat}. */
  attachAndPinSnat(iface: Interface): "attached" | "updated" {
    return this.#upsert("snat", iface);
  }

  /** Puts dp_arp on a host peer's ingress, before dp_snat; see {@link attachAndPinDnat}. */
  attachAndPinArp(iface: Interface): "attached" | "updated" {
    return this.#upsert("arp", iface);
  }

  #upsert(name: ProgramName, iface: Interface): "attached" | "updated" {
    const path = this.#root.link(name, iface.name);
    const place: Place = { program: name, iface, path, pathOf: (other) => this.#root.link(other, iface.name) };
    const program = this.#programs[name];
    if (mechanismOf(path)?.update(place, program) === true) return "updated";
    (this.mechanism === "tcx" ? tcx : clsact).attach(place, program);
    return "attached";
  }

  /** Takes a program off an interface and unpins it. False when it is not pinned there. */
  detach(program: ProgramName, iface: Pick<Interface, "name"> | string): boolean {
    const ifaceName = typeof iface === "string" ? iface : iface.name;
    const path = this.#root.link(program, ifaceName);
    const mechanism = mechanismOf(path);
    mechanism?.detach({ program, path, ifaceName });
    return mechanism !== undefined;
  }

  /** Every program that is attached and pinned under this root, also where the interface is gone. */
  attachments(): Attachment[] {
    return this.#root.links().flatMap(({ program, iface, path }) => {
      const mechanism = mechanismOf(path);
      if (mechanism === undefined) return [];
      const ifindex = mechanism.ifindex({ program, path, ifaceName: iface });
      return [{ program, iface, ifindex, path, mechanism: mechanism.name }];
    });
  }

  /**
   * Refuses every new IPv4 connection of a cgroup and those below it: connect(2) of TCP and UDP sockets fails with EPERM.
   * Pinned as `progs/dp_block_connect4_NAME`. What is connected stays so; whoever listens can still accept.
   *
   * An upsert: a block of that name is moved to this cgroup, or updated where it is, without a gap.
   *
   * @param cgroupPath a folder on a cgroup2 mount
   */
  blockIp4Connections(cgroupPath: string, options: BlockOptions = {}): "attached" | "updated" {
    return block(this.#root, 4, cgroupPath, options);
  }

  /** As {@link blockIp4Connections}, for IPv6 sockets: also where they connect to IPv4-mapped addresses. */
  blockIp6Connections(cgroupPath: string, options: BlockOptions = {}): "attached" | "updated" {
    return block(this.#root, 6, cgroupPath, options);
  }

  /** Allows what {@link blockIp4Connections} refused, by the cgroup's path or the block's name. False when nothing was. */
  unblockIp4Connections(selector: BlockSelector): boolean {
    return unblock(this.#root, 4, selector);
  }

  /** Allows what {@link blockIp6Connections} refused. */
  unblockIp6Connections(selector: BlockSelector): boolean {
    return unblock(this.#root, 6, selector);
  }

  /** Everything that is refused under this root. */
  connectionBlocks(): ConnectionBlock[] {
    return blocks(this.#root);
  }

  /**
   * Destroys the TCP sockets of a network namespace, but for listeners: those connected, being connected and being
   * closed. The far end gets a reset, the process ECONNABORTED. What no process holds stays: TIME_WAIT, and connections
   * a listener has not made yet.
   *
   * Those that appear meanwhile are destroyed too; block first (`blockIp4Connections`), or there may be more.
   *
   * @returns how many
   *
   * Throws `UnsupportedError` on a kernel without bpf_sock_destroy (before 6.5), then nothing was destroyed.
   */
  destroyTcpSocks(options: DestroyOptions = {}): number {
    return this.#loadedDestroyer().destroy("tcp", options);
  }

  /**
   * Destroys the connected UDP sockets of a network namespace: the process gets ECONNABORTED once, and has an unconnected
   * socket from then on. Unconnected ones stay. As {@link destroyTcpSocks} otherwise.
   */
  destroyUdpSocks(options: DestroyOptions = {}): number {
    return this.#loadedDestroyer().destroy("udp", options);
  }

  /** Throws what the destroy functions would on a kernel that cannot: for who wants to know before changing anything. */
  requireSockDestroy(): void {
    this.#loadedDestroyer();
  }

  #loadedDestroyer(): SockDestroyer {
    return (this.#destroyer ??= SockDestroyer.load());
  }

  /**
   * Detaches and unpins everything of datapath's under this root, dnat first, and removes its folders. Pins of others
   * in there stay. Done twice, it does nothing the second time. The maps' contents end with the last descriptor.
   */
  unpinAll(): void {
    for (const { program, iface } of sortByProgram(this.attachments())) this.detach(program, iface);
    const { progs, maps } = this.#root.pins();
    for (const path of progs) {
      // A link of a program this build does not know: unpinned alone, it would live on in whoever has it open.
      if (pinnedKind(path) === "link") {
        using link = Link.fromPin(path);
        link.detach();
      }
      unpin(path);
    }
    for (const path of maps) unpin(path);
    this.#root.removeFolders();
  }

  /** Closes its descriptors. */
  close(): void {
    this.#destroyer?.[Symbol.dispose]();
    this.#destroyer = undefined;
    for (const program of Object.values(this.#programs)) program.close();
    for (const map of Object.values(this.#maps)) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** By what is pinned: it may have been attached by another kernel's rules than this process would choose. */
function mechanismOf(path: string): Mechanism | undefined {
  const kind = pinnedKind(path);
  if (kind === "link") return tcx;
  return kind === "program" ? clsact : undefined;
}

function sortByProgram(attachments: readonly Attachment[]): Attachment[] {
  return attachments.toSorted((one, other) => PROGRAMS.indexOf(one.program) - PROGRAMS.indexOf(other.program));
}

/** Per-CPU maps are written the same for every CPU: only counters differ, and they start at zero. */
function onEachCpu<T>(value: T): T[] {
  return Array.from({ length: possibleCpus() }, () => value);
}
