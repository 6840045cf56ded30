import type { SetMode } from "../libbpf/map.ts";
import type { Interface } from "./interface.ts";
import type { Maps } from "./maps.ts";
import type { Attachments, ContainerPlace } from "./programs/attachments.ts";
import {
  block,
  blocks,
  type BlockOptions,
  type BlockSelector,
  type ConnectionBlock,
  unblock,
} from "./programs/connection-block.ts";
import { missingPins } from "./programs/missing-pins.ts";
import type { PinRoot } from "./programs/pin-root.ts";
import { type DestroyOptions, SockDestroyer } from "./programs/sock-destroyer.ts";
import { unpinAll } from "./programs/unpin-all.ts";
import { Config } from "./stores/config.ts";
import { type ContainerEntry, Containers } from "./stores/containers.ts";
import { Counters } from "./stores/counters.ts";
import { Drops } from "./stores/drops.ts";
import type { Endpoint } from "./stores/endpoint.ts";
import { type EndpointEntry, Endpoints } from "./stores/endpoints.ts";
import { Flows } from "./stores/flows.ts";
import { foreignInterface } from "./stores/foreign-interface.ts";
import { HostAddresses } from "./stores/host-addresses.ts";
import { HostPeers } from "./stores/host-peers.ts";
import { Players } from "./stores/players.ts";
import { Records } from "./stores/records.ts";
import { ReservedPorts } from "./stores/reserved-ports.ts";
import { ServerEntries, type ServerEntry } from "./stores/server-entries.ts";
import { ServerIds } from "./stores/server-ids.ts";
import type { ServerRecord } from "./stores/server-record.ts";
import { SettingsStore } from "./stores/settings.ts";
import { Uplinks } from "./stores/uplinks.ts";
import { needsLoad } from "./upgrade/stamp.ts";
import { finishUpgrade } from "./upgrade/upgrade.ts";

/**
 * The loaded datapath: programs, maps and links pinned under one pin root. Each kind of map entry has a store here;
 * {@link Objects.attachments} has the programs. The methods with names of the Go library only call these stores.
 *
 * Addresses are strings in canonical text, MAC addresses "7e:90:c4:ed:df:d0", ports and interface indexes plain numbers
 * in host byte order. An invalid value (no address, a name that is too long) throws `DatapathError` BAD_USAGE and
 * changes nothing; a full map throws `MapFullError`; an error of the kernel throws `SyscallError`.
 *
 * Interfaces are those of the calling thread's network namespace: the host's. Changes are not locked here: take the pin
 * root's lock first.
 *
 * Disposing closes descriptors. Everything that is pinned stays and keeps working.
 */
export class Objects implements Disposable {
  /** The folder everything is pinned under. */
  readonly pinRoot: string;
  /** The records of servers, with the groups and the changes of servers. */
  readonly records: Records;
  /** Public endpoints, and where their packets go. */
  readonly endpoints: Endpoints;
  /** The dp_servers entries, by the ifindex of the host peer. */
  readonly servers: ServerEntries;
  /** Servers by their containers' addresses. */
  readonly containers: Containers;
  /** Host peers by server id. */
  readonly hostPeers: HostPeers;
  /** Interfaces that replies to players leave by. */
  readonly uplinks: Uplinks;
  /** The players of each server. */
  readonly players: Players;
  /** Traffic of forwards. */
  readonly counters: Counters;
  /** Drop counts of servers. */
  readonly drops: Drops;
  /** The flows of containers. */
  readonly flows: Flows;
  /** Addresses of the host itself. */
  readonly hostAddresses: HostAddresses;
  /** The host's configuration, for the programs. */
  readonly config: Config;
  /** The settings of `dp load`, for later commands. */
  readonly settings: SettingsStore;
  /** Ports that dp added to net.ipv4.ip_local_reserved_ports. */
  readonly reservedPorts: ReservedPorts;
  /** Programs on interfaces, on the proxy's cgroup and on netfilter. */
  readonly attachments: Attachments;
  readonly #root: PinRoot;
  readonly #maps: Maps;
  #destroyer: SockDestroyer | undefined;

  /** Internal: use {@link loadBpf} or {@link openPinned}. Takes ownership of the maps and the attachments. */
  constructor(root: PinRoot, maps: Maps, attachments: Attachments) {
    this.pinRoot = root.path;
    this.#root = root;
    this.#maps = maps;
    this.attachments = attachments;
    this.endpoints = new Endpoints(maps.endpoints);
    this.records = new Records(maps, this.endpoints);
    this.servers = new ServerEntries(maps.servers);
    this.containers = new Containers(maps.containers);
    this.hostPeers = new HostPeers(maps.hostPeers);
    this.uplinks = new Uplinks(maps.uplinks);
    this.players = new Players(maps.players);
    this.counters = new Counters(maps, this.records);
    this.drops = new Drops(maps.dropCounts);
    this.flows = new Flows(maps);
    this.config = new Config(maps.configs);
    this.hostAddresses = new HostAddresses(maps.hostAddrs, this.config);
    this.settings = new SettingsStore(maps.settings);
    this.reservedPorts = new ReservedPorts(maps.reservedPorts);
  }

  /**
   * Finds free ids of servers.
   *
   * @param hasInterface whether the host has an interface of that name
   */
  serverIds(hasInterface: (name: string) => boolean): ServerIds {
    return new ServerIds(this, hasInterface);
  }

  /**
   * The ifindex of an uplink or host peer that is not in the calling thread's network namespace: then the datapath is
   * loaded for another namespace. undefined when none is found.
   */
  foreignInterface(): number | undefined {
    return foreignInterface(this.uplinks, this.containers, this.hostPeers);
  }

  /** {@link Endpoints.set} */
  addDnatTarget(endpoint: Endpoint, entry: EndpointEntry): void {
    this.endpoints.set(endpoint, entry);
  }

  /** {@link Endpoints.delete} */
  delDnatTarget(endpoint: Endpoint): boolean {
    return this.endpoints.delete(endpoint);
  }

  /** {@link ServerEntries.set} */
  addSnatTarget(hostPeer: number, entry: ServerEntry): void {
    this.servers.set(hostPeer, entry);
  }

  /** {@link ServerEntries.delete} */
  delSnatTarget(hostPeer: number): boolean {
    return this.servers.delete(hostPeer);
  }

  /** {@link Records.set} */
  addNetData(record: ServerRecord, mode?: SetMode): void {
    this.records.set(record, mode);
  }

  /** {@link Records.get} */
  getNetData(id: number): ServerRecord | undefined {
    return this.records.get(id);
  }

  /** {@link Records.delete} */
  delNetData(id: number): boolean {
    return this.records.delete(id);
  }

  /** {@link Containers.set} */
  addVethPairEntry(containerAddress: string, entry: ContainerEntry): void {
    this.containers.set(containerAddress, entry);
  }

  /** {@link Containers.delete} */
  delVethPairEntry(containerAddress: string): boolean {
    return this.containers.delete(containerAddress);
  }

  /** Puts dp_dnat on an uplink's ingress: {@link Attachments.attach} */
  attachAndPinDnat(uplink: Interface): "attached" | "updated" {
    return this.attachments.attach("dnat", uplink);
  }

  /** Puts dp_snat on a host peer's ingress, behind dp_arp: {@link Attachments.attach} */
  attachAndPinSnat(hostPeer: Interface): "attached" | "updated" {
    return this.attachments.attach("snat", hostPeer);
  }

  /** Puts dp_arp on a host peer's ingress, before dp_snat: {@link Attachments.attach} */
  attachAndPinArp(hostPeer: Interface): "attached" | "updated" {
    return this.attachments.attach("arp", hostPeer);
  }

  /**
   * Puts dp_tproxy_container on a container peer's egress. It redirects nothing before {@link addVethPairEntry}.
   * {@link Attachments.attach}
   */
  attachTproxyCtrEgress(containerPeer: Interface, place: ContainerPlace): "attached" | "updated" {
    return this.attachments.attach("tproxy_container", containerPeer, place);
  }

  /** Puts dp_tproxy_host on a host peer's egress, for the proxy's answers: {@link Attachments.attach} */
  attachTproxyHostEgress(hostPeer: Interface): "attached" | "updated" {
    return this.attachments.attach("tproxy_host", hostPeer);
  }

  /** Puts dp_getsockopt and dp_sockops on the proxy's cgroup: {@link Attachments.attachToCgroup} */
  attachAndPinGetsockopt(cgroupPath: string): "attached" | "updated" {
    return this.attachments.attachToCgroup(cgroupPath);
  }

  /**
   * Refuses every new IPv4 connection of a cgroup and those below it: connect(2) of TCP and UDP sockets fails with
   * EPERM. Pinned as `progs/dp_block_connect4_NAME`. Existing connections stay; listeners go on accepting.
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

  /** All connection blocks of this root. */
  connectionBlocks(): ConnectionBlock[] {
    return blocks(this.#root);
  }

  /**
   * Destroys the TCP sockets of a network namespace (or those to one address), but for listeners: those connected,
   * being connected and being closed. The far end gets a reset, the process ECONNABORTED. What no process holds stays:
   * TIME_WAIT, and connections a listener has not made yet.
   *
   * Block new connections first (`blockIp4Connections`): otherwise processes may open more.
   *
   * @returns how many were destroyed
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

  /**
   * Why the datapath must be loaded again before it is changed: an older build loaded it, or an upgrade was killed.
   * undefined when it may be changed.
   */
  get needsLoad(): string | undefined {
    return needsLoad(this.#root);
  }

  /** The missing pins of programs and maps. They were removed, or another build loaded; load again. */
  missingPins(): string[] {
    return missingPins(this.#root);
  }

  /**
   * Finishes an upgrade that replaced maps, after all programs are swapped: carries over what programs wrote into the
   * old maps since the copy (counts, flows) and unpins them. Returns their names; none when no map was replaced. After
   * a kill, it can be called again.
   */
  finishUpgrade(): string[] {
    return finishUpgrade(this.#root);
  }

  /** Removes temporary pins, which a killed process leaves. */
  sweep(): void {
    this.#root.sweep();
  }

  /**
   * Detaches and unpins everything of datapath under this root, dp_dnat first, and removes its folders. Pins of other
   * software stay. Repeated, it does nothing. The kernel frees the maps with their last descriptor.
   */
  unpinAll(): void {
    unpinAll(this.#root, this.attachments);
  }

  /** Closes its descriptors. */
  close(): void {
    this.#destroyer?.[Symbol.dispose]();
    this.#destroyer = undefined;
    this.attachments[Symbol.dispose]();
    for (const map of Object.values(this.#maps)) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
