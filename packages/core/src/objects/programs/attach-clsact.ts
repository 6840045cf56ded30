import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { attachClsact, type ClsactSlot, detachClsact, queryClsact } from "../../libbpf/clsact.ts";
import { pin, pinOver, renamePin, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { interfaceNames, readInterface } from "../interface.ts";
import { forgetQdisc, provideQdisc, releaseQdisc, renameQdisc } from "./clsact-qdisc.ts";
import { type Mechanism, NOT_ATTACHED, type PinnedPlace, type Place } from "./mechanism.ts";
import { linkName } from "./pin-root.ts";
import { functionName, INTERFACE_PROGRAMS, type InterfaceProgramRow } from "./program-table.ts";

/** Marks filters as ours, among others of the same priority. */
const HANDLE = 0xd9;

/** Filters of one direction run by ascending priority: ours in their order, before those of other software. */
export function slotOf({ direction, order }: InterfaceProgramRow, ifindex: number): ClsactSlot {
  return { ifindex, direction, priority: order, handle: HANDLE };
}

/**
 * A filter has no link to pin: the pin is the program's, and says that a filter with it stands on that interface.
 *
 * The filter of a container peer is reached from inside the container's network namespace only, where attach and update
 * are called. Detaching only unpins; the filter goes with the interface, and without the server's entry in dp_servers
 * it does nothing. So a filter that is found in its place is replaced: it is a leftover, or the container's own. Its
 * qdisc goes with the interface too.
 */
export const clsact: Mechanism = {
  name: "clsact",

  attach(place, program) {
    const { row, iface, path } = place;
    const slot = slotOf(row, iface.index);
    const there = isOutOfReach(row) ? undefined : queryClsact(slot);
    if (there !== undefined && !isOurs(place, program, there)) throw placeTaken(place, program);
    const releaseAgain = isOutOfReach(row)
      ? () => {}
      : provideQdisc(place, iface.index, program, !hasOurs(iface.index));
    // In this order: killed in between, there is a pin without its filter, which the next one finds and replaces. A
    // filter without its pin would be taken for another program's.
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
    const { row, iface, path } = place;
    const slot = slotOf(row, iface.index);
    if (queryClsact(slot) === undefined) {
      // Its interface is gone, or has another name now.
      const ifindex = isOutOfReach(row) ? 0 : findAttached({ row, path, ifaceName: iface.name });
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
    if (!isOutOfReach(place.row)) {
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
    if (isOutOfReach(place.row)) {
      const hostPeer = findInterface(place.ifaceName);
      return hostPeer === 0 ? NOT_ATTACHED : { ifindex: hostPeer, programId: undefined };
    }
    const ifindex = findAttached(place);
    const programId = ifindex === 0 ? undefined : queryClsact(slotOf(place.row, ifindex));
    return programId === undefined ? NOT_ATTACHED : { ifindex, programId };
  },
};

/** Whether its interface is in another network namespace than the host's. */
function isOutOfReach({ place }: InterfaceProgramRow): boolean {
  return place === "container peer";
}

/** Removes what was made for a filter that is not there: the command that attached or detached it was killed. */
export function clearUp(place: PinnedPlace): void {
  const ifindex = findInterface(place.ifaceName);
  if (ifindex === 0) forgetQdisc(place);
  else if (!hasOurs(ifindex)) releaseQdisc(place, ifindex);
}

/** The program of the filter on a container peer, told inside its namespace; 0 when there is none. */
export function clsactProgram(row: InterfaceProgramRow, ifindex: number): number {
  return queryClsact(slotOf(row, ifindex)) ?? 0;
}

/** Others' filters of our priority are no obstacle, unless they are of another kind. */
function attachFilter(place: Place, program: Program): void {
  try {
    attachClsact(program, slotOf(place.row, place.iface.index));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno === Errno.ENODEV) throw error;
    throw placeTaken(place, program, error);
  }
}

function placeTaken({ row, iface }: Place, program: Program, cause?: SyscallError): DatapathError {
  const { direction, priority } = slotOf(row, iface.index);
  const reason =
    cause === undefined
      ? `a filter that is not pinned here has its place (priority ${priority}, handle ${HANDLE})`
      : `the kernel refuses it: has priority ${priority} a filter of another kind? (${cause.errnoName})`;
  return new DatapathError("CONFLICT", `attach ${program.name} to ${iface.name}`, reason, {
    cause,
    hint: `see: tc filter show dev ${iface.name} ${direction}`,
  });
}

function detachFrom(place: Pick<PinnedPlace, "row" | "path">, ifindex: number): void {
  detachClsact(slotOf(place.row, ifindex));
  releaseQdisc(place, ifindex);
}

/**
 * The interface a pin's filter is on, 0 when there is none: the one of its name; or, as interfaces can be renamed, one
 * that has this very program in this place, and no pin of its own that says so.
 */
function findAttached({ row, path, ifaceName }: PinnedPlace): number {
  const named = findInterface(ifaceName);
  if (named !== 0 && queryClsact(slotOf(row, named)) !== undefined) return named;
  const pins = pinsOf({ row, path });
  const pinned = pins.find((pin) => pin.path === path);
  if (pinned === undefined) return 0;
  const known = new Set(pins.map((pin) => pin.path));
  for (const name of interfaceNames()) {
    if (known.has(join(dirname(path), linkName(row.name, name)))) continue;
    const ifindex = findInterface(name);
    if (ifindex !== 0 && queryClsact(slotOf(row, ifindex)) === pinned.programId) return ifindex;
  }
  return 0;
}

/**
 * Whether a filter without a pin of its interface's name is ours: the interface had another name, or the pin was
 * removed. Then its program is pinned for another interface, or has maps of this pin root.
 */
function isOurs(place: Place, program: Program, there: number): boolean {
  if (pinsOf(place).some(({ programId }) => programId === there)) return true;
  const maps = new Set(program.info().mapIds);
  using running = Program.fromId(there);
  return running.info().mapIds.some((id) => maps.has(id));
}

/** The pins of a program on all its interfaces, with what is pinned. */
function pinsOf({ row, path }: Pick<PinnedPlace, "row" | "path">): { path: string; programId: number }[] {
  const prefix = `${functionName(row.name)}_`;
  return readdirSync(dirname(path)).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const each = join(dirname(path), name);
    using pinned = Program.findPin(each);
    return pinned === undefined ? [] : [{ path: each, programId: pinned.id }];
  });
}

function hasOurs(ifindex: number): boolean {
  return INTERFACE_PROGRAMS.some((row) => !isOutOfReach(row) && queryClsact(slotOf(row, ifindex)) !== undefined);
}

function findInterface(name: string): number {
  try {
    return readInterface(name).index;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENODEV) return 0;
    throw error;
  }
}
