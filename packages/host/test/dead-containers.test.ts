/**
 * Servers whose container, interface, uplink, programs or records went away: what status says, what repairs it, and
 * that no packet of theirs reaches another container. Each in the running kernel, by both ways of attaching.
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
  repair,
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

/** "host-peer-gone mortal", "uplink-gone"... */
function codes({ findings }: Pick<Status, "findings">): string[] {
  return findings.map(({ code, server }) => (server === undefined ? code : `${code} ${server.name}`)).sort();
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

  /** Players connect all the time; none of their packets may arrive in the namespace. */
  async function nothingArrives(namespace: string, body: () => Promise<void>): Promise<void> {
    using seen = new PacketSocket(namespace);
    knock(sandbox);
    await body();
    knock(sandbox);
    expect(seen.tcp()).toEqual([]);
  }

  /** Status names the dead server, repair removes it, and all is as if it had never been added. */
  async function removed(code: string): Promise<void> {
    const { options } = sandbox;
    const found = await status(options);
    expect(found.healthy).toBe(false);
    expect(codes(found)).toEqual([`${code} mortal`]);
    expect(found.findings[0]?.server).toEqual({ id: server.id, name: "mortal" });
    const result = await repair(options);
    expect(result.removedServers.map(({ name }) => name)).toEqual(["mortal"]);
    expect(result).toMatchObject({ removed: [], repaired: [], remaining: [] });
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
    expect((await list(options)).map(({ name }) => name)).toEqual(["alive"]);
  }

  /** The server is repaired, and all is as it was. */
  async function repaired(found: string[], how: "repair" | "load" = "repair"): Promise<void> {
    const { options } = sandbox;
    const look = await status(options);
    expect(codes(look)).toEqual(found);
    expect(look.healthy).toBe(false);
    if (how === "repair")
      expect(await repair(options)).toMatchObject({ removedServers: [], removed: [], remaining: [] });
    else await load(options);
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
    await reached();
  }

  /** A player's packets get to the server. */
  async function reached(address = PUBLIC_ADDRESS): Promise<void> {
    using own = new PacketSocket(mortal);
    knock(sandbox, PORT, address);
    expect(own.tcp()).toContain(`203.0.113.1 > ${server.addresses.ipv4?.container}:25565`);
  }

  test("its namespace goes away", () =>
    withSandbox(async () => {
      await sandbox.kill(mortal);
      await removed("host-peer-gone");
      expect(sandbox.observe()).toEqual({ ...(before as object), containers: expect.anything() });
    }));

  test("its interface is deleted inside", () =>
    withSandbox(async () => {
      run("ip", "-n", mortal, "link", "delete", "eth0");
      await nothingArrives(mortal, () => removed("host-peer-gone"));
      expect(sandbox.observe()).toEqual(before);
    }));

  test("its interface is deleted outside", () =>
    withSandbox(async () => {
      run("ip", "link", "delete", server.hostPeer.name);
      await nothingArrives(mortal, () => removed("host-peer-gone"));
      expect(sandbox.observe()).toEqual(before);
    }));

  test("another interface has its index", () =>
    withSandbox(async () => {
      await sandbox.kill(mortal);
      const stranger = sandbox.container();
      const index = `${server.hostPeer.ifindex}`;
      run("ip", "link", "add", "stranger", "index", index, "type", "veth", "peer", "name", "eth0", "netns", stranger);
      run("ip", "link", "set", "stranger", "up");
      run("ip", "-n", stranger, "link", "set", "eth0", "up");
      await nothingArrives(stranger, () => removed("host-peer-replaced"));
      expect(JSON.parse(run("ip", "-j", "link", "show", "stranger"))).toMatchObject([{ ifindex: Number(index) }]);
    }));

  test("another server's interface has its index, name and MAC but for one", () =>
    withSandbox(async () => {
      const { ifindex, mac } = server.hostPeer;
      run("ip", "link", "delete", server.hostPeer.name);
      const stranger = sandbox.container();
      const name = "dp99";
      const peer = ["type", "veth", "peer", "name", "eth0", "netns", stranger];
      run("ip", "link", "add", name, "index", `${ifindex}`, "address", mac, ...peer);
      run("ip", "link", "set", name, "up");
      run("ip", "-n", stranger, "link", "set", "eth0", "up");
      await nothingArrives(stranger, async () => {
        expect(codes(await status(sandbox.options))).toEqual(["host-peer-replaced mortal"]);
        expect((await repair(sandbox.options)).removedServers.map(({ name: removedName }) => removedName)).toEqual([
          "mortal",
        ]);
      });
      expect((await list(sandbox.options)).map(({ name: left }) => left)).toEqual(["alive"]);
    }));

  test("its host peer gets another name, MAC and state, and loses its address, route and neighbour", () =>
    withSandbox(async () => {
      const { name } = server.hostPeer;
      run("ip", "neighbour", "flush", "dev", name, "nud", "permanent");
      run("ip", "address", "flush", "dev", name);
      run("ip", "link", "set", name, "address", "02:00:00:00:00:99");
      run("ip", "link", "set", name, "down");
      run("ip", "link", "set", name, "name", "renamed");
      const what = ["host-peer-down", "host-peer-renamed", "missing-gateway-address", "wrong-host-peer-mac"];
      const lost = ["missing-neighbour", "missing-route"];
      const found = codes(await status(sandbox.options));
      expect(found).toEqual(expect.arrayContaining([...what, ...lost].map((each) => `${each} mortal`)));
      const whole = await repair(sandbox.options);
      expect(whole).toMatchObject({ removedServers: [], remaining: [] });
      expect(await status(sandbox.options)).toMatchObject({ healthy: true, findings: [] });
      await reached();
    }));

  test("its host peer has another name and MAC: it does not count as gone, and a newer build's programs replace its programs in step", () =>
    withSandbox(async () => {
      const { options } = sandbox;
      const { name } = server.hostPeer;
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

      const { repaired: later, remaining } = await load(options);
      expect(codes({ findings: later }).filter((code) => code.startsWith("program-"))).toEqual([]);
      expect(remaining).toEqual([]);
      expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
      await reached();
    }));

  test("the uplink is down, or its cable is out: that is reported, and left to the operator", () =>
    withSandbox(async () => {
      const { options, internet } = sandbox;
      const found = async () => {
        const { healthy, findings } = await status(options);
        return { healthy, findings: findings.map(({ code, severity }) => `${severity} ${code}`) };
      };
      run("ip", "link", "set", "up0", "down");
      expect(await found()).toEqual({ healthy: false, findings: ["error uplink-down"] });
      expect(await repair(options)).toMatchObject({ removedServers: [], removed: [], repaired: [] });
      run("ip", "link", "set", "up0", "up");
      expect(await found()).toEqual({ healthy: true, findings: [] });
      run("ip", "-n", internet, "link", "set", "net0", "down");
      expect(await found()).toEqual({ healthy: true, findings: ["warning uplink-without-carrier"] });
      run("ip", "-n", internet, "link", "set", "net0", "up");
      expect(await found()).toEqual({ healthy: true, findings: [] });
    }));

  test.each(["repair", "load"] as const)(
    "its uplink gets another MTU: %s gives it to both ends, unless it has its own",
    (how) =>
      withSandbox(async () => {
        const { options } = sandbox;
        const own = await addServer({ ...options, port: PORT + 2, netns: sandbox.container(), mtu: 1400 });
        run("ip", "link", "set", "up0", "mtu", "1280");
        const found = await status(options);
        expect(codes(found)).toEqual(["mtu-outdated alive", "mtu-outdated mortal", "mtu-outdated server-25572"]);
        expect(found).toMatchObject({ healthy: true });
        expect(found.findings[0]?.what).toBe("its peers have an MTU of 1500, and by its uplinks it should be 1280");
        if (how === "repair") expect((await repair(options)).repaired).toHaveLength(3);
        else expect((await load(options)).repaired).toEqual([]);
        expect((await status(options)).findings).toEqual([]);
        const mtus = [
          ["-n", mortal, "link", "show", "eth0"],
          ["link", "show", server.hostPeer.name],
          ["link", "show", own.hostPeer.name],
        ];
        expect(mtus.map((args) => / mtu (\d+) /.exec(run("ip", ...args))?.[1])).toEqual(["1280", "1280", "1400"]);
      }),
  );

  test("its container's end goes down, and loses its address and routes", () =>
    withSandbox(async () => {
      run("ip", "-n", mortal, "address", "flush", "dev", "eth0");
      run("ip", "-n", mortal, "link", "set", "eth0", "down", "address", "02:00:00:00:00:99");
      await repaired(
        [
          "container-peer-down",
          "missing-container-address",
          "missing-container-neighbour",
          "missing-container-route",
          "wrong-container-peer-mac",
        ].map((code) => `${code} mortal`),
      );
    }));

  test("its interface is moved to another namespace by its container: only a person can tell what to do", () =>
    withSandbox(async () => {
      const other = sandbox.container();
      run("ip", "-n", mortal, "link", "set", "eth0", "netns", other);
      expect(codes(await repair(sandbox.options).then(({ remaining }) => ({ findings: remaining })))).toContain(
        "container-peer-moved mortal",
      );
      expect(await list(sandbox.options)).toHaveLength(2);
    }));

  test.each(["repair", "load"] as const)("another program detaches all programs: %s attaches them again", (how) =>
    withSandbox(async () => {
      detachAll();
      using own = new PacketSocket(mortal);
      knock(sandbox);
      expect(own.tcp()).toEqual([]);
      await repaired(
        [
          "program-detached",
          "program-detached",
          ...["alive", "mortal"].flatMap((name) => [
            `container-program-detached ${name}`,
            ...Array.from({ length: 3 }, () => `program-detached ${name}`),
          ]),
        ].sort(),
        how,
      );
    }),
  );

  /** By other means than datapath's own: every program of it, from whatever it is on. */
  function detachAll(): void {
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    for (const { path } of objects.attachments.onCgroup()) {
      using link = Link.fromPin(path);
      link.detach();
    }
    for (const { path, iface, program, mechanism: by } of objects.attachments.all()) {
      if (by === "tcx") {
        using link = Link.fromPin(path);
        link.detach();
      } else if (program === "tproxy_container") {
        const record = objects.records.all().find(({ hostPeer }) => hostPeer.name === iface);
        run(
          "tc",
          "-n",
          record?.netns.path.replace("/run/netns/", "") ?? "",
          "qdisc",
          "delete",
          "dev",
          "eth0",
          "clsact",
        );
      } else run("tc", "filter", "delete", "dev", iface, program === "tproxy_host" ? "egress" : "ingress");
    }
  }

  test.each(["repair", "load"] as const)("entries are lost and changed: %s puts them right", (how) =>
    withSandbox(async () => {
      const { id, hostPeer, addresses } = server;
      const containerAddress = addresses.ipv4?.container ?? "";
      const endpoint = { protocol: "tcp", address: PUBLIC_ADDRESS, port: PORT } as const;
      {
        using objects = openPinned({ pinRoot: sandbox.pinRoot });
        const entry = objects.servers.get(hostPeer.ifindex);
        if (entry === undefined) throw new Error("there is no server entry");
        objects.endpoints.delete(endpoint);
        objects.servers.set(hostPeer.ifindex, { ...entry, forwards: [] });
        objects.containers.delete(containerAddress);
        objects.drops.delete(id);
        objects.players.delete(id);
        for (const [counter] of objects.counters.all()) objects.counters.release(counter);
        objects.hostPeers.delete(id);
        for (const uplink of objects.uplinks.all()) objects.uplinks.delete(uplink);
      }
      writeSysctl(RESERVED, "1\n");
      const lost = [
        "missing-container-entry",
        "missing-counter",
        "missing-drop-counts",
        "missing-host-peer-entry",
        "missing-players",
        "port-not-reserved",
        "wrong-endpoint",
        "wrong-server-entry",
      ];
      await repaired(
        [
          ...lost.map((code) => `${code} mortal`),
          "missing-counter alive",
          "port-not-reserved alive",
          "missing-uplink-entry",
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
        const record = objects.records.all()[0];
        const entry = objects.servers.all()[0]?.[1];
        if (entry === undefined || record === undefined) throw new Error("entries are missing");
        const target = { containerAddress: "10.2.0.1", containerPort: 1, containerMac: entry.containerMac, open: true };
        objects.endpoints.set(
          { protocol: "tcp", address: "192.0.2.9", port: PORT },
          { server: 77, counter: 70, ...target },
        );
        objects.servers.set(77_777, { ...entry, id: 77 });
        objects.containers.set("10.2.9.9", { server: 77, hostPeer: 77_777 });
        objects.drops.add(77);
        objects.players.add(77);
        objects.counters.claim(70, 77);
        objects.hostPeers.set(77, record.hostPeer.ifindex);
        sandbox.addInterface("other0");
        const other = readInterface("other0").index;
        objects.uplinks.set(other);
        objects.attachments.attach("tproxy_host", { index: other, name: "other0" });
      }
      const found = await status(options);
      expect(found.healthy).toBe(false);
      const entries = ["container-entry", "counter", "drop-counts", "endpoint", "host-peer", "players", "server-entry"];
      const orphans = ["attachment", ...entries, "uplink"].map((each) => `orphaned-${each}`);
      expect(codes(found)).toEqual(orphans);
      const result = await repair(options);
      expect(result.removed.map(({ code }) => code).sort()).toEqual(orphans);
      run("ip", "link", "delete", "other0");
      expect(sandbox.observe()).toEqual(whole);
    }));

  test.each(["repair", "load"] as const)(
    "the uplink is made again, with another index and address: %s follows it",
    (how) =>
      withSandbox(async () => {
        const { options, host, internet } = sandbox;
        run("ip", "link", "delete", "up0");
        const gone = await status(options);
        expect(codes(gone)).toContain("uplink-gone");
        expect(codes(gone)).toEqual(
          expect.arrayContaining(["public-address-gone alive", "public-address-gone mortal"]),
        );
        expect((await repair(options)).removedServers).toEqual([]);

        // Replies are not sent to an interface that gets the old index.
        const address = "203.0.113.77";
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "net0", "netns", internet);
        run("ip", "-n", host, "address", "add", `${address}/24`, "dev", "up0");
        run("ip", "-n", host, "link", "set", "up0", "up");
        run("ip", "-n", internet, "address", "add", "203.0.113.1/24", "dev", "net0");
        run("ip", "-n", internet, "link", "set", "net0", "up");
        run("ip", "route", "add", "default", "via", "203.0.113.1");
        expect((await status(options)).healthy).toBe(false);
        if (how === "repair") expect(await repair(options)).toMatchObject({ removedServers: [], remaining: [] });
        else await load(options);
        expect(await status(options)).toMatchObject({
          healthy: true,
          publicAddresses: { ipv4: address },
          findings: [],
        });
        expect((await list(options)).map((each) => each.forwards[0]?.address)).toEqual([address, address]);
        await reached(address);
      }),
  );

  if (mechanism === "tcx") {
    test.each(["repair", "load"] as const)("the bpffs is unmounted: %s clears what is left", (how) =>
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
        expect(found.findings.map(({ what }) => what).join()).toContain(server.hostPeer.name);
        if (how === "repair") {
          const { removed } = await repair(options);
          expect(removed.map(({ code }) => code)).toEqual(["orphaned-interface", "orphaned-interface"]);
        }
        await load(options);
        expect(sandbox.warnings).toHaveLength(how === "repair" ? 0 : 2);
        expect(await status(options)).toMatchObject({ healthy: true, servers: { total: 0 }, findings: [] });
        server = await addServer({ ...options, port: PORT, netns: mortal, name: "mortal" });
        await reached();
      }),
    );
  } else {
    test.each([true, false])("the bpffs is unmounted (and mounted anew: %p): load pins what goes on running", (anew) =>
      withSandbox(async () => {
        const { options, pinRoot } = sandbox;
        unmount(pinRoot);
        if (anew) mountBpffs(pinRoot);
        const found = await status(options);
        expect(found).toMatchObject({ loaded: false, healthy: false });
        expect(codes(found)).toEqual(["record-out-of-sight", "record-out-of-sight"]);
        const { removedServers, removed: orphans, remaining } = await repair(options);
        expect({ removedServers, orphans }).toEqual({ removedServers: [], orphans: [] });
        expect(remaining.map(({ code }) => code)).toEqual(["record-out-of-sight", "record-out-of-sight"]);
        await reached();

        const servers = await load(options).then(() => list(options));
        expect(servers.map(({ name, group }) => [name, group])).toEqual([
          ["alive", "games"],
          ["mortal", "games"],
        ]);
        expect(await status(options)).toMatchObject({ healthy: true, mechanism, findings: [] });
        await reached();
        expect(sandbox.warnings[0]).toContain("are pinned again");
      }),
    );
  }
});
