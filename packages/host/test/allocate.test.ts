import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lowestFree } from "../src/allocate/lowest-free.ts";
import { addressAt, isHostPosition, parseSubnet, positionIn } from "../src/allocate/subnet.ts";
import { containerMac } from "../src/interfaces/veth-pair.ts";

const value = fc.integer({ min: 1, max: 40 });
const range = fc.tuple(value, value).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const);

describe("the lowest that is free", () => {
  test("is in the range and free, and nothing lower is", () => {
    fc.assert(
      fc.property(range, fc.array(value), fc.array(value), (within, servers, others) => {
        const owner = (each: number) =>
          servers.includes(each) ? ("server" as const) : others.includes(each) ? ("other" as const) : undefined;
        const all = Array.from({ length: within[1] - within[0] + 1 }, (_, at) => within[0] + at);
        expect(lowestFree(within, owner)?.value).toBe(all.find((each) => owner(each) === undefined) as number);
      }),
    );
  });

  test("once it is taken, the next search may begin where it says: all below is taken by servers", () => {
    fc.assert(
      fc.property(range, fc.array(value), fc.array(value), (within, servers, others) => {
        const taken = new Set(servers);
        const owner = (each: number) =>
          taken.has(each) ? ("server" as const) : others.includes(each) ? ("other" as const) : undefined;
        const found = lowestFree(within, owner);
        if (found === undefined) return;
        taken.add(found.value);
        for (let each = within[0]; each < found.freeFrom; each++) expect(owner(each)).toBe("server");
        // Also when what others had has become free meanwhile.
        const free = (each: number) => (taken.has(each) ? ("server" as const) : undefined);
        expect(lowestFree([found.freeFrom, within[1]], free)?.value).toBe(lowestFree(within, free)?.value as number);
      }),
    );
  });
});

test("a container has neither the network's own nor the broadcast address", () => {
  const subnet = parseSubnet("10.1.0.0/28", "test");
  expect([undefined, 0, 1, 14, 15].map((index) => isHostPosition(subnet, index))).toEqual([
    false,
    false,
    true,
    true,
    false,
  ]);
});

test("a position in a subnet is an address and back", () => {
  const subnet = parseSubnet("10.1.0.0/16", "test");
  expect([0, 1, 257, 65_535].map((position) => addressAt(subnet, position))).toEqual([
    "10.1.0.0",
    "10.1.0.1",
    "10.1.1.1",
    "10.1.255.255",
  ]);
  expect(["10.1.1.1", "10.2.0.1", "nonsense"].map((address) => positionIn(subnet, address))).toEqual([
    257,
    undefined,
    undefined,
  ]);
});

test("a subnet is an IPv4 prefix with its length", () => {
  expect(() => parseSubnet("10.1.0.5/16", "load")).toThrow("10.1.0.5/16 has bits set behind its prefix");
  for (const text of ["10.1.0.0", "fd00::/16"]) expect(() => parseSubnet(text, "load")).toThrow("not an IPv4 subnet");
});

test("a container's MAC is locally administered and ends in the server's id", () => {
  expect(containerMac(1)).toBe("0a:58:00:00:00:01");
  expect(containerMac(0x0102fffe)).toBe("0a:58:01:02:ff:fe");
});
