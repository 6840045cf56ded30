/**
 * The program table: all programs of this package. Loading, attaching, upgrading, adopting, verifying, listing and
 * unpinning read it. A new program is one more row.
 */
import type { ObjectName } from "@dp/bpf";
import type { CgroupAttachName, Direction } from "../../libbpf/attach-type.ts";

/** Where programs are attached: to which interface, to a cgroup, or to the host's network namespace. */
export type ProgramPlace = "uplink" | "host peer" | "container peer" | "cgroup" | "host";

/** A feature that a program needs and that some supported kernels lack. */
export interface KernelFeature {
  /** The kernel's name for it. */
  readonly feature: string;
  /** The first kernel that has it. */
  readonly kernel: string;
  /** What is the case on a kernel that lacks it, and what is used instead. */
  readonly without: string;
  /** What is used instead: a rule of nftables, or NETLINK_SOCK_DIAG. @dp/host has both. */
  readonly instead: "nftables rule" | "sock_diag";
}

interface Row {
  /** The function in its object is `dp_NAME`; so is the pin. */
  readonly name: string;
  readonly object: ObjectName;
  readonly needs?: KernelFeature;
}

/** On an interface, by a TCX link or a clsact filter. */
interface TcRow extends Row {
  readonly hook: "tc";
  readonly place: "uplink" | "host peer" | "container peer";
  /** As the kernel sees the interface: what leaves a container is on the ingress of its host peer. */
  readonly direction: Direction;
  /** From 1. Programs of one place and direction run in this order, whatever order they are attached in. */
  readonly order: number;
}

interface CgroupRow extends Row {
  readonly hook: "cgroup";
  readonly place: "cgroup";
  readonly attachType: CgroupAttachName;
  /**
   * "load": `dp load` loads and pins it and attaches it to one cgroup. "use": it is loaded each time it is attached, to
   * any number of cgroups.
   */
  readonly loadedBy: "load" | "use";
}

/** In the host's network namespace, loaded when it is attached. */
interface NetfilterRow extends Row {
  readonly hook: "netfilter";
  readonly place: "host";
}

/** On the socket look-up of the host's network namespace, loaded when it is attached. */
interface SkLookupRow extends Row {
  readonly hook: "sk_lookup";
  readonly place: "host";
}

/** Loaded and run when it is used. */
interface IteratorRow extends Row {
  readonly hook: "iterator";
  readonly place: "host";
}

/** Never attached: `dp load` runs it once. */
interface RunRow extends Row {
  readonly hook: "run";
  readonly place: "host";
  /** After each load, or after one that found servers without their table of players. */
  readonly when: "loaded" | "players lost";
}

const NETFILTER: KernelFeature = {
  feature: "BPF programs in netfilter",
  kernel: "6.4",
  without: "a rule of nftables is used instead",
  instead: "nftables rule",
};
const SOCK_DESTROY: KernelFeature = {
  feature: "bpf_sock_destroy",
  kernel: "6.5",
  without: "sockets are destroyed by sock_diag instead",
  instead: "sock_diag",
};

/** Programs of one place stand in the order in which they are attached. */
export const PROGRAM_TABLE = [
  { name: "dnat", object: "dnat", hook: "tc", place: "uplink", direction: "ingress", order: 1 },
  { name: "arp", object: "arp", hook: "tc", place: "host peer", direction: "ingress", order: 1 },
  { name: "snat", object: "snat", hook: "tc", place: "host peer", direction: "ingress", order: 2 },
  { name: "tproxy_container", object: "tproxy", hook: "tc", place: "container peer", direction: "egress", order: 1 },
  { name: "tproxy_host", object: "tproxy", hook: "tc", place: "host peer", direction: "egress", order: 1 },
  // The end of a flow is watched for before a proxy can ask where the flow was going.
  { name: "sockops", object: "proxy_socket", hook: "cgroup", place: "cgroup", attachType: "sockOps", loadedBy: "load" },
  {
    name: "getsockopt",
    object: "proxy_socket",
    hook: "cgroup",
    place: "cgroup",
    attachType: "getsockopt",
    loadedBy: "load",
  },
  { name: "lookup", object: "lookup", hook: "sk_lookup", place: "host" },
  { name: "guard", object: "guard", hook: "netfilter", place: "host", needs: NETFILTER },
  {
    name: "block_connect4",
    object: "freeze",
    hook: "cgroup",
    place: "cgroup",
    attachType: "inet4Connect",
    loadedBy: "use",
  },
  {
    name: "block_connect6",
    object: "freeze",
    hook: "cgroup",
    place: "cgroup",
    attachType: "inet6Connect",
    loadedBy: "use",
  },
  { name: "destroy_tcp", object: "freeze", hook: "iterator", place: "host", needs: SOCK_DESTROY },
  { name: "destroy_udp", object: "freeze", hook: "iterator", place: "host", needs: SOCK_DESTROY },
  { name: "start_players", object: "dnat", hook: "run", place: "host", when: "players lost" },
  { name: "start_sweep", object: "tproxy", hook: "run", place: "host", when: "loaded" },
] as const satisfies readonly (TcRow | CgroupRow | NetfilterRow | SkLookupRow | IteratorRow | RunRow)[];

/** The object without programs, which has the maps that only `dp` reads and writes. */
export const CONTROL_OBJECT = "control";

type TableRow = (typeof PROGRAM_TABLE)[number];

/** A program of this package. */
export type ProgramName = TableRow["name"];
/** A program on an interface. */
export type InterfaceProgram = Extract<TableRow, { hook: "tc" }>["name"];
/** A program on an interface of the container's network namespace. */
export type ContainerPeerProgram = Extract<TableRow, { place: "container peer" }>["name"];
/** A program on an interface of the host's network namespace. */
export type HostInterfaceProgram = Exclude<InterfaceProgram, ContainerPeerProgram>;
/** A program that is loaded with the others and attached to one cgroup. */
export type CgroupProgram = Extract<TableRow, { loadedBy: "load" }>["name"];
/** A program that refuses connections of a cgroup. */
export type BlockProgram = Extract<TableRow, { loadedBy: "use" }>["name"];
/** A program that `dp load` loads and pins. */
export type PinnedProgram = InterfaceProgram | CgroupProgram;

/** A row of the program table. */
export type ProgramRow = (TcRow | CgroupRow | NetfilterRow | SkLookupRow | IteratorRow | RunRow) & {
  readonly name: ProgramName;
};
/** A row of a program on interfaces. */
export type InterfaceProgramRow<Name extends InterfaceProgram = InterfaceProgram> = TcRow & { readonly name: Name };
/** A row of a program that is loaded with the others and attached to one cgroup. */
export type CgroupProgramRow = CgroupRow & { readonly name: CgroupProgram };
/** A row of a program that refuses connections of a cgroup. */
export type BlockRow = CgroupRow & { readonly name: BlockProgram };
/** A row of a program on the socket look-up. */
export type SkLookupProgramRow = SkLookupRow & { readonly name: ProgramName };
/** A row of a program on netfilter. */
export type NetfilterProgramRow = NetfilterRow & { readonly name: ProgramName };

const ROWS: readonly ProgramRow[] = PROGRAM_TABLE;

/** The programs on interfaces. */
export const INTERFACE_PROGRAMS = ROWS.filter((row): row is InterfaceProgramRow => row.hook === "tc");

/** The programs on the cgroup of the proxy. */
export const CGROUP_PROGRAMS = ROWS.filter(
  (row): row is CgroupProgramRow => row.hook === "cgroup" && row.loadedBy === "load",
);

/** The programs on the socket look-up of the host's network namespace. */
export const SK_LOOKUP_PROGRAMS = ROWS.filter((row): row is SkLookupProgramRow => row.hook === "sk_lookup");

/** The programs on netfilter in the host's network namespace. */
export const NETFILTER_PROGRAMS = ROWS.filter((row): row is NetfilterProgramRow => row.hook === "netfilter");

/** The programs that walk over the sockets of a network namespace. */
export const ITERATOR_PROGRAMS = ROWS.filter((row) => row.hook === "iterator");

/** The programs that are loaded and pinned together. */
export const PINNED_PROGRAMS: readonly (InterfaceProgramRow | CgroupProgramRow)[] = [
  ...INTERFACE_PROGRAMS,
  ...CGROUP_PROGRAMS,
];

/** The programs that `dp load` runs once. */
export const RUN_PROGRAMS = ROWS.filter((row): row is RunRow & { readonly name: ProgramName } => row.hook === "run");

/** The objects that `dp load` loads, in this order: those of the programs that stay loaded, and the control maps. */
export const LOADED_OBJECTS: readonly ObjectName[] = [
  ...new Set<ObjectName>([...PINNED_PROGRAMS, ...RUN_PROGRAMS].map(({ object }) => object)),
  CONTROL_OBJECT,
];

/** The programs for an interface of that place, in the order they are attached in. Throws nothing. */
export function programsAt(place: "uplink" | "host peer"): readonly InterfaceProgramRow<HostInterfaceProgram>[];
export function programsAt(place: "container peer"): readonly InterfaceProgramRow<ContainerPeerProgram>[];
export function programsAt(place: InterfaceProgramRow["place"]): readonly InterfaceProgramRow[];
export function programsAt(place: InterfaceProgramRow["place"]): readonly InterfaceProgramRow[] {
  return INTERFACE_PROGRAMS.filter((row) => row.place === place);
}

/** The row of a program. Throws nothing. */
export function programRow(name: InterfaceProgram): InterfaceProgramRow;
export function programRow(name: BlockProgram): BlockRow;
export function programRow(name: ProgramName): ProgramRow;
export function programRow(name: ProgramName): ProgramRow {
  // Each name has a row: the names' type is made of the rows.
  return ROWS.find((row) => row.name === name) as ProgramRow;
}

/** The programs of an object, also those that are loaded when they are used. */
export function programsOf(object: ObjectName): readonly ProgramRow[] {
  return ROWS.filter((row) => row.object === object);
}

/** The name of a program in its object, and of its pin. Throws nothing. */
export function functionName(program: ProgramName): string {
  return `dp_${program}`;
}
