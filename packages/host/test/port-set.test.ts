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

  test("is what is added and taken out, in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), port)), (changes) => {
        const set = new PortSet();
        const model = new Set<number>();
        for (const [add, each] of changes) {
          if (add) {
            set.add(each);
            model.add(each);
          } else expect(set.delete(each)).toBe(model.delete(each));
          expect([...set]).toEqual(ascending(model));
          expect(set.has(each)).toBe(add);
        }
        expect([...PortSet.parse(set.toString())]).toEqual(ascending(model));
      }),
    );
  });

  test("neighbours are one range: ten thousand servers cost no more than ten", () => {
    const set = new PortSet();
    for (let each = 35_564; each >= 25_565; each--) set.add(each);
    expect(set.toString()).toBe("25565-35564");
  });

  test("adding a port and taking it out again leaves the text as it was", () => {
    fc.assert(
      fc.property(fc.uniqueArray(port), port, (others, one) => {
        fc.pre(!others.includes(one));
        const before = PortSet.parse(others.join(",")).toString();
        const set = PortSet.parse(before);
        set.add(one);
        expect(set.delete(one)).toBe(true);
        expect(set.toString()).toBe(before);
      }),
    );
  });
});
