/** TC filters on the clsact qdisc: how programs are attached to an interface where the kernel has no TCX. */
import { Errno } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { withLibbpfLog } from "../ffi/log.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { type Direction, numberOf } from "./attach-type.ts";
import { check } from "./errors.ts";
import type { Program } from "./program.ts";

export const TC_HOOK = struct("bpf_tc_hook", { sz: "u64", ifindex: "i32", attach_point: "i32", parent: "u32" });

export const TC_OPTS = struct("bpf_tc_opts", {
  sz: "u64",
  prog_fd: "i32",
  flags: "u32",
  prog_id: "u32",
  handle: "u32",
  priority: "u32",
});

const ATTACH_POINT: Record<Direction, number> = { ingress: 1, egress: 2 };
const BOTH = 3;
const BPF_TC_F_REPLACE = 1;

/** The place of a filter. Interfaces are those of the calling thread's network namespace. */
export interface ClsactSlot {
  ifindex: number;
  direction: Direction;
  /** Filters run by ascending priority, 1 to 65535. */
  priority: number;
  /** Tells filters of one priority apart; not 0. */
  handle: number;
}

/** Makes an interface's clsact qdisc. False when it has one. Throws `SyscallError`: ENODEV without the interface. */
export function makeClsact(ifindex: number): boolean {
  return withLibbpfLog((messages) => {
    using hook = new NativeStruct(TC_HOOK, { ifindex, attach_point: BOTH });
    beforeChange("make the clsact qdisc of", ifindex);
    const result = libbpf.tcHookCreate(hook.bytes);
    if (result === -Errno.EEXIST) return false;
    check(result, { op: `make clsact on interface ${ifindex}`, call: "bpf_tc_hook_create", messages });
    return true;
  });
}

/**
 * Attaches a program in direct-action mode, making the clsact qdisc if there is none. A filter has no owner: it stays
 * until it is detached, or the interface or the qdisc goes.
 *
 * @returns "updated" when the slot had a filter, which was replaced in one step
 *
 * Throws `SyscallError`: ENODEV without such an interface.
 */
export function attachClsact(program: Program, slot: ClsactSlot): "attached" | "updated" {
  const op = `attach ${program.name} to the ${slot.direction} of interface ${slot.ifindex}`;
  return withLibbpfLog((messages) => {
    using hook = hookOf(slot);
    beforeChange("make the clsact qdisc of", slot.ifindex);
    // SAFETY (whole file): libbpf reads and writes the structures during the call only; they hold no pointers.
    const created = libbpf.tcHookCreate(hook.bytes);
    if (created !== -Errno.EEXIST) check(created, { op, call: "bpf_tc_hook_create", messages });
    const there = query(hook, slot, op, messages) !== undefined;
    using opts = new NativeStruct(TC_OPTS, {
      prog_fd: program.fd,
      flags: there ? BPF_TC_F_REPLACE : 0,
      handle: slot.handle,
      priority: slot.priority,
    });
    beforeChange("attach a filter to", slot.ifindex);
    check(libbpf.tcAttach(hook.bytes, opts.bytes), { op, call: "bpf_tc_attach", messages });
    return there ? "updated" : "attached";
  });
}

/**
 * The id of the program in a slot; undefined when it is empty, or there is no clsact qdisc or no such interface. Throws
 * `SyscallError`.
 */
export function queryClsact(slot: ClsactSlot): number | undefined {
  const op = `look at the ${slot.direction} of interface ${slot.ifindex}`;
  return withLibbpfLog((messages) => {
    using hook = hookOf(slot);
    return query(hook, slot, op, messages);
  });
}

/**
 * Detaches the filter in a slot. False when it is empty. The clsact qdisc stays: others may use it. Throws
 * `SyscallError`.
 */
export function detachClsact(slot: ClsactSlot): boolean {
  const op = `detach from the ${slot.direction} of interface ${slot.ifindex}`;
  return withLibbpfLog((messages) => {
    using hook = hookOf(slot);
    if (query(hook, slot, op, messages) === undefined) return false;
    using opts = new NativeStruct(TC_OPTS, { handle: slot.handle, priority: slot.priority });
    beforeChange("detach a filter from", slot.ifindex);
    const result = libbpf.tcDetach(hook.bytes, opts.bytes);
    if (NOTHING_THERE.has(result)) return false;
    check(result, { op, call: "bpf_tc_detach", messages });
    return true;
  });
}

/**
 * Removes an interface's clsact qdisc with every filter on it, also those of other programs. False when there is none.
 * Throws `SyscallError`.
 */
export function destroyClsact(ifindex: number): boolean {
  return withLibbpfLog((messages) => {
    using hook = new NativeStruct(TC_HOOK, { ifindex, attach_point: BOTH });
    beforeChange("remove the clsact qdisc of", ifindex);
    const result = libbpf.tcHookDestroy(hook.bytes);
    if (NOTHING_THERE.has(result)) return false;
    check(result, { op: `remove clsact from interface ${ifindex}`, call: "bpf_tc_hook_destroy", messages });
    return true;
  });
}

/** No filter, no qdisc (for which the kernel has only EINVAL), no interface. */
const NOTHING_THERE = new Set<number>([-Errno.ENOENT, -Errno.EINVAL, -Errno.ENODEV]);

function hookOf({ ifindex, direction }: ClsactSlot): NativeStruct<typeof TC_HOOK.fields> {
  return new NativeStruct(TC_HOOK, { ifindex, attach_point: numberOf(direction, ATTACH_POINT) });
}

function query(
  hook: NativeStruct<typeof TC_HOOK.fields>,
  slot: ClsactSlot,
  op: string,
  messages: readonly string[],
): number | undefined {
  using opts = new NativeStruct(TC_OPTS, { handle: slot.handle, priority: slot.priority });
  const result = libbpf.tcQuery(hook.bytes, opts.bytes);
  if (NOTHING_THERE.has(result)) return undefined;
  check(result, { op, call: "bpf_tc_query", messages });
  return opts.get("prog_id");
}
