import { describe, expect, test } from "bun:test";
import { DestinationPorts } from "../src/limits/destination-ports.ts";

const TO = "192.0.2.7:443";

/** How many connections a container may open until it is refused. */
function most(ports: DestinationPorts, container: string, destination = TO): number {
  for (let opened = 0; ; opened++) if (!ports.open(container, destination)) return opened;
}

describe("of 28,232 ports towards one destination", () => {
  test("sixteen containers that take all they can leave as much for the next as they have", () => {
    const ports = new DestinationPorts(28_232);
    const greedy = Array.from({ length: 16 }, (_, index) => `10.2.0.${index + 1}`);
    for (const container of greedy) most(ports, container);
    expect(ports.taken(TO)).toBeLessThan(28_232);
    expect(most(ports, "10.2.1.1")).toBeGreaterThanOrEqual(64);
  });

  test("one gets at least 64 where all are taken", () => {
    const ports = new DestinationPorts(100);
    most(ports, "10.2.0.1");
    most(ports, "10.2.0.2");
    expect(most(ports, "10.2.0.3")).toBeGreaterThanOrEqual(64);
  });

  test("another destination has ports of its own", () => {
    const ports = new DestinationPorts(1000);
    const first = most(ports, "10.2.0.1");
    expect(most(ports, "10.2.0.1", "192.0.2.8:443")).toBe(first);
  });
});

test("a port is taken for a minute after the connection's end", () => {
  let now = 0;
  const ports = new DestinationPorts(1000, () => now);
  const first = most(ports, "10.2.0.1");
  for (let each = 0; each < first; each++) ports.close("10.2.0.1", TO);
  now = 59_999;
  ports.removeOld();
  expect(ports.open("10.2.0.1", TO)).toBe(false);
  now = 60_000;
  ports.removeOld();
  expect(ports.taken(TO)).toBe(0);
  expect(most(ports, "10.2.0.1")).toBe(first);
});

test("the host's own range is read where none is given", () => {
  expect(most(new DestinationPorts(), "10.2.0.1")).toBeGreaterThan(64);
});
