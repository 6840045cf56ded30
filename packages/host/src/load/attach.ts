/** Attaches the loaded programs, or replaces the previous ones, by the program table. */
import {
  type AttachResult,
  type ContainerPeerProgram,
  type HostInterfaceProgram,
  type Objects,
  programsAt,
  serverLabel,
  type ServerRecord,
} from "@dp/core";
import type { Link } from "@dp/netlink";
import { type Fd, UnsupportedError } from "@dp/sys";
import { openServerNetns } from "../container/processes.ts";
import { attachGuard, detachGuard } from "../guard.ts";
import { pinRootOf } from "../host-options.ts";
import { interfaceOf } from "../server/parts/programs.ts";
import { messageOf } from "../transaction.ts";
import type { LoadChange } from "./change.ts";
import type { LoadOptions } from "./options.ts";
import type { LoadPlan } from "./plan.ts";
import { uplinksOf } from "./uplinks.ts";

export function attachToUplink(change: LoadChange, uplink: Link): void {
  for (const { name } of programsAt("uplink")) attach(change, name, uplink);
}

/** @returns false when the container peer keeps the programs it has: the container could not be entered */
export function attachToServer(change: LoadChange, record: ServerRecord): boolean {
  // The program for the proxy's answers is attached before the one that redirects to the proxy.
  for (const { name } of programsAt("host peer")) {
    attach(change, name, interfaceOf(record.hostPeer));
  }
  return programsAt("container peer")
    .map(({ name }) => attachToContainerPeer(change, name, record))
    .every((reached) => reached);
}

/** Attaches a program, or replaces it in one step. The undo attaches the previous program again, or detaches. */
function attach(
  { transaction, objects, previous }: LoadChange,
  program: HostInterfaceProgram,
  { index, name }: { index: number; name: string },
): void {
  const iface = { index, name };
  transaction.step(
    `attach ${program} to ${name}`,
    () => objects.attachments.attach(program, iface),
    (done) => {
      if (done === "updated" && previous !== undefined) previous.attachments.attach(program, iface);
      else objects.attachments.detach(program, name);
    },
  );
}

/**
 * As {@link attach}. Attaching for the first time, or replacing a filter, requires entering the namespace. If this
 * fails, the container peer keeps the program it has.
 */
function attachToContainerPeer(
  { transaction, objects, previous, options }: LoadChange,
  program: ContainerPeerProgram,
  record: ServerRecord,
): boolean {
  const hostPeerName = record.hostPeer.name;
  const attachIn = (netns: Fd, { attachments }: Objects): AttachResult =>
    attachments.attach(program, interfaceOf(record.containerPeer), { netns, hostPeerName });
  const attached = transaction.step(
    `attach ${program} for ${hostPeerName}`,
    () => {
      if (objects.attachments.swap(program, hostPeerName)) return "updated";
      using netns = enterable(record, options);
      return netns === undefined ? undefined : attachIn(netns, objects);
    },
    (done) => {
      if (done === "updated" && previous?.attachments.swap(program, hostPeerName) === true) return;
      using netns = done === "updated" ? enterable(record, options) : undefined;
      if (netns !== undefined && previous !== undefined) attachIn(netns, previous);
      else if (done !== undefined) objects.attachments.detach(program, hostPeerName);
    },
  );
  return attached !== undefined;
}

function enterable(record: ServerRecord, options: LoadOptions): Fd | undefined {
  try {
    return openServerNetns(record);
  } catch (error) {
    options.warn?.(`the program in the container of ${serverLabel(record)} stays as it was: ${messageOf(error)}`);
    return undefined;
  }
}

export function attachToCgroup({ transaction, objects, previous }: LoadChange, { cgroup, oldCgroup }: LoadPlan): void {
  transaction.step(
    `attach to the cgroup ${cgroup}`,
    () => objects.attachments.attachToCgroup(cgroup),
    () => {
      if (previous !== undefined && oldCgroup !== undefined) previous.attachments.attachToCgroup(oldCgroup);
      else objects.attachments.detachFromCgroup();
    },
  );
}

/** From here on the proxy's listeners accept nothing from uplinks. The host peers are known by then. */
export function attachToSkLookup({ transaction, objects }: LoadChange): void {
  transaction.step(
    "attach to the socket look-up",
    () => objects.attachments.attachToSkLookup(),
    // That of the previous load stays replaced: both do the same.
    (attached) => attached === "attached" && objects.attachments.detachFromSkLookup(),
  );
}

/** The guard drops what dp_snat has not marked: it comes after all programs on host peers were replaced. */
export function attachToHost({ transaction, objects, options }: LoadChange): void {
  transaction.step(
    "attach guard",
    () => {
      try {
        return attachGuard(objects, pinRootOf(options));
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error;
        options.warn?.(error.reason);
        return undefined;
      }
    },
    // A guard of the previous load stays replaced: both do the same.
    (attached) => attached === "attached" && detachGuard(objects, pinRootOf(options)),
  );
}

/** Detaches from interfaces that are no longer uplinks. */
export function leaveUplinks(change: LoadChange, uplinks: readonly Link[]): void {
  const { transaction, objects, previous, host } = change;
  for (const { program, iface, ifindex } of uplinksOf(previous)) {
    if (uplinks.some(({ name }) => name === iface)) continue;
    const link = ifindex === 0 ? undefined : host.link(ifindex);
    transaction.step(
      `detach ${program} from ${iface}`,
      () => objects.attachments.detach(program, iface),
      () => link !== undefined && previous?.attachments.attach(program as HostInterfaceProgram, link),
    );
    if (ifindex === 0) continue;
    transaction.step(
      `delete uplink ${iface}`,
      () => objects.uplinks.delete(ifindex),
      () => objects.uplinks.set(ifindex),
    );
  }
}
