import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { attachClsact, type ClsactSlot, detachClsact, queryClsact } from "../../libbpf/clsact.ts";
import { pin, pinOver, renamePin, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { interfaceNames, readInterface } from "../interface.ts";
import { DIRECTION, type Mechanism, NOT_ATTACHED, type PinnedPlace, type Place } from "./attachment.ts";
import { forgetQdisc, provideQdisc, releaseQdisc, renameQdisc } from "./clsact-qdisc.ts";
import type { InterfaceProgram } from "./pin-root.ts";

/** Filters of one direction run by ascending priority: arp before snat, and both before others'. */
const PRIORITY: Record<InterfaceProgram, number> = { dnat: 1, arp: 1, snat: 2, tproxy_container: 1, tproxy_host: 1 };

/** Marks filters as ours, among others of the same priority. */
const HANDLE = 0xd9;

export function slotOf(program: InterfaceProgram, ifindex: number): ClsactSlot {
  return { ifindex, direction: DIRECTION[program], priority: PRIORITY[program], handle: HANDLE };
}

/**
 * A filter has no link to pin: the pin is the program's, and says that a filter with it stands on that interface.
 *
 * A container peer's filter is out of reach but for who is in the container's namespace, which attach and update are.
 * Detaching only unpins; the filter goes with the interface, and left alone with no entry in dp_veth_pairs it does
 * nothing. So what is found in its place is replaced: it can only be such a one, or the container's own doing. Its
 * qdisc goes with the interface too.
 */
export const clsact: Mechanism = {
  name: "clsact",

  attach(place, program) {
    const { program: name, iface, path } = place;
    const slot = slotOf(name, iface.index);
    const there = name === "tproxy_container" ? undefined : queryClsact(slot);
    if (there !== undefined && !isOurs(place, program, there)) throw placeTaken(place, program);
    const releaseAgain =
      name === "tproxy_container" ? () => {} : provideQdisc(place, iface.index, program, !hasOurs(iface.index));
    // In this order: killed in between, there is a pin without its filter, which the next one finds and replaces. A
    // filter without its pin would be taken for somebody else's.
    try {
      pin(program.fd, path);
      attachFilter(place, program);
    } catch (error) {
      unpin(path);
      releaseAgain();
      throw error;
    }
  },

  update(place, program) {
    const { program: name, iface, path } = place;
    const slot = slotOf(name, iface.index);
    if (queryClsact(slot) === undefined) {
      // Its interface is gone, or has another name now.
      const ifindex = name === "tproxy_container" ? 0 : findAttached({ program: name, path, ifaceName: iface.name });
      if (ifindex !== 0) detachFrom(place, ifindex);
      unpin(path);
      return false;
    }
    using before = Program.fromPin(path);
    attachClsact(program, slot);
    try {
      pinOver(program.fd, path);
    } catch (error) {
      attachClsact(before, slot);
      throw error;
    }
    return true;
  },

  detach(place) {
    if (place.program !== "tproxy_container") {
      const ifindex = findAttached(place);
      if (ifindex !== 0) detachFrom(place, ifindex);
      else clearUp(place);
    }
    unpin(place.path);
  },

  rename(place, path) {
    renameQdisc(place, { ...place, path }, () => renamePin(place.path, path));
  },

  state(place) {
    // Its interface is in another namespace: what is known of it is that it is there as long as the host peer.
    if (place.program === "tproxy_container") {
      const hostPeer = findInterface(place.ifaceName);
      return hostPeer === 0 ? NOT_ATTACHED : { ifindex: hostPeer, programId: undefined };
    }
    const ifindex = findAttached(place);
    const programId = ifindex === 0 ? undefined : queryClsact(slotOf(place.program, ifindex));
    return programId === undefined ? NOT_ATTACHED : { ifindex, programId };
  },
};

/** Removes what was made for a filter that is not there: who was to attach it, or took it off, was killed. */
export function clearUp(place: PinnedPlace): void {
  const ifindex = findInterface(place.ifaceName);
  if (ifindex === 0) forgetQdisc(place);
  else if (!hasOurs(ifindex)) releaseQdisc(place, ifindex);
}

/** The program of the filter on a container peer, told inside its namespace; 0 when there is none. */
export function clsactProgram(program: InterfaceProgram, ifindex: number): number {
  return queryClsact(slotOf(program, ifindex)) ?? 0;
}

/** Others' filters of our priority are no obstacle, unless they are of another kind. */
function attachFilter(place: Place, program: Program): void {
  try {
    attachClsact(program, slotOf(place.program, place.iface.index));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno === Errno.ENODEV) throw error;
    throw placeTaken(place, program, error);
  }
}

function placeTaken({ program: name, iface }: Place, program: Program, cause?: SyscallError): DatapathError {
  const { direction, priority } = slotOf(name, iface.index);
  const reason =
    cause === undefined
      ? `a filter that is not pinned here has its place (priority ${priority}, handle ${HANDLE})`
      : `the kernel refuses it: has priority ${priority} a filter of another kind? (${cause.errnoName})`;
  return new DatapathError("CONFLICT", `attach ${program.name} to ${iface.name}`, reason, {
    cause,
    hint: `see: tc filter show dev ${iface.name} ${direction}`,
  });
}

function detachFrom(place: Pick<PinnedPlace, "program" | "path">, ifindex: number): void {
  detachClsact(slotOf(place.program, ifindex));
  releaseQdisc(place, ifindex);
}

/**
 * The interface a pin's filter is on, 0 when there is none: the one of its name; or, as interfaces can be renamed, one
 * that has this very program in this place, and no pin of its own that says so.
 */
function findAttached({ program, path, ifaceName }: PinnedPlace): number {
  const named = findInterface(ifaceName);
  if (named !== 0 && queryClsact(slotOf(program, named)) !== undefined) return named;
  const pins = pinsOf({ program, path });
  const pinned = pins.find((pin) => pin.path === path);
  if (pinned === undefined) return 0;
  const known = new Set(pins.map((pin) => pin.path));
  for (const name of interfaceNames()) {
    if (known.has(join(dirname(path), `dp_${program}_${name.replaceAll(".", ":")}`))) continue;
    const ifindex = findInterface(name);
    if (ifindex !== 0 && queryClsact(slotOf(program, ifindex)) === pinned.programId) return ifindex;
  }
  return 0;
}

/**
 * Whether a filter that no pin of its interface's name stands for is ours, which had another name, or whose pin was
 * removed. Then its program is pinned for another interface, or has maps of this pin root.
 */
function isOurs(place: Place, program: Program, there: number): boolean {
  if (pinsOf(place).some(({ programId }) => programId === there)) return true;
  const maps = new Set(program.info().mapIds);
  using running = Program.fromId(there);
  return running.info().mapIds.some((id) => maps.has(id));
}

/** The pins of a program on all its interfaces, with what is pinned. */
function pinsOf({ program, path }: Pick<PinnedPlace, "program" | "path">): { path: string; programId: number }[] {
  const prefix = `dp_${program}_`;
  return readdirSync(dirname(path)).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const each = join(dirname(path), name);
    using pinned = Program.findPin(each);
    return pinned === undefined ? [] : [{ path: each, programId: pinned.id }];
  });
}

function hasOurs(ifindex: number): boolean {
  const programs = ["dnat", "arp", "snat", "tproxy_host"] as const;
  return programs.some((program) => queryClsact(slotOf(program, ifindex)) !== undefined);
}

function findInterface(name: string): number {
  try {
    return readInterface(name).index;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENODEV) return 0;
    throw error;
  }
}
