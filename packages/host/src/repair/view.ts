import type {
  Attachment,
  ConnectionBlock,
  HostConfig,
  InterfaceProgram,
  Objects,
  ServerRecord,
  Settings,
} from "@dp/core";
import type { Address, Link, Neighbour, Netlink, Route } from "@dp/netlink";
import { type Administrators, administrators } from "../container/authority.ts";
import type { HostOptions } from "../host-options.ts";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import type { PortSet } from "../kernel/port-set.ts";
import { reservedPorts } from "../kernel/reserved-ports.ts";
import { expedite } from "../pins/lock.ts";

export interface ViewOptions extends HostOptions {
  /** Whether to inspect the containers' namespaces, too, which takes most of the time. Default true. */
  inside?: boolean | undefined;
}

/** Where dp_dnat is attached, or should be. */
export type UplinkAttachment = Pick<Attachment, "iface" | "ifindex" | "programId">;

/**
 * The records and the state of the kernel, read once: comparing ten thousand servers takes a few reads of everything,
 * not some for each server. The caller holds the pin root's lock, so other commands change nothing meanwhile.
 */
export class View {
  readonly objects: Objects;
  readonly netlink: Netlink;
  readonly options: ViewOptions;
  readonly config: HostConfig | undefined;
  readonly settings: Settings | undefined;
  readonly records: readonly ServerRecord[];
  /** The ids of all records. */
  readonly ids: ReadonlySet<number>;
  readonly hostPeerNames: ReadonlySet<string>;
  readonly links: readonly Link[];
  /** The host's own addresses. */
  readonly addresses: readonly HostAddress[];
  readonly attachments: readonly Attachment[];
  /** From the pins; without such pins, from dp_uplinks. */
  readonly uplinkAttachments: readonly UplinkAttachment[];
  /** The uplinks that exist. The first one is that of new servers. */
  readonly uplinks: readonly Link[];
  readonly reserved: Pick<PortSet, "has">;
  /** The servers that have drop counts. */
  readonly counted: ReadonlySet<number>;
  /** The servers that have a table of players. */
  readonly withPlayers: ReadonlySet<number>;
  readonly blocks: readonly ConnectionBlock[];
  #administrators: Administrators | undefined;
  readonly #byIndex: ReadonlyMap<number, Link>;
  readonly #byName: ReadonlyMap<string, Link>;
  readonly #addresses: ReadonlyMap<number, Address[]>;
  readonly #routes: ReadonlyMap<number, Route[]>;
  readonly #neighbours: ReadonlyMap<number, Neighbour[]>;
  readonly #attachments: ReadonlyMap<string, Attachment>;

  constructor(objects: Objects, netlink: Netlink, options: ViewOptions) {
    this.objects = objects;
    this.netlink = netlink;
    this.options = options;
    this.config = objects.config.get();
    this.settings = objects.settings.get();
    this.records = objects.records.all();
    this.ids = new Set(this.records.map(({ id }) => id));
    this.hostPeerNames = new Set(this.records.map(({ hostPeer }) => hostPeer.name));
    this.links = netlink.links();
    this.addresses = hostAddresses(netlink, this.records);
    this.attachments = objects.attachments.all();
    this.reserved = reservedPorts();
    this.counted = new Set(objects.drops.ids());
    this.withPlayers = withPlayers(objects, options);
    this.blocks = objects.connectionBlocks();
    this.#byIndex = new Map(this.links.map((link) => [link.index, link]));
    this.#byName = new Map(this.links.map((link) => [link.name, link]));
    this.#addresses = byInterface(netlink.addresses({ family: "inet" }));
    this.#routes = byInterface(netlink.routes({ family: "inet" }));
    this.#neighbours = byInterface(netlink.neighbours({ family: "inet" }));
    this.#attachments = new Map(this.attachments.map((each) => [`${each.program} ${each.iface}`, each]));
    const pinned = this.attachments.filter(({ program }) => program === "dnat");
    const named = pinned.map((each) => ({ ...each, iface: this.#uplink(each)?.name ?? each.iface }));
    this.uplinkAttachments =
      named.length > 0 ? named : objects.uplinks.all().flatMap((ifindex) => this.#unpinnedUplink(ifindex));
    this.uplinks = this.uplinkAttachments
      .flatMap(({ iface }) => this.link(iface) ?? [])
      .sort((one, other) => this.#rank(other) - this.#rank(one));
  }

  /** By the name in its pin; if no interface has this name, by its index. */
  #uplink({ iface, ifindex }: Pick<Attachment, "iface" | "ifindex">): Link | undefined {
    return this.link(iface) ?? this.link(ifindex);
  }

  #unpinnedUplink(ifindex: number): UplinkAttachment[] {
    const link = this.link(ifindex);
    return link === undefined ? [] : [{ iface: link.name, ifindex: 0, programId: 0 }];
  }

  #rank({ index }: Link): number {
    if (index === this.settings?.uplink) return 2;
    return Number(this.addressesOf(index).some(({ address }) => this.isDefaultAddress(address)));
  }

  /** Whether it is a default public address. */
  isDefaultAddress(address: string): boolean {
    return Object.values(this.settings?.publicAddresses ?? {}).includes(address);
  }

  /** The processes in containers that could administer the host's network. Read when it is asked for. */
  get administrators(): Administrators {
    return (this.#administrators ??= administrators(this.records.map(({ netns }) => netns.inode)));
  }

  link(ref: number | string): Link | undefined {
    return typeof ref === "number" ? this.#byIndex.get(ref) : this.#byName.get(ref);
  }

  addressesOf(ifindex: number): readonly Address[] {
    return this.#addresses.get(ifindex) ?? [];
  }

  routesOf(ifindex: number): readonly Route[] {
    return this.#routes.get(ifindex) ?? [];
  }

  neighboursOf(ifindex: number): readonly Neighbour[] {
    return this.#neighbours.get(ifindex) ?? [];
  }

  attachment(program: InterfaceProgram, iface: string): Attachment | undefined {
    return this.#attachments.get(`${program} ${iface}`);
  }
}

function byInterface<T extends { readonly ifindex: number | undefined }>(entries: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const entry of entries) {
    if (entry.ifindex === undefined) continue;
    const group = groups.get(entry.ifindex);
    if (group === undefined) groups.set(entry.ifindex, [entry]);
    else group.push(entry);
  }
  return groups;
}

/** The ids of the servers with a player table. Before Linux 6.8 the kernel waits for a grace period at each look-up. */
function withPlayers(objects: Objects, options: HostOptions): ReadonlySet<number> {
  using _expedited = expedite(options);
  return new Set(objects.players.ids());
}
