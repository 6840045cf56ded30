import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatPorts, parsePorts } from "../src/reserved-ports.ts";

describe("ip_local_reserved_ports", () => {
  test("is read and written as the kernel does", () => {
    expect([...parsePorts("80,1000-1003,65535\n")]).toEqual([80, 1000, 1001, 1002, 1003, 65535]);
    expect(formatPorts(new Set([1003, 80, 1001, 1000, 1002, 65535]))).toBe("80,1000-1003,65535");
    expect([...parsePorts("\n")]).toEqual([]);
    expect(formatPorts(new Set())).toBe("");
  });

  test("what is written reads as the same ports", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 65535 })), (ports) => {
        expect(parsePorts(formatPorts(new Set(ports)))).toEqual(new Set(ports.toSorted((one, other) => one - other)));
      }),
    );
  });

  test("adding a port and taking it out again leaves the text as it was", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 300 })),
        fc.integer({ min: 1, max: 300 }),
        (others, port) => {
          fc.pre(!others.includes(port));
          const before = formatPorts(new Set(others));
          const during = parsePorts(formatPorts(parsePorts(before).add(port)));
          expect(during.delete(port)).toBe(true);
          expect(formatPorts(during)).toBe(before);
        },
      ),
    );
  });
});
