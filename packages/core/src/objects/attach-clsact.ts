import { DatapathError, Errno, SyscallError } from "@dp/sys";
import { attachClsact, type ClsactSlot, detachClsact, queryClsact } from "../libbpf/clsact.ts";
import { pinOver, unpin } from "../libbpf/pin.ts";
import { DIRECTION, type Mechanism, NOT_ATTACHED } from "./attachment.ts";
import { readInterface } from "./interface.ts";
import type { InterfaceProgram } from "./pin-root.ts";

/** Filters of one direction run by ascending priority: arp before snat. */
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
 * nothing. So what is found in its place is replaced: it can only be such a one, or the container's own doing.
 */
export const clsact: Mechanism = {
  name: "clsact",

  attach({ program: name, iface, path }, program) {
    const slot = slotOf(name, iface.index);
    if (name !== "tproxy_container" && queryClsact(slot) !== undefined) {
      const op = `attach ${program.name} to ${iface.name}`;
      const reason = `a filter that is not pinned here has its place (priority ${slot.priority}, handle ${HANDLE})`;
      throw new DatapathError("CONFLICT", op, reason, {
        hint: `see: tc filter show dev ${iface.name} ${slot.direction}`,
      });
    }
    // In this order: killed in between, there is a pin without its filter, which the next one finds and replaces. A
    // filter without its pin would be taken for somebody else's.
    pinOver(program.fd, path);
    try {
      attachClsact(program, slot);
    } catch (error) {
      unpin(path);
      throw error;
    }
  },

  update({ program: name, iface, path }, program) {
    const slot = slotOf(name, iface.index);
    if (queryClsact(slot) === undefined) {
      // Its interface is gone, or has another name now. Under that it keeps its filter: nothing says which it was.
      unpin(path);
      return false;
    }
    attachClsact(program, slot);
    pinOver(program.fd, path);
    return true;
  },

  detach({ program, path, ifaceName }) {
    const ifindex = program === "tproxy_container" ? 0 : findInterface(ifaceName);
    if (ifindex !== 0) detachClsact(slotOf(program, ifindex));
    unpin(path);
  },

  state({ program, ifaceName }) {
    const ifindex = findInterface(ifaceName);
    if (ifindex === 0) return NOT_ATTACHED;
    // Its interface is in another namespace: what is known of it is that it is there as long as the host peer.
    if (program === "tproxy_container") return { ifindex, programId: undefined };
    const programId = queryClsact(slotOf(program, ifindex));
    return programId === undefined ? NOT_ATTACHED : { ifindex, programId };
  },
};

/** The program of the filter on a container peer, told inside its namespace; 0 when there is none. */
export function clsactProgram(program: InterfaceProgram, ifindex: number): number {
  return queryClsact(slotOf(program, ifindex)) ?? 0;
}

function findInterface(name: string): number {
  try {
    return readInterface(name).index;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENODEV) return 0;
    throw error;
  }
}
