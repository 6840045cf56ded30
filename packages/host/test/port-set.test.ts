import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PortSet } from "../src/kernel/port-set.ts";

const port = fc.integer({ min: 1, max: 300 });
const ascending = (ports: Iterable<number>) => [...ports].sort((one, other) => one - other);

describe("a set of ports", () => {
  test("is read and written as the kernel does", () => {
    expect([...PortSet.parse("80,1000-1003,65535\n")]).toEqual([80, 1000, 1001, 1002, 1003, 65535]);
    expect(PortSet.parse("1003,80,1001,1000,1002,65535").toString()).toBe("80,1000-1003,65535");
    expect([...PortSet.parse("\n")]).toEqual([]);
    expect(PortSet.parse("").toString()).toBe("");
    expect(PortSet.parse("5-9,x,7-70000,3-1,-4").toString()).toBe("5-65535");
  });

  test("has what was added and not deleted, in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.array(port))), (changes) => {
        const set = new PortSet();
        const model = new Set<number>();
        for (const [add, ports] of changes) {
          if (add) set.addMany(ports);
          else set.deleteMany(ports);
          for (const each of ports) {
            if (add) model.add(each);
            else model.delete(each);
          }
          expect([...set]).toEqual(ascending(model));
          for (const each of ports) expect(set.has(each)).toBe(add);
        }
        expect([...PortSet.parse(set.toString())]).toEqual(ascending(model));
      }),
    );
  });

  test("neighbours are one range: ten thousand servers cost no more than ten", () => {
    const set = new PortSet();
    set.addMany(Array.from({ length: 10_000 }, (_, index) => 35_564 - index));
    expect(set.toString()).toBe("25565-35564");
  });

  test("adding a port and deleting it again leaves the text as it was", () => {
    fc.assert(
      fc.property(fc.uniqueArray(port), port, (others, one) => {
        fc.pre(!others.includes(one));
        const before = PortSet.parse(others.join(",")).toString();
        const set = PortSet.parse(before);
        set.addMany([one]);
        set.deleteMany([one]);
        expect(set.toString()).toBe(before);
      }),
    );
  });
});
