import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { groupId, type GroupMember } from "../src/group.ts";

describe("group numbers", () => {
  test("no group is 0, and members of a group share its number", () => {
    expect(groupId("", [{ name: "a", id: 1 }])).toBe(0);
    expect(groupId("a", [])).toBe(1);
    expect(groupId("b", [{ name: "a", id: 1 }])).toBe(2);
    expect(
      groupId("a", [
        { name: "b", id: 2 },
        { name: "a", id: 7 },
      ]),
    ).toBe(7);
  });

  test("whatever comes and goes, two servers have one number exactly when they have one group", () => {
    const change = fc.record({ add: fc.boolean(), name: fc.constantFrom("", "a", "b", "c", "d"), at: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const members: GroupMember[] = [];
        for (const { add, name, at } of changes) {
          if (add) members.push({ name, id: groupId(name, members) });
          else members.splice(at, 1);
        }
        for (const one of members) {
          expect(one.id === 0).toBe(one.name === "");
          for (const other of members) expect(one.id === other.id).toBe(one.name === other.name);
        }
      }),
    );
  });
});
