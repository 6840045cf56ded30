import type { Attachment, HostConfig, InterfaceProgram, Objects, ServerRecord } from "@dp/core";
import type { Address, Link, Neighbour, Netlink, Route } from "@dp/netlink";
import type { HostOptions } from "../host-options.ts";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import type { PortSet } from "../kernel/port-set.ts";
import { reservedPorts } from "../kernel/reserved-ports.ts";

export interface SceneOptions extends HostOptions {
  /** Look into the containers' namespaces, too: it takes most of the time. Default true. */
  inside?: boolean | undefined;
}

/**
 * What is written down and what is there, read once, so that ten thousand servers are compared without ten thousand
 * questions. Under the pin root's lock nothing of datapath's changes while it is looked at.
 */
export class Scene {
  readonly objects: Objects;
  readonly netlink: Netlink;
  readonly options: SceneOptions;
  readonly config: HostConfig | undefined;
  readonly records: readonly ServerRecord[];
  readonly links: readonly Link[];
  /** The host's own. */
  readonly addresses: readonly HostAddress[];
  readonly attachments: readonly Attachment[];
  /** The attachments of dp_dnat. Without their pins, the interfaces of `dp_uplinks` stand in for them. */
  readonly uplinkAttachments: readonly Pick<Attachment, "iface" | "ifindex" | "programId">[];
  /** The interfaces that players come in by, as far as they are there; the one new servers get first. */
  readonly uplinks: readonly Link[];
  readonly reserved: Pick<PortSet, "has">;
  /** The host peers whose drops are counted. */
  readonly counted: ReadonlySet<number>;
  readonly #byIndex: ReadonlyMap<number, Link>;
  readonly #byName: ReadonlyMap<string, Link>;
  readonly #addresses: ReadonlyMap<number, Address[]>;
  readonly #routes: ReadonlyMap<number, Route[]>;
  readonly #neighbours: ReadonlyMap<number, Neighbour[]>;
  readonly #attachments: ReadonlyMap<string, Attachment>;

  constructor(objects: Objects, netlink: Netlink, options: SceneOptions) {
    this.objects = objects;
    this.netlink = netlink;
    this.options = options;
    this.config = objects.config();
    this.records = objects.netData();
    this.links = netlink.links();
    this.addresses = hostAddresses(netlink, this.records);
    this.attachments = objects.attachments();
    this.reserved = reservedPorts();
    this.counted = new Set(objects.countedHostPeers());
    this.#byIndex = new Map(this.links.map((link) => [link.index, link]));
    this.#byName = new Map(this.links.map((link) => [link.name, link]));
    this.#addresses = byInterface(netlink.addresses({ family: "inet" }));
    this.#routes = byInterface(netlink.routes({ family: "inet" }));
    this.#neighbours = byInterface(netlink.neighbours({ family: "inet" }));
    this.#attachments = new Map(this.attachments.map((each) => [`${each.program} ${each.iface}`, each]));
    const pinned = this.attachments.filter(({ program }) => program === "dnat");
    const named = pinned.map((each) => ({ ...each, iface: this.#uplink(each)?.name ?? each.iface }));
    this.uplinkAttachments = named.length > 0 ? named : objects.uplinks().flatMap((ifindex) => this.#unpinned(ifindex));
    this.uplinks = this.uplinkAttachments
      .flatMap(({ iface }) => this.link(iface) ?? [])
      .sort((one, other) => this.#rank(other) - this.#rank(one));
  }

  /** By the name its pin has; if none has that any more, under its new one. */
  #uplink({ iface, ifindex }: Pick<Attachment, "iface" | "ifindex">): Link | undefined {
    return this.link(iface) ?? this.link(ifindex);
  }

  #unpinned(ifindex: number): Scene["uplinkAttachments"] {
    const link = this.link(ifindex);
    return link === undefined ? [] : [{ iface: link.name, ifindex: 0, programId: 0 }];
  }

  #rank({ index }: Link): number {
    if (index === this.config?.uplink) return 2;
    return Number(this.addressesOf(index).some(({ address }) => address === this.config?.publicAddress));
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
