/** How the API's values become map entries: the pure parts of Objects. */
import { describe, expect, test } from "bun:test";
import { dpConfig, DpDrop, dpNetData } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import { NO_DROPS, NO_TRAFFIC, sumDrops, sumTraffic } from "../src/objects/counters.ts";
import { octetFilter } from "../src/objects/host-address.ts";
import { decodeConfig, encodeConfig } from "../src/objects/host-config.ts";
import { PinRoot } from "../src/objects/pin-root.ts";
import { decodeRecord, encodeRecord, type ServerRecord } from "../src/objects/server-record.ts";
import { Undo } from "../src/objects/undo.ts";
import { CONFIG, LOBBY } from "./support/lobby.ts";

const NOTHING_STORED = { hostOctets: [0n, 0n, 0n, 0n], playerKey: 0n, playersFrom: 0, heldUntil: 0n };

describe("the host's configuration", () => {
  test("survives the way into the map and back", () => {
    const bytes = dpConfig.write(encodeConfig(CONFIG, NOTHING_STORED));
    expect(decodeConfig(dpConfig.read(bytes))).toEqual(CONFIG);
  });

  test("every prefix length survives", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), (prefix) => {
        const config = { ...CONFIG, hostSubnet: `128.0.0.0/${prefix}` };
        expect(decodeConfig(encodeConfig(config, NOTHING_STORED))?.hostSubnet).toBe(`128.0.0.0/${prefix}`);
      }),
    );
  });

  test("of zeroes is none", () => {
    expect(decodeConfig(dpConfig.read(new Uint8Array(dpConfig.size)))).toBeUndefined();
  });

  test.each(["10.1.0.0", "10.1.0.0/0", "10.1.0.0/33", "10.1.0/16", "fe80::/64", ""])(
    "%p is no subnet",
    (hostSubnet) => {
      const error = thrown(DatapathError, () => encodeConfig({ ...CONFIG, hostSubnet }, NOTHING_STORED));
      expect(error.code).toBe("BAD_USAGE");
    },
  );

  test("has a secret of its own, odd, and the same from then on", () => {
    const [one, other] = [encodeConfig(CONFIG, NOTHING_STORED), encodeConfig(CONFIG, NOTHING_STORED)];
    expect(one.playerKey & 1n).toBe(1n);
    expect(one.playerKey).not.toBe(other.playerKey);
    expect(encodeConfig({ ...CONFIG, httpPort: 80 }, one).playerKey).toBe(one.playerKey);
    expect(dpConfig.read(dpConfig.write(one)).playerKey).toBe(one.playerKey);
  });

  test("a subnet with bits behind its prefix says what was meant", () => {
    const error = thrown(DatapathError, () =>
      encodeConfig({ ...CONFIG, containerSubnet: "10.2.3.4/16" }, NOTHING_STORED),
    );
    expect(error.hint).toBe("did you mean 10.2.0.0/16?");
  });

  test("a port range that ends before it begins is refused", () => {
    expect(() => encodeConfig({ ...CONFIG, portRange: [2, 1] }, NOTHING_STORED)).toThrow("ends before it begins");
  });
});

test("the octet filter has a bit for each last octet there is, and no other", () => {
  expect(octetFilter(["10.0.0.0", "10.0.0.63", "10.0.0.64", "192.168.1.255"])).toEqual([
    1n | (1n << 63n),
    1n,
    0n,
    1n << 63n,
  ]);
});

describe("a server's record", () => {
  const RECORD: ServerRecord = {
    ...LOBBY,
    netnsCookie: 2n ** 60n,
    name: "überleben",
    group: "",
    mtu: undefined,
    veth: {
      ...LOBBY.veth,
      hostPeer: { iface: { index: 70000, name: "dp25570", mac: "7e:90:c4:ed:df:d0" }, addr: "10.1.0.2" },
    },
  };

  test("survives the way into the map and back, in every state", () => {
    for (const state of ["pending", "active", "frozen"] as const) {
      const record = { ...RECORD, state };
      expect(decodeRecord(dpNetData.read(dpNetData.write(encodeRecord(record))))).toEqual(record);
    }
  });

  test("in a state of another build counts as pending", () => {
    expect(decodeRecord({ ...encodeRecord(RECORD), state: 99 }).state).toBe("pending");
  });
});

test("counters are added up over the CPUs", () => {
  expect(sumTraffic([{ traffic: { packets: 1n, bytes: 60n } }, { traffic: { packets: 2n, bytes: 90n } }])).toEqual({
    packets: 3n,
    bytes: 150n,
  });
  expect(sumTraffic()).toEqual(NO_TRAFFIC);
  const packets = NO_DROPS.packets.with(DpDrop.arp, 2n).with(DpDrop.ipv6, 5n);
  const drops = sumDrops([{ packets }, { packets }]);
  expect(drops).toMatchObject({ arp: 4n, ipv6: 10n, malformed: 0n });
  expect(Object.keys(drops)).not.toContain("none");
});

test("an interface's name makes a pin's name, dots and all, and comes back from it", () => {
  const root = new PinRoot("/sys/fs/bpf/");
  expect(root.link("dnat", "eth0.100")).toBe("/sys/fs/bpf/progs/dp_dnat_eth0:100");
  expect(root.program("dnat")).toBe("/sys/fs/bpf/progs/dp_dnat");
});

describe("undoing", () => {
  test("takes back the newest step first, and throws what went wrong", () => {
    using undo = new Undo();
    const done: number[] = [];
    for (const step of [1, 2, 3]) undo.add(() => void done.push(step));
    const reason = new Error("why");
    expect(undo.because(reason)).toBe(reason);
    expect(done).toEqual([3, 2, 1]);
  });

  test("goes on when a step fails, and says both", () => {
    using undo = new Undo();
    const done: number[] = [];
    undo.add(() => void done.push(1));
    undo.add(() => {
      throw new Error("stuck");
    });
    const error = undo.because(new Error("why")) as DatapathError;
    expect(done).toEqual([1]);
    expect(error.message).toBe("undo a failed change: stuck; what failed first: why");
    expect((error.cause as AggregateError).errors).toHaveLength(2);
  });

  test("closes what it kept open", () => {
    let closed = false;
    {
      using undo = new Undo();
      undo.keep({ [Symbol.dispose]: () => void (closed = true) });
    }
    expect(closed).toBe(true);
  });
});
