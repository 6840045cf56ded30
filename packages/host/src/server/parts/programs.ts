import {
  type ContainerPeerProgram,
  type HostInterfaceProgram,
  type InterfaceProgram,
  programsAt,
  type ServerRecord,
} from "@dp/core";
import { removeBy, repairBy, type Problem, problem, serverProblem } from "../../repair/problem.ts";
import type { View } from "../../repair/view.ts";
import { isStillUp } from "../present.ts";
import type { Removal, ServerPart } from "./part.ts";

/**
 * The programs on the host peer, from the program table. If the interface could not be deleted, it keeps its programs.
 * If it was deleted, the kernel has detached them, and only their pins are removed.
 */
export const hostPeerPrograms: readonly ServerPart[] = programsAt("host peer").map((row): ServerPart => {
  const name = row.name as HostInterfaceProgram;
  return {
    name: `attach ${name}`,
    add({ objects, record }) {
      objects.attachments.attach(name, interfaceOf(record.hostPeer));
    },
    remove: (removal) => detach(removal, name),
    check: (view, record) => check(view, record, name),
    orphans: (view) => orphans(view, name),
  };
});

/**
 * The programs on the container peer: their pins have the host peer's name. The part `containerNetwork` checks them.
 */
export const containerPeerPrograms: readonly ServerPart[] = programsAt("container peer").map((row): ServerPart => {
  const name = row.name as ContainerPeerProgram;
  return {
    name: `attach ${name}`,
    add({ objects, netns, record: { hostPeer, containerPeer } }) {
      objects.attachments.attach(name, interfaceOf(containerPeer), { netns, hostPeerName: hostPeer.name });
    },
    remove: (removal) => detach(removal, name),
    orphans: (view) => orphans(view, name),
  };
});

/** A recorded peer as a target for attaching programs. */
export function interfaceOf({ ifindex, name }: ServerRecord["hostPeer"]): { index: number; name: string } {
  return { index: ifindex, name };
}

function detach({ objects, host, record }: Removal, program: InterfaceProgram): void {
  if (!isStillUp(objects, host, record)) objects.attachments.detach(program, record.hostPeer.name);
}

function check(view: View, record: ServerRecord, program: HostInterfaceProgram): Problem[] {
  const { objects } = view;
  const { ifindex, name } = record.hostPeer;
  const attached = view.attachment(program, name);
  const isOn = attached?.ifindex === ifindex && attached.programId !== 0;
  if (isOn && attached.programId === objects.attachments.programId(program)) return [];
  const remedy = repairBy(() => objects.attachments.attach(program, interfaceOf(record.hostPeer)));
  const [code, what] = isOn
    ? ["program-outdated", `${name} runs another dp_${program} than the loaded one`]
    : ["program-detached", `dp_${program} is not attached to ${name}: it was detached by another program`];
  return [serverProblem(record, { code, severity: "error", what }, remedy)];
}

function orphans({ objects, attachments, hostPeerNames }: View, program: InterfaceProgram): Problem[] {
  return attachments.flatMap((attachment) => {
    const { iface, path } = attachment;
    if (attachment.program !== program || hostPeerNames.has(iface)) return [];
    const what = `orphaned pin ${path}: no server has the interface ${iface}`;
    const remedy = removeBy(() => objects.attachments.detach(program, iface));
    return problem({ code: "orphaned-attachment", severity: "warning", what }, remedy);
  });
}
