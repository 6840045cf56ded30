/**
 * Which ports a server can have, and what becomes of net.ipv4.ip_local_reserved_ports.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Server as Listener } from "node:net";
import { openPinned } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import fc from "fast-check";
import { addServer, type AddServerOptions, delServer, load, type Server, unload } from "../src/index.ts";
import { ephemeralRange, inRange, overlap, parsePortRange } from "../src/kernel/ephemeral-range.ts";
import { PortSet } from "../src/kernel/port-set.ts";
import { releasePorts, reservedPorts, reservePorts } from "../src/kernel/reserved-ports.ts";
import { socketHolders } from "../src/kernel/socket-holder.ts";
import { readSysctl, writeSysctl } from "../src/kernel/sysctl.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

const RESERVED = "ipv4/ip_local_reserved_ports";
const RANGE = "ipv4/ip_local_port_range";

beforeAll(async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  await unload(sandbox.options);
});

function portOf({ forwards }: Server): number | undefined {
  return forwards[0]?.port;
}

async function refusal(promise: Promise<unknown>): Promise<DatapathError> {
  const error = await promise.then(
    () => new Error("it was done"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatapathError);
  expect((error as DatapathError).code).toBe("CONFLICT");
  return error as DatapathError;
}

async function listen(port: number, address = "0.0.0.0"): Promise<Listener> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.on("error", reject).listen(port, address, resolve));
  return server;
}

/** A process that listens in a network namespace, by way of a shell that is waited for. */
async function listenIn(netns: string, port: number) {
  const script = `require("net").createServer().listen(${port}, () => console.log("up"))`;
  const child = Bun.spawn(["nsenter", `--net=/run/netns/${netns}`, process.execPath, "-e", script], {
    stdout: "pipe",
  });
  await child.stdout.getReader().read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

describe("a port that a process listens on", () => {
  test("is refused, with the process named; one in another namespace, a container's, is none of it", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    const netns = sandbox.container();
    const add = (port: number) => addServer({ ...options, port, netns });
    const before = sandbox.observe();
    for (const address of ["0.0.0.0", "127.0.0.1", "::"]) {
      const own = await listen(25600, address);
      const error = await refusal(add(25600));
      expect(error.message).toStartWith(`add server 25600: process ${process.pid} (`);
      expect(error.message).toEndWith(") listens on port 25600 of the host");
      expect(error.hint).toContain("ss -ltnp 'sport = :25600'");
      await new Promise((resolve) => own.close(resolve));
    }
    {
      await using other = await listenIn(sandbox.host, 25600);
      expect((await refusal(add(25600))).message).toContain(`process ${other.pid} (`);
      expect(sandbox.observe()).toEqual(before);
    }
    await using _elsewhere = await listenIn(sandbox.internet, 25600);
    await using _inside = await listenIn(netns, 25600);
    expect(await add(25600)).toMatchObject({ forwards: [{ port: 25600 }] });
    await unload({ ...options, force: true });
  });

  test("is passed over by auto", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load({ ...options, portRange: [25600, 25602] });
    const listener = await listen(25600);
    const add = () => addServer({ ...options, port: "auto", netns: sandbox.container() });
    expect([portOf(await add()), portOf(await add())]).toEqual([25601, 25602]);
    expect((await refusal(add())).message).toContain("every port from 25600 to 25602 is taken");
    await new Promise((resolve) => listener.close(resolve));
    expect(portOf(await add())).toBe(25600);
    await unload({ ...options, force: true });
  });

  test("a socket that is not there has no holder", () => {
    expect(socketHolders(["0", "18446744073709551615"])).toEqual([]);
    expect(socketHolders([])).toEqual([]);
  });
});

describe("a port of the ephemeral range", () => {
  test("is refused unless it is forced, or reserved already; at its ends, and not beside them", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    writeSysctl(RANGE, "30000 30009");
    writeSysctl(RESERVED, "30005");
    await load(options);
    const add = (port: number, more: Partial<AddServerOptions> = {}) =>
      addServer({ ...options, port, netns: sandbox.container(), ...more });
    for (const port of [30000, 30004, 30009]) {
      const error = await refusal(add(port));
      expect(error.message).toContain(`port ${port} is in the host's ephemeral range, 30000-30009`);
      expect(error.hint).toContain("--force");
      expect(readSysctl(RESERVED)).toBe("30005");
    }
    for (const port of [29999, 30005, 30010]) expect(await add(port)).toMatchObject({ forwards: [{ port }] });
    expect(await add(30000, { force: true })).toMatchObject({ forwards: [{ port: 30000 }] });
    expect(readSysctl(RESERVED)).toBe("29999-30000,30005,30010");
    await delServer({ all: true }, options);
    expect(readSysctl(RESERVED)).toBe("30005");
    expect(sandbox.warnings).toEqual([]);
    await unload(options);
  });

  test("is left out by auto, which load warns of, and taken when it is forced to", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    writeSysctl(RANGE, "30001 30009");
    await load({ ...options, portRange: [30000, 30002] });
    expect(sandbox.warnings).toEqual([expect.stringContaining("use the ports 30001-30002")]);
    await load(options);
    expect(sandbox.warnings).toHaveLength(1);
    const add = (force = false) => addServer({ ...options, port: "auto", netns: sandbox.container(), force });
    expect(portOf(await add())).toBe(30000);
    const error = await refusal(add());
    expect(error.message).toContain("every port from 30000 to 30002 is taken, or in the host's ephemeral range");
    expect(error.hint).toContain("--force");
    writeSysctl(RESERVED, "30000,30002");
    expect(portOf(await add())).toBe(30002);
    expect(portOf(await add(true))).toBe(30001);
    expect((await refusal(add(true))).message).toEndWith("every port from 30000 to 30002 is taken");
    await unload({ ...options, force: true });
    expect(readSysctl(RESERVED)).toBe("30002");
  });

  test("is told as the kernel writes it", () => {
    expect(parsePortRange("32768\t60999\n")).toEqual([32768, 60999]);
    for (const text of ["", "1", "a b", "1 2 3"]) expect(parsePortRange(text)).toBeUndefined();
    expect(ephemeralRange()).toEqual(parsePortRange(readSysctl(RANGE) ?? "") as [number, number]);
  });

  test("two ranges share exactly the ports that are in both", () => {
    const range = fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 20 }))
      .map(([first, length]) => [first, first + length] as const);
    fc.assert(
      fc.property(range, range, (one, other) => {
        const ports = Array.from({ length: 90 }, (_, port) => port);
        const shared = overlap(one, other);
        const both = ports.filter((port) => inRange(port, one) && inRange(port, other));
        expect(ports.filter((port) => shared !== undefined && inRange(port, shared))).toEqual(both);
      }),
    );
  });
});

describe("the reserved ports", () => {
  test("where settings are read-only, as in a container, a server is not added, and it is said why", async () => {
    using sandbox = new Sandbox();
    await load(sandbox.options);
    const netns = sandbox.container();
    const before = sandbox.observe();
    run("mount", "--bind", "/proc/sys/net", "/proc/sys/net");
    try {
      run("mount", "-o", "remount,bind,ro", "/proc/sys/net");
      const error = await addServer({ ...sandbox.options, port: 25570, netns }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DatapathError);
      expect((error as DatapathError).message).toStartWith(
        "reserve port 25570: the kernel's settings are read-only here",
      );
      expect((error as DatapathError).hint).toBe("run dp on the host itself, or in a container that may: --privileged");
    } finally {
      run("umount", "/proc/sys/net");
    }
    expect(sandbox.observe()).toEqual(before);
    await unload(sandbox.options);
  });

  test("a list of any length is read back as it was written: also one that fills many pages", async () => {
    using sandbox = new Sandbox();
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 65535 }), { maxLength: 200 }), (ports) => {
        writeSysctl(RESERVED, `${ports.join(",")}\n`);
        expect(new Set(reservedPorts())).toEqual(new Set(ports.toSorted((one, other) => one - other)));
      }),
    );
    const everySecond = new Set(Array.from({ length: 32_000 }, (_, index) => 2 * index + 1));
    writeSysctl(RESERVED, [...everySecond].join(","));
    expect(new Set(reservedPorts())).toEqual(everySecond);
    await load(sandbox.options);
    {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      reservePorts(objects, [40_000]);
      expect([...reservedPorts()]).toHaveLength(32_001);
      releasePorts(objects, [40_000]);
    }
    expect(new Set(reservedPorts())).toEqual(everySecond);
    await unload(sandbox.options);
  });

  test("whatever is reserved and released, in whatever order, others' ports stay, and only they", async () => {
    using sandbox = new Sandbox();
    await load(sandbox.options);
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    const change = fc.tuple(fc.constantFrom("ours", "theirs"), fc.boolean(), fc.integer({ min: 1, max: 40 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        writeSysctl(RESERVED, "\n");
        objects.reservedPorts.remove(objects.reservedPorts.all());
        const [ours, theirs] = [new Set<number>(), new Set<number>()];
        for (const [whose, add, port] of changes) {
          if (whose === "theirs") {
            // A tool of the operator, which also reads, changes and writes.
            if (ours.has(port)) continue;
            const list = new Set(reservedPorts());
            for (const set of [theirs, list]) {
              if (add) set.add(port);
              else set.delete(port);
            }
            writeSysctl(RESERVED, `${[...list].join(",")}\n`);
          } else if (add) {
            reservePorts(objects, [port]);
            ours.add(port);
          } else if (ours.delete(port)) releasePorts(objects, [port]);
          expect(new Set(reservedPorts())).toEqual(new Set([...ours, ...theirs].sort((one, other) => one - other)));
        }
      }),
      { numRuns: 50 },
    );
    await unload(sandbox.options);
  });

  test("what others add and take out between any two steps of a change survives it", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    writeSysctl(RESERVED, "1000-1100");
    await load(options);
    const netns = sandbox.container();
    let next = 2000;
    const expected = new Set(PortSet.parse("1000-1100"));
    const edit = () => {
      const list = new Set(reservedPorts());
      expected.delete(next - 1000);
      list.delete(next - 1000);
      expected.add(next);
      writeSysctl(RESERVED, [...list.add(next)].join(","));
      next += 1;
    };
    const others = () => new Set([...reservedPorts()].filter((port) => port !== 25570));
    const sorted = () => new Set([...expected].sort((one, other) => one - other));
    await addServer({ ...options, port: 25570, netns, onStep: edit });
    expect(reservedPorts().has(25570)).toBe(true);
    expect(others()).toEqual(sorted());
    await load({ ...options, onStep: edit });
    await delServer({ port: 25570 }, { ...options, onStep: edit });
    expect(new Set(reservedPorts())).toEqual(sorted());
    await addServer({ ...options, port: 25570, netns });
    await unload({ ...options, force: true, onStep: edit });
    expect(new Set(reservedPorts())).toEqual(sorted());
    expect(next).toBeGreaterThan(2030);
  });
});
