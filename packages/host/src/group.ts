/** A server's group as the packet programs know it. */
export interface GroupMember {
  name: string;
  id: number;
}

/** No group: such a server reaches no other. */
export const NO_GROUP = 0;

/**
 * The number of a group: that of its members, or the lowest that no group has.
 *
 * Numbers are not derived from names: two names with one number would let strangers reach each other.
 *
 * @param name "" for none
 * @param members of all servers there are
 */
export function groupId(name: string, members: readonly GroupMember[]): number {
  if (name === "") return NO_GROUP;
  const known = members.find((member) => member.name === name && member.id !== NO_GROUP);
  if (known !== undefined) return known.id;
  const taken = new Set(members.map(({ id }) => id));
  let id = NO_GROUP + 1;
  while (taken.has(id)) id++;
  return id;
}

/**
 * The numbers of all groups: those their members have, and new ones for groups none of whose members has any.
 *
 * @param names "" is no group
 */
export function groupIds(names: Iterable<string>, members: readonly GroupMember[]): Map<string, number> {
  const ids = new Map<string, number>();
  const all = [...members];
  for (const name of new Set(names)) {
    const id = groupId(name, all);
    ids.set(name, id);
    all.push({ name, id });
  }
  return ids;
}
