/**
 * Servers whose container, interface, uplink, programs or records went away: what is said of them, what mends it, and
 * that no packet of theirs gets to a stranger. Each in the running kernel, by both ways of attaching.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { openPinned, readInterface } from "@dp/core";
import { Link } from "@dp/core/libbpf";
import { DatapathError, isBpffs, mountBpffs, unmount } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import {
  addServer,
  freezeServer,
  gc,
  list,
  load,
  type Server,
  show,
  type Status,
  status,
  thawServer,
  unload,
} from "../src/index.ts";
import { readSysctl, writeSysctl } from "../src/kernel/sysctl.ts";
import { loadBy, MECHANISMS } from "./support/mechanism.ts";
import { PacketSocket } from "./support/packets.ts";
import { PUBLIC_ADDRESS, Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;
const RESERVED = "ipv4/ip_local_reserved_ports";

/** A player knocks: its SYN is on the way, or was answered, when this returns. */
function knock(sandbox: Sandbox, port = PORT, address = PUBLIC_ADDRESS): void {
  const connect = `exec 3<>/dev/tcp/${address}/${port}`;
  spawnSync("nsenter", [`--net=/run/netns/${sandbox.internet}`, "timeout", "0.3", "bash", "-c", connect]);
}

/** What a change is refused with. */
async function refusal(change: Promise<unknown>): Promise<DatapathError> {
  const error = await change.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof DatapathError) return error;
  throw new Error(`it was not refused by an error of ours: ${String(error)}`);
}

/** "host-peer-gone 25570", "uplink-gone"... */
function codes({ findings }: Pick<Status, "findings">): string[] {
  return findings.map(({ code, server }) => (server === undefined ? code : `${code} ${server.port}`)).sort();
}

describe.each(MECHANISMS)("attached by %s", (mechanism) => {
  let sandbox: Sandbox;
  let mortal: string;
  let server: Server;
  /** With one server that shall live. */
  let before: unknown;

  async function withSandbox(body: () => Promise<void>): Promise<void> {
    using made = new Sandbox();
    sandbox = made;
    await loadBy(mechanism, sandbox);
    await addServer({ ...sandbox.options, port: PORT + 1, netns: sandbox.container(), name: "alive", group: "games" });
    mortal = sandbox.container();
    before = sandbox.observe();
    server = await addServer({ ...sandbox.options, port: PORT, netns: mortal, name: "mortal", group: "games" });
    expect(await status(sandbox.options)).toMatchObject({ loaded: true, healthy: true, mechanism, findings: [] });
    await body();
    expect(sandbox.leakedFds).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  }

  /** Players knock at the server's door all the time; nothing of that may arrive in the namespace. */
  async function nothingArrives(namespace: string, body: () => Promise<void>): Promise<void> {
    using seen = new PacketSocket(namespace);
    knock(sandbox);
    await body();
    knock(sandbox);
    expect(seen.tcp()).toEqual([]);
  }

  /** The dead server is named, gc takes it out, and all is as if it had never been. */
  async function collected(code: string): Promise<void> {
    const { options } = sandbox;
    const found = await status(options);
    expect(found.healthy).toBe(false);
    expect(codes(found)).toEqual([`${code} ${PORT}`]);
    expect(found.findings[0]?.server).toEqual({ port: PORT, name: "mortal" });
    const result = await gc(options);
    expect(result.collected.map(({ port }) => port)).toEqual([PORT]);
    expect(result).toMatchObject({ removed: [], mended: [], remaining: [] });
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
    expect((await list(options)).map(({ name }) => name)).toEqual(["alive"]);
  }

  /** The living server is mended, and all is as it was. */
  async function mended(found: string[], how: "gc" | "load" = "gc"): Promise<void> {
    const { options } = sandbox;
    const look = await status(options);
    expect(codes(look)).toEqual(found);
    expect(look.healthy).toBe(false);
    if (how === "gc") expect(await gc(options)).toMatchObject({ collected: [], removed: [], remaining: [] });
    else await load(options);
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
    await reached();
  }

  /** A player's packets get to the server. */
  async function reached(address = PUBLIC_ADDRESS): Promise<void> {
    using own = new PacketSocket(mortal);
    knock(sandbox, PORT, address);
    expect(own.tcp()).toContain(`203.0.113.1 > ${server.containerAddress}:25565`);
  }

  test("its namespace goes away", () =>
    withSandbox(async () => {
      await sandbox.kill(mortal);
      await collected("host-peer-gone");
      expect(sandbox.observe()).toEqual({ ...(before as object), containers: expect.anything() });
    }));

  test("its interface is deleted inside", () =>
    withSandbox(async () => {
      run("ip", "-n", mortal, "link", "delete", "eth0");
      await nothingArrives(mortal, () => collected("host-peer-gone"));
      expect(sandbox.observe()).toEqual(before);
    }));

  test("its interface is deleted outside", () =>
    withSandbox(async () => {
      run("ip", "link", "delete", `dp${PORT}`);
      await nothingArrives(mortal, () => collected("host-peer-gone"));
      expect(sandbox.observe()).toEqual(before);
    }));

  test("a stranger's interface has its index", () =>
    withSandbox(async () => {
      await sandbox.kill(mortal);
      const stranger = sandbox.container();
      const index = `${server.hostPeer.ifindex}`;
      run("ip", "link", "add", "stranger", "index", index, "type", "veth", "peer", "name", "eth0", "netns", stranger);
      run("ip", "link", "set", "stranger", "up");
      run("ip", "-n", stranger, "link", "set", "eth0", "up");
      await nothingArrives(stranger, () => collected("host-peer-replaced"));
      expect(JSON.parse(run("ip", "-j", "link", "show", "stranger"))).toMatchObject([{ ifindex: Number(index) }]);
    }));

  test("another server's interface has its index, name and MAC but for one", () =>
    withSandbox(async () => {
      const { ifindex, mac } = server.hostPeer;
      run("ip", "link", "delete", `dp${PORT}`);
      const stranger = sandbox.container();
      const name = `dp${PORT + 9}`;
      const peer = ["type", "veth", "peer", "name", "eth0", "netns", stranger];
      run("ip", "link", "add", name, "index", `${ifindex}`, "address", mac, ...peer);
      run("ip", "link", "set", name, "up");
      run("ip", "-n", stranger, "link", "set", "eth0", "up");
      await nothingArrives(stranger, async () => {
        expect(codes(await status(sandbox.options))).toEqual([`host-peer-replaced ${PORT}`]);
        expect((await gc(sandbox.options)).collected.map(({ port }) => port)).toEqual([PORT]);
      });
      expect((await list(sandbox.options)).map(({ name: left }) => left)).toEqual(["alive"]);
    }));

  test("its host peer gets another name, MAC and state, and loses its address, route and neighbour", () =>
    withSandbox(async () => {
      const name = `dp${PORT}`;
      run("ip", "neighbour", "flush", "dev", name, "nud", "permanent");
      run("ip", "address", "flush", "dev", name);
      run("ip", "link", "set", name, "address", "02:00:00:00:00:99");
      run("ip", "link", "set", name, "down");
      run("ip", "link", "set", name, "name", "renamed");
      const what = ["address-missing", "down", "mac", "renamed"].map((each) => `host-peer-${each} ${PORT}`);
      const found = codes(await status(sandbox.options));
      expect(found).toEqual(expect.arrayContaining([...what, `neighbour-missing ${PORT}`, `route-missing ${PORT}`]));
      const whole = await gc(sandbox.options);
      expect(whole).toMatchObject({ collected: [], remaining: [] });
      expect(await status(sandbox.options)).toMatchObject({ healthy: true, findings: [] });
      await reached();
    }));

  test("its host peer has another name and MAC: nobody takes it for dead, and a newer build's programs come in step", () =>
    withSandbox(async () => {
      const { options } = sandbox;
      const name = `dp${PORT}`;
      run("ip", "link", "set", name, "down");
      run("ip", "link", "set", name, "address", "02:00:00:00:00:99");
      run("ip", "link", "set", name, "name", "renamed");
      expect((await list(options)).map(({ state }) => state)).toEqual(["active", "active"]);
      expect((await show({ port: PORT }, options)).state).toBe("active");
      const again = { ...options, netns: sandbox.container() };
      expect(await refusal(addServer({ ...again, port: PORT }))).toMatchObject({ code: "CONFLICT", hint: undefined });
      const namesake = await refusal(addServer({ ...again, port: "auto", name: "mortal" }));
      expect(namesake).toMatchObject({ code: "CONFLICT", hint: undefined });
      // No cgroup of its own: that far it comes only with a container.
      expect((await refusal(freezeServer({ port: PORT }, options))).hint).toContain("--cgroup");
      expect(await thawServer({ port: PORT }, options)).toMatchObject({ state: "active", thawed: false });

      const { mended: later, remaining } = await load(options);
      expect(codes({ findings: later }).filter((code) => code.startsWith("program-"))).toEqual([]);
      expect(remaining).toEqual([]);
      expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
      await reached();
    }));

  test("the uplink is down, or its cable is out: that is said, and left to whoever did it", () =>
    withSandbox(async () => {
      const { options, internet } = sandbox;
      const found = async () => {
        const { healthy, findings } = await status(options);
        return { healthy, findings: findings.map(({ code, severity }) => `${severity} ${code}`) };
      };
      run("ip", "link", "set", "up0", "down");
      expect(await found()).toEqual({ healthy: false, findings: ["error uplink-down"] });
      expect(await gc(options)).toMatchObject({ collected: [], removed: [], mended: [] });
      run("ip", "link", "set", "up0", "up");
      expect(await found()).toEqual({ healthy: true, findings: [] });
      run("ip", "-n", internet, "link", "set", "net0", "down");
      expect(await found()).toEqual({ healthy: true, findings: ["warning uplink-without-carrier"] });
      run("ip", "-n", internet, "link", "set", "net0", "up");
      expect(await found()).toEqual({ healthy: true, findings: [] });
    }));

  test.each(["gc", "load"] as const)(
    "its uplink gets another MTU: %s gives it to both ends, unless it has its own",
    (how) =>
      withSandbox(async () => {
        const { options } = sandbox;
        const own = await addServer({ ...options, port: PORT + 2, netns: sandbox.container(), mtu: 1400 });
        run("ip", "link", "set", "up0", "mtu", "1280");
        const found = await status(options);
        expect(codes(found)).toEqual([`mtu-outdated ${PORT}`, `mtu-outdated ${PORT + 1}`]);
        expect(found).toMatchObject({ healthy: true });
        expect(found.findings[0]?.what).toBe("its interfaces have an MTU of 1500, and its uplink up0 has 1280");
        if (how === "gc") expect((await gc(options)).mended).toHaveLength(2);
        else expect((await load(options)).mended).toEqual([]);
        expect((await status(options)).findings).toEqual([]);
        const mtus = [
          ["-n", mortal, "link", "show", "eth0"],
          ["link", "show", `dp${PORT}`],
          ["link", "show", own.hostPeer.name],
        ];
        expect(mtus.map((args) => / mtu (\d+) /.exec(run("ip", ...args))?.[1])).toEqual(["1280", "1280", "1400"]);
      }),
  );

  test("its container's end goes down, and loses its address and routes", () =>
    withSandbox(async () => {
      run("ip", "-n", mortal, "address", "flush", "dev", "eth0");
      run("ip", "-n", mortal, "link", "set", "eth0", "down", "address", "02:00:00:00:00:99");
      await mended(
        ["container-address-missing", "container-peer-down", "container-peer-mac", "container-route-missing"].map(
          (code) => `${code} ${PORT}`,
        ),
      );
    }));

  test("its interface is moved to another namespace by its container: only a person can tell what to do", () =>
    withSandbox(async () => {
      const other = sandbox.container();
      run("ip", "-n", mortal, "link", "set", "eth0", "netns", other);
      expect(codes(await gc(sandbox.options).then(({ remaining }) => ({ findings: remaining })))).toContain(
        `container-peer-moved ${PORT}`,
      );
      expect(await list(sandbox.options)).toHaveLength(2);
    }));

  test.each(["gc", "load"] as const)("somebody takes the programs off: %s puts them back", (how) =>
    withSandbox(async () => {
      detachAll();
      using own = new PacketSocket(mortal);
      knock(sandbox);
      expect(own.tcp()).toEqual([]);
      await mended(
        [
          "program-detached",
          "program-detached",
          ...Array.from({ length: 4 }, () => `program-detached ${PORT}`),
          ...Array.from({ length: 4 }, () => `program-detached ${PORT + 1}`),
        ].sort(),
        how,
      );
    }),
  );

  /** By other means than datapath's own: every program of it, from whatever it is on. */
  function detachAll(): void {
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    for (const { path } of objects.cgroupAttachments()) {
      using link = Link.fromPin(path);
      link.detach();
    }
    for (const { path, iface, program, mechanism: by } of objects.attachments()) {
      if (by === "tcx") {
        using link = Link.fromPin(path);
        link.detach();
      } else if (program === "tproxy_container") {
        const record = objects.netData().find(({ veth }) => veth.hostPeer.iface.name === iface);
        run("tc", "-n", record?.netns.replace("/run/netns/", "") ?? "", "qdisc", "delete", "dev", "eth0", "clsact");
      } else run("tc", "filter", "delete", "dev", iface, program === "tproxy_host" ? "egress" : "ingress");
    }
  }

  test.each(["gc", "load"] as const)("entries are lost, changed and made up: %s puts them right", (how) =>
    withSandbox(async () => {
      const { hostPeer, containerAddress } = server;
      const endpoint = { address: PUBLIC_ADDRESS, port: PORT };
      {
        using objects = openPinned({ pinRoot: sandbox.pinRoot });
        const snat = objects.getSnatTarget(hostPeer.ifindex);
        if (snat === undefined) throw new Error("there is no SNAT target");
        objects.delDnatTarget(endpoint);
        objects.addSnatTarget(hostPeer.ifindex, { ...snat, publicPort: 1 });
        objects.delVethPairEntry(containerAddress);
        objects.delCounters(hostPeer.ifindex);
        objects.delHostPeer(containerAddress);
        for (const uplink of objects.uplinks()) objects.delUplink(uplink);
      }
      writeSysctl(RESERVED, "1\n");
      const lost = ["counters-missing", "dnat-entry", "host-peer-entry", "port-not-reserved", "snat-target"];
      await mended(
        [
          ...[...lost, "veth-pair-entry"].map((code) => `${code} ${PORT}`),
          `port-not-reserved ${PORT + 1}`,
          "uplink-entry-missing",
        ].sort(),
        how,
      );
      expect(readSysctl(RESERVED)).toBe(`1,${PORT}-${PORT + 1}`);
      writeSysctl(RESERVED, `${PORT}-${PORT + 1}\n`);
    }),
  );

  test("orphans are removed", () =>
    withSandbox(async () => {
      const { options } = sandbox;
      const whole = sandbox.observe();
      {
        using objects = openPinned({ pinRoot: sandbox.pinRoot });
        const [snat] = objects.snatTargets();
        const [pair] = objects.vethPairEntries();
        const record = objects.netData()[0];
        if (snat === undefined || pair === undefined || record === undefined) throw new Error("entries are missing");
        const { hostPeer, ...target } = snat;
        objects.addDnatTarget(
          { address: "192.0.2.9", port: PORT },
          { hostPeer, containerAddress: "10.2.0.1", gamePort: 1, containerMac: target.containerMac },
        );
        objects.addSnatTarget(77_777, target);
        objects.addVethPairEntry(
          { ...record.veth, podPeer: { ...record.veth.podPeer, addr: "10.2.9.9" } },
          { gamePort: 1, group: 0, netnsCookie: 1n },
        );
        objects.addCounters(77_777);
        objects.addHostPeer("10.2.9.9", hostPeer);
        sandbox.addInterface("other0");
        const other = readInterface("other0").index;
        objects.addUplink(other);
        objects.attachTproxyHostEgress({ index: other, name: "other0", mac: "02:00:00:00:00:01" });
      }
      const found = await status(options);
      expect(found.healthy).toBe(false);
      const entries = ["counters", "dnat-entry", "host-peer-entry", "snat-target", "uplink", "veth-pair-entry"];
      const orphans = ["attachment", ...entries].map((each) => `orphaned-${each}`);
      expect(codes(found)).toEqual(orphans);
      const result = await gc(options);
      expect(result.removed.map(({ code }) => code).sort()).toEqual(orphans);
      run("ip", "link", "delete", "other0");
      expect(sandbox.observe()).toEqual(whole);
    }));

  test.each(["gc", "load"] as const)("the uplink is made again, with another index and address: %s follows it", (how) =>
    withSandbox(async () => {
      const { options, host, internet } = sandbox;
      run("ip", "link", "delete", "up0");
      const gone = await status(options);
      expect(codes(gone)).toContain("uplink-gone");
      expect(codes(gone)).toEqual(
        expect.arrayContaining([`public-address-gone ${PORT}`, `public-address-gone ${PORT + 1}`]),
      );
      expect((await gc(options)).collected).toEqual([]);

      // Whoever gets the old index is sent no replies.
      const address = "203.0.113.77";
      run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "net0", "netns", internet);
      run("ip", "-n", host, "address", "add", `${address}/24`, "dev", "up0");
      run("ip", "-n", host, "link", "set", "up0", "up");
      run("ip", "-n", internet, "address", "add", "203.0.113.1/24", "dev", "net0");
      run("ip", "-n", internet, "link", "set", "net0", "up");
      run("ip", "route", "add", "default", "via", "203.0.113.1");
      expect((await status(options)).healthy).toBe(false);
      if (how === "gc") expect(await gc(options)).toMatchObject({ collected: [], remaining: [] });
      else await load(options);
      expect(await status(options)).toMatchObject({ healthy: true, publicAddress: address, findings: [] });
      expect((await list(options)).map((each) => each.address)).toEqual([address, address]);
      await reached(address);
    }),
  );

  if (mechanism === "tcx") {
    test.each(["gc", "load"] as const)("the bpffs is unmounted: %s clears what is left", (how) =>
      withSandbox(async () => {
        const { options, pinRoot } = sandbox;
        unmount(pinRoot);
        // Another one in its place is as good as none.
        if (how === "load") mountBpffs(pinRoot);
        else expect(isBpffs(pinRoot)).toBe(false);
        // The kernel takes its time to take the links apart.
        let found = await status(options);
        for (let tries = 0; tries < 500 && codes(found).includes("record-out-of-sight"); tries++) {
          await Bun.sleep(20);
          found = await status(options);
        }
        expect(found).toMatchObject({ loaded: false, healthy: false, mechanism: null });
        expect(codes(found)).toEqual(["orphaned-interface", "orphaned-interface"]);
        expect(found.findings.map(({ what }) => what).join()).toContain("dp25570");
        if (how === "gc") {
          const { removed } = await gc(options);
          expect(removed.map(({ code }) => code)).toEqual(["orphaned-interface", "orphaned-interface"]);
        }
        await load(options);
        expect(sandbox.warnings).toHaveLength(how === "gc" ? 0 : 2);
        expect(await status(options)).toMatchObject({ healthy: true, servers: { total: 0 }, findings: [] });
        server = await addServer({ ...options, port: PORT, netns: mortal, name: "mortal" });
        await reached();
      }),
    );
  } else {
    test.each([true, false])("the bpffs is unmounted (and mounted anew: %p): load takes over what goes on", (anew) =>
      withSandbox(async () => {
        const { options, pinRoot } = sandbox;
        unmount(pinRoot);
        if (anew) mountBpffs(pinRoot);
        const found = await status(options);
        expect(found).toMatchObject({ loaded: false, healthy: false });
        expect(codes(found)).toEqual(["record-out-of-sight", "record-out-of-sight"]);
        const { collected, removed, remaining } = await gc(options);
        expect({ collected, removed }).toEqual({ collected: [], removed: [] });
        expect(remaining.map(({ code }) => code)).toEqual(["record-out-of-sight", "record-out-of-sight"]);
        await reached();

        const servers = await load(options).then(() => list(options));
        expect(servers.map(({ name, group }) => [name, group])).toEqual([
          ["mortal", "games"],
          ["alive", "games"],
        ]);
        expect(await status(options)).toMatchObject({ healthy: true, mechanism, findings: [] });
        await reached();
        expect(sandbox.warnings[0]).toContain("taken over");
      }),
    );
  }
});
