import { Errno } from "@dp/sys";
import { type Family, familyName, familyNumber } from "../codec/family.ts";
import { type Frame, MessageFlag } from "../codec/frame.ts";
import { neighbourStates } from "../codec/names.ts";
import { neighbourAttributes, neighbourMessage } from "../codec/neighbour.ts";
import { RtnlType } from "../codec/type.ts";
import type { Connection } from "../connection.ts";
import { NetlinkError } from "../error.ts";
import { checkIndex, checkIp, checkMac, checkWord } from "../input.ts";
import { linkName } from "./link.ts";

/** What the kernel knows about a neighbour (NUD_*). */
export type NeighbourState =
  | "none"
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

/** What the kernel knows about an address on an interface's network: an entry of the ARP or ND table. */
export interface Neighbour {
  readonly family: Family;
  readonly ifindex: number;
  readonly address: string;
  /** Undefined while it is not known. */
  readonly mac: string | undefined;
  /** A number for a combination of states, which has no name. */
  readonly state: NeighbourState | number;
  /** NTF_* bits. */
  readonly flags: number;
}

/** Which neighbours; an omitted field matches all. */
export interface NeighbourFilter {
  ifindex?: number | undefined;
  family?: Family | undefined;
}

/** A neighbour entry to set. */
export interface NeighbourOptions {
  ifindex: number;
  address: string;
  mac: string;
  /** Default "permanent": it does not age and is not resolved. */
  state?: "permanent" | "noarp" | "reachable" | "stale" | undefined;
}

const { RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH } = RtnlType;
const { NLM_F_CREATE, NLM_F_REPLACE } = MessageFlag;
const settableStates = ["permanent", "noarp", "reachable", "stale"] as const;

export function listNeighbours(connection: Connection, filter: NeighbourFilter): Neighbour[] {
  const op = "list neighbours";
  const ifindex = filter.ifindex === undefined ? undefined : checkIndex(filter.ifindex, op);
  const families: Family[] = filter.family === undefined ? ["inet", "inet6"] : [filter.family];
  return families.flatMap((family) => {
    const payload = neighbourMessage.build({ ndm_family: familyNumber[family] }, { NDA_IFINDEX: ifindex });
    // A kernel without the family answers with all of them.
    return connection
      .dump({ type: RTM_GETNEIGH, payload }, op)
      .flatMap(readNeighbour)
      .filter((neighbour) => neighbour.family === family);
  });
}

export function setNeighbour(connection: Connection, options: NeighbourOptions): void {
  const { ifindex, mac } = options;
  const op = `set neighbour ${options.address}`;
  const { family, address } = checkIp(options.address, op);
  const state = checkWord(options.state ?? "permanent", settableStates, "a state to set", op);
  const payload = neighbourMessage.build(
    {
      ndm_family: familyNumber[family],
      ndm_ifindex: checkIndex(ifindex, op),
      ndm_state: neighbourStates.number(state),
    },
    { NDA_DST: address, NDA_LLADDR: checkMac(mac, op) },
  );
  connection.change(
    { type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, payload },
    () => `set neighbour ${address} to ${mac} on ${linkName(connection, ifindex)}`,
  );
}

export function deleteNeighbour(
  connection: Connection,
  options: Pick<NeighbourOptions, "ifindex" | "address">,
): boolean {
  const op = `delete neighbour ${options.address}`;
  const { family, address } = checkIp(options.address, op);
  const payload = neighbourMessage.build(
    { ndm_family: familyNumber[family], ndm_ifindex: checkIndex(options.ifindex, op) },
    { NDA_DST: address },
  );
  try {
    connection.change(
      { type: RTM_DELNEIGH, payload },
      () => `delete neighbour ${address} from ${linkName(connection, options.ifindex)}`,
    );
    return true;
  } catch (error) {
    const gone: number[] = [Errno.ENOENT, Errno.ENODEV];
    if (error instanceof NetlinkError && gone.includes(error.errno)) return false;
    throw error;
  }
}

export function readNeighbour(frame: Frame): Neighbour[] {
  if (frame.type !== RTM_NEWNEIGH) return [];
  const { header, attributes } = neighbourMessage.read(frame.payload);
  const values = neighbourAttributes.values(attributes);
  const family = familyName(header.ndm_family);
  if (family === undefined || values.NDA_DST === undefined) return [];
  return [
    {
      family,
      ifindex: header.ndm_ifindex,
      address: values.NDA_DST,
      mac: values.NDA_LLADDR,
      state: neighbourStates.name(header.ndm_state),
      flags: header.ndm_flags,
    },
  ];
}
