import { type DpConfig, mapLayouts } from "@dp/bpf";
import { DatapathError, type Fd, withNetns } from "@dp/sys";
import { Link } from "../libbpf/link.ts";
import type { SetMode } from "../libbpf/map.ts";
import { possibleCpus } from "../libbpf/per-cpu.ts";
import { pinnedKind, unpin } from "../libbpf/pin.ts";
import type { Program } from "../libbpf/program.ts";
import { detachCgroup, pinnedCgroup, programOnCgroup, upsertCgroup } from "./attach-cgroup.ts";
import { clearUp, clsact, clsactProgram } from "./attach-clsact.ts";
import { swapTcx, tcx } from "./attach-tcx.ts";
import type { Mechanism, Place } from "./attachment.ts";
import { chooseMechanism, type MechanismName } from "./choose-mechanism.ts";
import {
  block,
  blocks,
  type BlockOptions,
  type BlockSelector,
  type ConnectionBlock,
  unblock,
} from "./connection-block.ts";
import { type Counters, NO_DROPS, sumDrops, sumTraffic } from "./counters.ts";
import {
  decodeFlow,
  decodeVethPair,
  encodeVethPair,
  type Flow,
  flowKeyOf,
  type VethPairEntry,
  type VethPairOptions,
} from "./flow.ts";
import { attachGuard, detachGuard } from "./guard.ts";
import { octetFilter } from "./host-address.ts";
import { decodeConfig, encodeConfig, type HostConfig, withoutConfig } from "./host-config.ts";
import { decodeAddress, encodeAddress, type HostPeerEntry } from "./host-peer.ts";
import { type Interface, interfaceName, type VethPair, type VethPeer } from "./interface.ts";
import type { Maps } from "./maps.ts";
import {
  CGROUP_PROGRAMS,
  type CgroupProgram,
  functionName,
  INTERFACE_PROGRAMS,
  type InterfaceProgram,
  type PinRoot,
  type ProgramName,
  PROGRAMS,
} from "./pin-root.ts";
import type { ServerRecord } from "./server-record.ts";
import { ServerRecords } from "./server-records.ts";
import { type DestroyOptions, SockDestroyer } from "./sock-destroyer.ts";
import { needsLoad } from "./stamp.ts";
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
import { finishUpgrade } from "./upgrade.ts";

/** A program attached to an interface. */
export interface Attachment {
  program: InterfaceProgram;
  /** The interface's name when it was attached. Of `tproxy_container` it is the host peer's. */
  iface: string;
  /**
   * 0 when the interface is gone. Of `tproxy_container` it is the container peer's, in the container's namespace; or,
   * with clsact, the host peer's, which goes when that goes.
   */
  ifindex: number;
  /**
   * The kernel's number of the program that runs there, 0 when none does: the interface is gone, or somebody took the
   * program off it. Of `tproxy_container` with clsact undefined: see {@link Objects.containerProgram}.
   */
  programId: number | undefined;
  /** The pin that keeps it. */
  path: string;
  mechanism: MechanismName;
}

/** A program attached to a cgroup. */
export interface CgroupAttachment {
  program: CgroupProgram;
  /** The inode number of the cgroup's folder; 0 when it is gone. */
  cgroupId: bigint;
  /** The kernel's number of the program that runs there; 0 when the cgroup is gone. */
  programId: number;
  /** The pin that keeps it. */
  path: string;
}

/** Where a container peer is. */
export interface ContainerPlace {
  /** The container's network namespace. */
  netns: Fd;
  /** The other end of the veth pair, which names the pin: container peers' names are not unique. */
  hostPeerName: string;
}

/** How many host peers are asked for, to tell whether what is loaded is for this network namespace. */
const WITNESSES = 8;

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
  /** The records of servers: how they are found, and what of them goes on. */
  readonly records: ServerRecords;
  readonly #root: PinRoot;
  readonly #programs: Readonly<Partial<Record<ProgramName, Program>>>;
  readonly #maps: Maps;
  readonly #asked: MechanismName | undefined;
  #mechanism: MechanismName | undefined;
  #destroyer: SockDestroyer | undefined;

  /** Internal: use {@link loadBpf} or {@link openPinned}. */
  constructor(
    root: PinRoot,
    programs: Readonly<Partial<Record<ProgramName, Program>>>,
    maps: Maps,
    mechanism?: MechanismName,
  ) {
    this.pinRoot = root.path;
    this.#root = root;
    this.#programs = programs;
    this.#maps = maps;
    this.records = new ServerRecords(maps);
    this.#asked = mechanism;
  }

  /**
   * How programs are attached: by the mechanism of those that are attached already, else as was asked for, else by TCX
   * where this kernel has it. Throws without the privileges to find out.
   */
  get mechanism(): MechanismName {
    return (this.#mechanism ??= this.#mechanismInUse() ?? chooseMechanism(this.#asked));
  }

  /** Told by an uplink's pin, of which there are few; by any there is where none of those is found. */
  #mechanismInUse(): MechanismName | undefined {
    for (const ifindex of this.uplinks()) {
      const name = interfaceName(ifindex);
      const mechanism = name === undefined ? undefined : mechanismOf(this.#root.link("dnat", name));
      if (mechanism !== undefined) return mechanism.name;
    }
    const [first] = this.#root.links();
    return first === undefined ? undefined : mechanismOf(first.path)?.name;
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
   * Lets packets into a container by this interface, of the calling thread's network namespace. It ends with the
   * interface: the kernel takes it out the moment it is deleted, whoever gets its index after. Throws `SyscallError`
   * EINVAL without such an interface.
   */
  addHostPeer(containerAddress: string, hostPeer: number): void {
    this.#maps.hostPeers.set(encodeAddress(containerAddress), hostPeer);
  }

  /** From then on nothing gets into that container. False when there was none: its interface is gone. */
  delHostPeer(containerAddress: string): boolean {
    return this.#maps.hostPeers.delete(encodeAddress(containerAddress));
  }

  /** ifindex of the interface a container is entered by; undefined when that is gone. */
  getHostPeer(containerAddress: string): number | undefined {
    return this.#maps.hostPeers.get(encodeAddress(containerAddress));
  }

  /** The host peers of all servers whose interface is there; or of any so many, without looking at the others. */
  hostPeers(most = Infinity): HostPeerEntry[] {
    const entries: HostPeerEntry[] = [];
    for (const [address, hostPeer] of this.#maps.hostPeers) {
      if (entries.length >= most) break;
      entries.push({ containerAddress: decodeAddress(address), hostPeer });
    }
    return entries;
  }

  /**
   * An interface in use that is not in the calling thread's network namespace: what is loaded is for another one. The
   * kernel takes an interface out of these maps when it goes, or moves to another namespace. So one that is in there,
   * and not here, is elsewhere. undefined when there is none among the uplinks and the first few host peers: an index
   * may be another interface's here, but not all of them.
   */
  foreignInterface(): number | undefined {
    // In this order: what goes away meanwhile says nothing any more.
    const isElsewhere = (index: number, isThere: () => boolean) => interfaceName(index) === undefined && isThere();
    const uplink = this.uplinks().find((index) => isElsewhere(index, () => this.uplinks().includes(index)));
    if (uplink !== undefined) return uplink;
    const peer = this.hostPeers(WITNESSES).find(({ containerAddress, hostPeer }) =>
      isElsewhere(hostPeer, () => this.getHostPeer(containerAddress) === hostPeer),
    );
    return peer?.hostPeer;
  }

  /** Lets replies to players leave by this interface, until it is deleted; see {@link addHostPeer}. */
  addUplink(ifindex: number): void {
    this.#maps.uplinks.set(ifindex, ifindex);
  }

  /** False when there was none. */
  delUplink(ifindex: number): boolean {
    return this.#maps.uplinks.delete(ifindex);
  }

  /** ifindexes of the interfaces replies may leave by. */
  uplinks(): number[] {
    return [...this.#maps.uplinks.keys()];
  }

  /**
   * Sends what a container opens to the proxy. Added again, it keeps the count of its flows.
   *
   * @param pair of the host peer, ifindex and address count; of the container peer, address and MAC
   */
  addVethPairEntry(pair: VethPair, options: VethPairOptions): void {
    const before = this.#maps.vethPairs.get(pair.podPeer.addr);
    this.#maps.vethPairs.set(pair.podPeer.addr, encodeVethPair(pair, options, before?.flows ?? 0));
  }

  /**
   * What that container sends is not redirected any more, and its flows are free to be removed with {@link delFlows}.
   * False when there was none.
   */
  delVethPairEntry(pair: VethPair | string): boolean {
    return this.#maps.vethPairs.delete(typeof pair === "string" ? pair : pair.podPeer.addr);
  }

  /** What {@link addVethPairEntry} entered for a container address; undefined when nobody has it. */
  getVethPairEntry(containerAddress: string): VethPairEntry | undefined {
    const pair = this.#maps.vethPairs.get(containerAddress);
    return pair === undefined ? undefined : decodeVethPair(containerAddress, pair);
  }

  /** All containers whose connections are redirected. */
  vethPairEntries(): VethPairEntry[] {
    return [...this.#maps.vethPairs].map(([address, pair]) => decodeVethPair(address, pair));
  }

  /** What containers opened and the proxy carries on: of all of them, or of one. */
  flows(containerAddress?: string): Flow[] {
    return [...this.#maps.origins].flatMap(([key, origin]) =>
      containerAddress === undefined || key.container === containerAddress ? [decodeFlow(key, origin)] : [],
    );
  }

  /**
   * Forgets all flows of a container that was removed, so that the next one with its address does not inherit them: an
   * established flow otherwise stays as long as the proxy's socket. Not for one whose entry is still there: it would go
   * on counting them. Returns how many there were.
   */
  delFlows(containerAddress: string): number {
    const { flows, origins } = this.#maps;
    const ours = [...origins].filter(([{ container }]) => container === containerAddress);
    // As the programs do it: the half that finds the other goes last.
    flows.deleteMany(ours.map(([key, origin]) => flowKeyOf(key, origin)));
    return origins.deleteMany(ours.map(([key]) => key));
  }

  /**
   * Keeps the record of a server under its container's address.
   *
   * @param mode "create" throws `SyscallError` EEXIST when the container has one, "replace" ENOENT when it has none.
   *   Throws `DatapathError` CONFLICT when another server has its public endpoint, its name or its namespace
   */
  addNetData(record: ServerRecord, mode: SetMode = "any"): void {
    this.records.set(record, mode);
  }

  /** The record of the server whose container has this address; undefined when there is none. */
  getNetData(containerAddress: string): ServerRecord | undefined {
    return this.records.get(containerAddress);
  }

  /** False when there was none. */
  delNetData(containerAddress: string): boolean {
    return this.records.delete(containerAddress);
  }

  /** The records of all servers, by host port, then by public address. */
  netData(): ServerRecord[] {
    return this.records.all();
  }

  /** The host's configuration; undefined before it was set for the first time. */
  config(): HostConfig | undefined {
    const data = this.#maps.configs.get(0);
    return data === undefined ? undefined : decodeConfig(data);
  }

  /** Takes effect with the next packet. */
  setConfig(config: HostConfig): void {
    this.#maps.configs.set(0, encodeConfig(config, this.#storedConfig()));
  }

  /** From then on {@link config} is undefined: what is loaded is being taken down. */
  clearConfig(): void {
    this.#maps.configs.set(0, withoutConfig(this.#storedConfig()));
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

  /** The interface that has an address of the host itself, as of {@link setHostAddresses}. */
  hostAddressOwner(address: string): number | undefined {
    return this.#maps.hostAddrs.get(address)?.ifindex;
  }

  /** What {@link setHostAddresses} made known. */
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

  /** The host peers whose drops are counted. */
  countedHostPeers(): number[] {
    return [...this.#maps.dropCounts.keys()].filter((hostPeer) => hostPeer !== HOST_WIDE);
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
   * An upsert: what is there already has its program swapped in place, so that no packet meets none, and its pin
   * renamed if the interface was. What is pinned for an interface that is gone is replaced.
   */
  attachAndPinDnat(iface: Interface): "attached" | "updated" {
    this.#followName("dnat", iface);
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

  /**
   * Puts dp_tproxy_container on a container peer's egress, pinned as `progs/dp_tproxy_container_HOSTPEER`; see
   * {@link attachAndPinDnat}. It redirects nothing before {@link addVethPairEntry}.
   */
  attachTproxyCtrEgress(
    ctrPeer: Interface | VethPeer,
    { netns, hostPeerName }: ContainerPlace,
  ): "attached" | "updated" {
    // Told here: the uplinks are not in there.
    const { mechanism } = this;
    return withNetns(netns, () => this.#upsert("tproxy_container", interfaceOf(ctrPeer), hostPeerName, mechanism));
  }

  /**
   * Swaps the program of a container peer in place, without entering the container's namespace. False when that cannot
   * be done: nothing is attached there, or it is a clsact filter; see {@link attachTproxyCtrEgress}.
   */
  swapTproxyCtrEgress(hostPeerName: string): boolean {
    const path = this.#root.link("tproxy_container", hostPeerName);
    return mechanismOf(path) === tcx && swapTcx(path, this.#program("tproxy_container"));
  }

  /** Puts dp_tproxy_host on a host peer's egress: the way back from the proxy; see {@link attachAndPinDnat}. */
  attachTproxyHostEgress(hostPeer: Interface | VethPeer): "attached" | "updated" {
    return this.#upsert("tproxy_host", interfaceOf(hostPeer));
  }

  /**
   * Puts dp_getsockopt and dp_sockops on a cgroup, pinned as `progs/dp_getsockopt_cgroup` and
   * `progs/dp_sockops_cgroup`: the proxies in it, and in cgroups below, learn the original destinations of what they
   * accept, and flows live as long as their sockets. Other programs on its hooks stay.
   *
   * An upsert, as {@link attachAndPinDnat}; on another cgroup than before, that is left for this one.
   *
   * @param cgroupPath a folder of a cgroup2 mount
   */
  attachAndPinGetsockopt(cgroupPath: string): "attached" | "updated" {
    const upsert = (name: CgroupProgram, attachType: "sockOps" | "getsockopt") =>
      upsertCgroup(this.#program(name), { attachType, cgroup: cgroupPath, path: this.#root.cgroupLink(name) });
    using before = programOnCgroup(this.#root.cgroupLink("sockops"));
    // Before any proxy can ask where a flow was going, its end is watched for.
    const sockops = upsert("sockops", "sockOps");
    try {
      const getsockopt = upsert("getsockopt", "getsockopt");
      return sockops === "updated" ? getsockopt : "attached";
    } catch (error) {
      const path = this.#root.cgroupLink("sockops");
      if (sockops === "attached") detachCgroup(path);
      else if (before !== undefined) upsertCgroup(before, { attachType: "sockOps", cgroup: cgroupPath, path });
      throw error;
    }
  }

  /**
   * Puts dp_guard on the host's netfilter, pinned as `progs/dp_guard_ipv4` and `_ipv6`: what comes from a container
   * without having passed dp_snat goes no further. For the calling thread's network namespace; see
   * {@link attachAndPinDnat}.
   *
   * @returns "unsupported" on a kernel that has no such programs (before 6.4)
   */
  attachAndPinGuard(): "attached" | "updated" | "unsupported" {
    return attachGuard(this.#root);
  }

  /** False when it is not pinned. */
  detachGuard(): boolean {
    return detachGuard(this.#root);
  }

  /** Takes both off their cgroup and unpins them. False when they are not pinned. */
  detachGetsockopt(): boolean {
    return CGROUP_PROGRAMS.map((name) => detachCgroup(this.#root.cgroupLink(name))).includes(true);
  }

  #program(name: ProgramName): Program {
    const program = this.#programs[name];
    if (program !== undefined) return program;
    throw new DatapathError("NOT_LOADED", `attach ${functionName(name)}`, "it is not loaded", {
      hint: "run `dp load`",
    });
  }

  /** Pins that are missing: what is loaded only in part was not loaded by this build, or pins were removed. */
  missing(): string[] {
    const { progs, maps } = this.#root.pins();
    const expected = [
      ...PROGRAMS.map((program) => this.#root.program(program)),
      ...Object.keys(mapLayouts).map((name) => this.#root.map(name)),
    ];
    return expected.filter((path) => !progs.includes(path) && !maps.includes(path));
  }

  /** The loaded programs, by what the kernel knows of them: `id` is unique, `tag` the same for the same code. */
  programs(): { program: ProgramName; id: number; tag: string }[] {
    return PROGRAMS.flatMap((program) => {
      const loaded = this.#programs[program]?.info();
      return loaded === undefined ? [] : [{ program, id: loaded.id, tag: loaded.tag }];
    });
  }

  /**
   * Why this must not be changed before it was loaded anew; undefined when it may be. It is then an older build's, or
   * an upgrade was killed before it was done.
   */
  get needsLoad(): string | undefined {
    return needsLoad(this.#root);
  }

  /**
   * Ends an upgrade that replaced maps, once all programs are swapped: what programs wrote into the old maps meanwhile
   * (counts, flows) is carried over, then those go. Returns their names; none when no map was replaced. Killed halfway,
   * it can be done again.
   */
  finishUpgrade(): string[] {
    return finishUpgrade(this.#root);
  }

  #followName(program: InterfaceProgram, iface: Interface): void {
    const path = this.#root.link(program, iface.name);
    const pins = this.#root.links().filter((each) => each.program === program);
    const on = (pin: (typeof pins)[number]) =>
      mechanismOf(pin.path)?.state({ program, path: pin.path, ifaceName: pin.iface }).ifindex ?? 0;
    const there = pins.find((pin) => pin.path === path);
    if (there !== undefined && on(there) !== 0) return;
    const before = pins.find((pin) => pin !== there && on(pin) === iface.index);
    if (before !== undefined) {
      mechanismOf(before.path)?.rename({ program, path: before.path, ifaceName: before.iface }, path);
    }
  }

  #upsert(
    name: InterfaceProgram,
    iface: Interface,
    pinName = iface.name,
    mechanism = this.mechanism,
  ): "attached" | "updated" {
    const path = this.#root.link(name, pinName);
    const place: Place = { program: name, iface, path, pathOf: (other) => this.#root.link(other, pinName) };
    const program = this.#program(name);
    if (mechanismOf(path)?.update(place, program) === true) return "updated";
    (mechanism === "tcx" ? tcx : clsact).attach(place, program);
    return "attached";
  }

  /**
   * Takes a program off an interface and unpins it. False when it is not pinned there.
   *
   * @param iface for `tproxy_container`, the host peer. With clsact its filter stays on the container peer, where
   *   without an entry of {@link addVethPairEntry} it redirects nothing
   */
  detach(program: InterfaceProgram, iface: Pick<Interface, "name"> | string): boolean {
    const ifaceName = typeof iface === "string" ? iface : iface.name;
    const path = this.#root.link(program, ifaceName);
    const mechanism = mechanismOf(path);
    if (mechanism === undefined) clearUp({ program, path, ifaceName });
    else mechanism.detach({ program, path, ifaceName });
    return mechanism !== undefined;
  }

  /** Every program on an interface that is pinned under this root, also where the interface is gone. */
  attachments(): Attachment[] {
    return this.#root.links().flatMap(({ program, iface, path }) => {
      const mechanism = mechanismOf(path);
      if (mechanism === undefined) return [];
      const state = mechanism.state({ program, path, ifaceName: iface });
      return [{ program, iface, ...state, path, mechanism: mechanism.name }];
    });
  }

  /** Whether anything is pinned for a host peer of that name. One look at the pin root. Throws nothing. */
  isGuarded(hostPeerName: string): boolean {
    return this.#root.hasLink("snat", hostPeerName);
  }

  /**
   * The kernel's number of the program on a container peer's egress that is pinned under this root; 0 when there is
   * none, be it that somebody took it off.
   */
  containerProgram(ctrPeer: Interface | VethPeer, { netns, hostPeerName }: ContainerPlace): number {
    const { index } = interfaceOf(ctrPeer);
    const program = "tproxy_container";
    const path = this.#root.link(program, hostPeerName);
    const mechanism = mechanismOf(path);
    if (mechanism === clsact) return withNetns(netns, () => clsactProgram(program, index));
    const state = mechanism?.state({ program, path, ifaceName: hostPeerName });
    return state?.ifindex === index ? (state.programId ?? 0) : 0;
  }

  /** The kernel's number of a program as it is pinned, which is what everything attached should run. */
  programId(program: ProgramName): number {
    return this.#program(program).id;
  }

  /** Removes what a process that was killed in the middle of replacing a pin has left. */
  sweep(): void {
    this.#root.sweep();
  }

  /**
   * Refuses every new IPv4 connection of a cgroup and those below it: connect(2) of TCP and UDP sockets fails with
   * EPERM. Pinned as `progs/dp_block_connect4_NAME`. What is connected stays so; whoever listens can still accept.
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

  /** Allows what {@link blockIp4Connections} refused, by the cgroup's path or the block's name. False: nothing was. */
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
   * Destroys the connected UDP sockets of a network namespace: the process gets ECONNABORTED once, and has an
   * unconnected socket from then on. Unconnected ones stay. As {@link destroyTcpSocks} otherwise.
   */
  destroyUdpSocks(options: DestroyOptions = {}): number {
    return this.#loadedDestroyer().destroy("udp", options);
  }

  /** Throws what the destroy functions would on a kernel that cannot: to be asked before anything is changed. */
  requireSockDestroy(): void {
    this.#loadedDestroyer();
  }

  #loadedDestroyer(): SockDestroyer {
    return (this.#destroyer ??= SockDestroyer.load());
  }

  /** Every program on a cgroup that is pinned under this root, also where the cgroup is gone. */
  cgroupAttachments(): CgroupAttachment[] {
    return CGROUP_PROGRAMS.flatMap((program) => {
      const path = this.#root.cgroupLink(program);
      const state = pinnedCgroup(path);
      return state === undefined ? [] : [{ program, ...state, path }];
    });
  }

  /**
   * Detaches and unpins everything of datapath's under this root, dnat first, and removes its folders. Pins of others
   * in there stay. Done twice, it does nothing the second time. The maps' contents end with the last descriptor.
   */
  unpinAll(): void {
    for (const { program, iface } of sortByProgram(this.attachments())) this.detach(program, iface);
    this.detachGetsockopt();
    this.detachGuard();
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
    for (const { path } of this.#root.replaced()) unpin(path);
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

function interfaceOf(peer: Interface | VethPeer): Interface {
  return "iface" in peer ? peer.iface : peer;
}

/** By what is pinned: it may have been attached by another kernel's rules than this process would choose. */
function mechanismOf(path: string): Mechanism | undefined {
  const kind = pinnedKind(path);
  if (kind === "link") return tcx;
  return kind === "program" ? clsact : undefined;
}

function sortByProgram(attachments: readonly Attachment[]): Attachment[] {
  const order = ({ program }: Attachment) => INTERFACE_PROGRAMS.indexOf(program);
  return attachments.toSorted((one, other) => order(one) - order(other));
}

/** Per-CPU maps are written the same for every CPU: only counters differ, and they start at zero. */
function onEachCpu<T>(value: T): T[] {
  return Array.from({ length: possibleCpus() }, () => value);
}
