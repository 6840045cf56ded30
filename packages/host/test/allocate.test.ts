import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { containerMac, isHostIndex, lowestFreeIndex, lowestFreePort } from "../src/allocate.ts";
import { Subnet } from "../src/subnet.ts";

const host = Subnet.parse("10.1.0.0/28", "test");
const container = Subnet.parse("10.2.0.0/27", "test");

describe("addresses", () => {
  test("the first server gets .1 of both subnets", () => {
    expect(lowestFreeIndex(host, container, new Set())).toBe(1);
  });

  test("an address in use in either subnet takes the pair", () => {
    expect(lowestFreeIndex(host, container, new Set(["10.1.0.1", "10.2.0.2"]))).toBe(3);
  });

  test("the result is free in both, neither network nor broadcast, and nothing lower is", () => {
    const index = fc.integer({ min: 0, max: 31 });
    fc.assert(
      fc.property(fc.array(index), fc.array(index), (inHost, inContainer) => {
        const taken = new Set([...inHost.map((at) => host.at(at)), ...inContainer.map((at) => container.at(at))]);
        const free = (at: number) =>
          isHostIndex(host, at) &&
          isHostIndex(container, at) &&
          !taken.has(host.at(at)) &&
          !taken.has(container.at(at));
        const found = lowestFreeIndex(host, container, taken);
        const expected = Array.from({ length: 32 }, (_, at) => at).find(free);
        expect(found).toBe(expected as number);
      }),
    );
  });

  test("the smaller subnet sets the limit, and a full one has none left", () => {
    const all = new Set(Array.from({ length: 14 }, (_, at) => host.at(at + 1)));
    expect(lowestFreeIndex(host, container, all)).toBeUndefined();
    all.delete("10.1.0.14");
    expect(lowestFreeIndex(host, container, all)).toBe(14);
  });

  test("a container's MAC is locally administered and ends in its address", () => {
    expect(containerMac("10.2.0.1")).toBe("0a:58:0a:02:00:01");
    expect(containerMac("192.168.255.254")).toBe("0a:58:c0:a8:ff:fe");
  });
});

describe("ports", () => {
  test("the result is in the range, not taken, and nothing lower is free", () => {
    const port = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(port, port, fc.array(port), (one, other, used) => {
        const range = [Math.min(one, other), Math.max(one, other)] as const;
        const taken = new Set(used);
        const found = lowestFreePort(range, (each) => taken.has(each));
        const all = Array.from({ length: range[1] - range[0] + 1 }, (_, at) => range[0] + at);
        expect(found).toBe(all.find((each) => !taken.has(each)) as number);
      }),
    );
  });
});
