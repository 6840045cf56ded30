import type { Objects, ServerRecord } from "@dp/core";
import type { GroupMember } from "./group.ts";

/** Which numbers the entries of groups' servers have. */
export function groupMembers(objects: Objects, records: readonly ServerRecord[]): GroupMember[] {
  return records.flatMap(({ group, hostPort, veth }) => {
    if (group === "") return [];
    const { index } = veth.hostPeer.iface;
    const target = objects.getSnatTarget(index);
    const pair = objects.getVethPairEntry(veth.podPeer.addr);
    // Under the index or the address of one whose container died there may be another's.
    const own = [target?.publicPort === hostPort ? target : undefined, pair?.hostPeer === index ? pair : undefined];
    return own.flatMap((entry) => (entry === undefined ? [] : { name: group, id: entry.group }));
  });
}
