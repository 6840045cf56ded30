/**
 * Whether a container could administer the host's network.
 *
 * Every veth names the host's network namespace to the namespace of the container (IFLA_LINK_NETNSID). A process with
 * CAP_NET_ADMIN in the host's user namespace can therefore make and delete interfaces of the host from inside, move its
 * own there, and read what passes. No arrangement of interfaces prevents it: the process must not have the capability,
 * or only in a user namespace of its own.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { commandOf, type Fd, netnsInode, netnsOwner, openNetns } from "@dp/sys";

/** A process of a container that could administer the host's network. */
export interface Administrator {
  pid: number;
  /** Its command line, for messages. */
  command: string;
  /** The names of the capabilities that it can have. */
  capabilities: string[];
}

/** Bits of linux/capability.h. Each lets a process administer the network, or take over a process that does. */
const DANGEROUS = { CAP_NET_ADMIN: 12, CAP_SYS_MODULE: 16, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 } as const;

/** Of use only to a process that sees those of the host. */
const NEEDS_HOST_PIDS = "CAP_SYS_PTRACE";

/** The processes in a container that could administer the host's network, by the inode of their network namespace. */
export type Administrators = ReadonlyMap<bigint, Administrator>;

/**
 * Looks at the processes in these network namespaces. One pass over all processes, whatever the number of namespaces.
 *
 * @returns for each namespace that has such a process, the first one
 */
export function administrators(inodes: Iterable<bigint>): Administrators {
  const wanted = new Set([...inodes].map((inode) => `net:[${inode}]`));
  const found = new Map<bigint, Administrator>();
  if (wanted.size === 0) return found;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const netns = namespaceOf(name, "net");
    if (netns === undefined || !wanted.has(netns)) continue;
    const administrator = judge(name);
    if (administrator === undefined) continue;
    found.set(BigInt(netns.slice("net:[".length, -1)), administrator);
    wanted.delete(netns);
  }
  return found;
}

/** The process of one network namespace that could administer the host's network; undefined when there is none. */
export function administratorOf(netns: Fd): Administrator | undefined {
  return administrators([netnsInode(netns)])
    .values()
    .next().value;
}

/** `process 17 (java) in it can have CAP_NET_ADMIN`, with what follows from it. */
export function describeAdministrator({ pid, command, capabilities }: Administrator): string {
  return (
    `its network namespace belongs to the host's user namespace, and process ${pid} (${command}) there can have ` +
    `${capabilities.join(" and ")}: it could change interfaces of the host, through the veth pair, past all programs`
  );
}

/** What to do about such a container. */
export const ADMINISTRATOR_REMEDY =
  "run it in a user namespace of its own, or without these capabilities (--cap-drop); or add it with --trusted";

function judge(pid: string): Administrator | undefined {
  try {
    // In a user namespace of its own, a capability is over what that one owns.
    if (namespaceOf(pid, "user") !== namespaceOf("self", "user")) return undefined;
    const sharesPids = namespaceOf(pid, "pid") === namespaceOf("self", "pid");
    const capabilities = dangerousCapabilities(readFileSync(`/proc/${pid}/status`, "latin1"), sharesPids);
    if (capabilities.length === 0) return undefined;
    using netns = openNetns(`/proc/${pid}/ns/net`);
    if (netnsOwner(netns) !== statSync("/proc/self/ns/user", { bigint: true }).ino) return undefined;
    return { pid: Number(pid), command: commandOf(Number(pid)), capabilities };
  } catch {
    // The process ended meanwhile.
    return undefined;
  }
}

/**
 * The dangerous capabilities that a process has or can get, by the text of /proc/PID/status: those it is permitted,
 * those that a program it executes may get from its file (bounding set), and those that one may inherit.
 */
export function dangerousCapabilities(status: string, sharesPids: boolean): string[] {
  const sets = [...status.matchAll(/^Cap(?:Inh|Prm|Bnd):\s*([0-9a-f]+)$/gm)].map(([, hex]) => BigInt(`0x${hex}`));
  const all = sets.reduce((union, set) => union | set, 0n);
  return Object.entries(DANGEROUS)
    .filter(([name, bit]) => ((all >> BigInt(bit)) & 1n) === 1n && (sharesPids || name !== NEEDS_HOST_PIDS))
    .map(([name]) => name);
}

function namespaceOf(pid: string, kind: "net" | "user" | "pid"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    // The process ended meanwhile, or is a zombie.
    return undefined;
  }
}
