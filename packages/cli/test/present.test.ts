/** The output for people. */
import { describe, expect, test } from "bun:test";
import type { Finding, LoadResult, RepairResult, Server, ServerDetails, ServerForward, Status } from "@dp/host";
import { DatapathError, SyscallError } from "@dp/sys";
import { formatAge, formatBytes } from "../src/amount.ts";
import { AddServerCommand } from "../src/commands/add-server.ts";
import { DelServerCommand } from "../src/commands/del-server.ts";
import { ListCommand } from "../src/commands/list.ts";
import { LoadCommand } from "../src/commands/load.ts";
import { RepairCommand } from "../src/commands/repair.ts";
import { ShowCommand } from "../src/commands/show.ts";
import { StatusCommand } from "../src/commands/status.ts";
import type { DpCommand } from "../src/dp-command.ts";
import { exitCodeOf } from "../src/exit-code.ts";
import { nearest } from "../src/nearest.ts";
import { describeError } from "../src/report.ts";
import { fakeContext } from "./support/terminal.ts";

function presented<C extends DpCommand>(command: C, result: unknown, color = false): string {
  command.context = fakeContext({ color }).context;
  return command.present(result);
}

const FORWARD: ServerForward = {
  protocol: "tcp",
  address: "203.0.113.10",
  port: 25570,
  count: 1,
  containerAddress: "10.2.0.1",
  containerPort: 25565,
  uplink: "eth0",
  mtu: 1500,
};

const LOBBY: Server = {
  id: 7,
  name: "lobby",
  group: "eu",
  state: "active",
  createdAt: "2026-01-01T00:00:00.000Z",
  owner: "cli",
  network: "own",
  trusted: false,
  container: null,
  netns: "/run/netns/lobby",
  forwards: [FORWARD],
  addresses: { ipv4: { container: "10.2.0.1", gateway: "10.1.0.1" } },
  hostPeer: { ifindex: 7, name: "dp7", mac: "7e:90:c4:ed:df:d0" },
  containerPeer: { ifindex: 2, name: "eth0", mac: "0a:58:00:00:00:07" },
};
const VOICE: ServerForward = { ...FORWARD, protocol: "udp", port: 30000, count: 100, containerPort: 24454 };
const IPV6: ServerForward = { ...FORWARD, address: "2001:db8::10", containerAddress: "fd00::1", uplink: null };
const GONE: Server = {
  ...LOBBY,
  id: 4096,
  name: "a-longer-name",
  group: null,
  state: "gone",
  forwards: [VOICE, FORWARD, IPV6],
};

describe("results", () => {
  test("servers are a table with aligned columns, also in colour", () => {
    const plain = presented(new ListCommand(), [LOBBY, GONE]);
    expect(plain.split("\n")).toEqual([
      "  ID  NAME           STATE   PLAYERS CONNECT TO               CONTAINER             INTERFACE  GROUP  AGE    NETNS",
      "   7  lobby          active  203.0.113.10:25570               10.2.0.1:25565        dp7        eu     1d 3h  /run/netns/lobby",
      "4096  a-longer-name  gone    203.0.113.10:30000-30099/udp +2  10.2.0.1:24454-24553  dp7        -      1d 3h  /run/netns/lobby",
      "",
    ]);
    const colored = presented(new ListCommand(), [LOBBY, GONE], true);
    expect(colored).toContain("\u001b[32mactive\u001b[39m");
    expect(colored).toContain("\u001b[31mgone  \u001b[39m");
    // oxlint-disable-next-line no-control-regex -- the codes are removed
    expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(plain);
  });

  test("an empty list says that there are no servers", () => {
    expect(presented(new ListCommand(), [])).toContain("there are no servers");
    expect(presented(new DelServerCommand(), { removed: [] })).toContain("no server to delete");
  });

  test("adding prints the address for players", () => {
    expect(presented(new AddServerCommand(), LOBBY).split("\n")[0]).toBe(
      "added server lobby (id 7): players connect to 203.0.113.10:25570",
    );
    expect(presented(new AddServerCommand(), { added: [LOBBY, GONE], failed: [{ entry: 3 }] })).toBe(
      "added server lobby (id 7): 203.0.113.10:25570\n" +
        "added server a-longer-name (id 4096): 203.0.113.10:30000-30099/udp +2\n" +
        "1 of 3 could not be added\n",
    );
  });

  const NO_TRAFFIC = { in: { packets: 0, bytes: 0 }, out: { packets: 0, bytes: 0 } };
  const NO_DROPS = { spoofedAddress: 0, ipv6: 0, tcp: 0, noFlow: 0, flows: 0 } as ServerDetails["drops"];

  test("a server is shown with the traffic of each forward", () => {
    const details: ServerDetails = {
      ...GONE,
      container: { engine: "docker", socket: "/run/docker.sock", name: "mc" },
      forwards: [
        { ...VOICE, in: { packets: 1, bytes: 60 }, out: { packets: 1234, bytes: 1_500_000 } },
        { ...IPV6, ...NO_TRAFFIC },
      ],
      flows: 1234,
      drops: NO_DROPS,
    };
    expect(presented(new ShowCommand(), details)).toBe(
      "a-longer-name gone\n" +
        "  id                  4096\n" +
        "  players connect to  203.0.113.10:30000-30099/udp -> 10.2.0.1:24454-24553 by eth0, MTU 1500\n" +
        "    from players      1 packet, 60 B\n" +
        "    to players        1,234 packets, 1.5 MB\n" +
        "  players connect to  [2001:db8::10]:25570 -> [fd00::1]:25565 by an uplink that is gone, MTU 1500\n" +
        "    from players      0 packets, 0 B\n" +
        "    to players        0 packets, 0 B\n" +
        "  container           docker:mc, /run/netns/lobby\n" +
        "  container peer      eth0, 0a:58:00:00:00:07, interface 2 in the container\n" +
        "  host peer           dp7, 7e:90:c4:ed:df:d0, interface 7 on the host\n" +
        "  gateway             10.1.0.1\n" +
        "  network             own\n" +
        "  group               none\n" +
        "  owner               cli\n" +
        "  added               2026-01-01T00:00:00.000Z (1d 3h ago)\n" +
        "  flows               1,234\n" +
        "  dropped             0 packets\n",
    );
  });

  test("a server's drops are shown with their reasons, reasons without packets are not", () => {
    const details: ServerDetails = {
      ...LOBBY,
      forwards: [{ ...FORWARD, ...NO_TRAFFIC }],
      flows: 0,
      drops: { ...NO_DROPS, spoofedAddress: 3, ipv6: 1000, noFlow: 2, flows: 5 },
    };
    const text = presented(new ShowCommand(), details);
    expect(text).toContain("1,010 packets\n");
    expect(text).toContain("3  another source address than the container's");
    expect(text).toContain("1,000  IPv6");
    expect(text).toContain("2  TCP that continues no flow");
    expect(text).toContain("5  more flows at once than a server may have");
    expect(text).not.toContain("past the proxy");
  });

  test("a first load prints loaded, a later one upgraded", () => {
    const result: LoadResult = {
      upgraded: false,
      pinRoot: "/sys/fs/bpf",
      mechanism: "tcx",
      uplinks: [
        { name: "eth0", ifindex: 2, mac: "02:00:00:00:00:01" },
        { name: "eth1", ifindex: 3, mac: "02:00:00:00:00:02" },
      ],
      publicAddresses: { ipv4: "203.0.113.10" },
      hostSubnets: { ipv4: "10.1.0.0/16" },
      containerSubnets: { ipv4: "10.2.0.0/16" },
      portRange: [25565, 30564],
      httpPort: 9080,
      dnsPort: 9053,
      tcpPort: 9111,
      cgroup: "/sys/fs/cgroup",
      servers: 0,
      programs: [{ name: "dp_dnat", id: 7, tag: "0123456789abcdef" }],
      migrated: [],
      repaired: [],
      remaining: [],
    };
    expect(presented(new LoadCommand(), result).split("\n")[0]).toBe("loaded on eth0, eth1");
    const again = presented(new LoadCommand(), { ...result, upgraded: true, servers: 2 });
    expect(again.split("\n")[0]).toBe("upgraded on eth0, eth1, 2 servers");
    expect(again).not.toContain("migrated maps");
    const migrated = presented(new LoadCommand(), { ...result, upgraded: true, migrated: ["dp_flows", "dp_origins"] });
    expect(migrated).toContain("migrated maps    dp_flows, dp_origins\n");
  });
});

const GONE_FINDING: Finding = {
  code: "host-peer-gone",
  severity: "error",
  server: { id: 7, name: "lobby" },
  what: "its interface dp7 is gone",
  fix: "dp repair",
};

describe("findings", () => {
  const HEALTHY: Status = {
    loaded: true,
    healthy: true,
    pinRoot: "/sys/fs/bpf",
    mechanism: "tcx",
    uplinks: [{ name: "eth0", ifindex: 2, mac: "02:00:00:00:00:01" }],
    publicAddresses: { ipv4: "203.0.113.10" },
    servers: { total: 3, active: 2, frozen: 1, pending: 0 },
    drops: { noFlow: 1234, ipv6: 1 },
    findings: [],
  };
  const exitCode = (result: Status) => new StatusCommand()["exitCode"](result);

  test("a healthy host is a few lines, with its drops", () => {
    expect(presented(new StatusCommand(), HEALTHY)).toBe(
      "healthy\n" +
        "  uplinks         eth0\n" +
        "  public address  203.0.113.10\n" +
        "  attached by     TCX links\n" +
        "  servers         2 active, 1 frozen\n" +
        "  dropped         1,235 packets\n" +
        "                  1,234  TCP that continues no flow\n" +
        "                  1  IPv6\n",
    );
    expect(exitCode(HEALTHY)).toBe(0);
  });

  test("a finding is printed with its server and fix, and sets the exit code", () => {
    const status = { ...HEALTHY, healthy: false, findings: [GONE_FINDING] };
    const text = presented(new StatusCommand(), status);
    expect(text).toStartWith("not healthy\n");
    expect(text).toEndWith("error: server lobby (id 7): its interface dp7 is gone\n  fix: dp repair\n");
    expect(exitCode(status)).toBe(1);
    expect(exitCode({ ...status, loaded: false })).toBe(3);
    expect(presented(new StatusCommand(), { ...status, loaded: false, findings: [] })).toBe(
      "not loaded at /sys/fs/bpf\n",
    );
  });

  test("repair prints what was done, or would be", () => {
    const { server: _, ...orphan } = GONE_FINDING;
    const result: RepairResult = {
      pinRoot: "/sys/fs/bpf",
      dryRun: false,
      removedServers: [GONE],
      removed: [{ ...orphan, what: "orphaned interface dp9" }],
      repaired: [{ ...GONE_FINDING, what: "dp7 is down" }],
      remaining: [],
    };
    expect(presented(new RepairCommand(), result)).toBe(
      "removed server a-longer-name (id 4096)\n" +
        "removed orphaned interface dp9\n" +
        "repaired server lobby (id 7): dp7 is down\n",
    );
    const dry = presented(new RepairCommand(), { ...result, dryRun: true, remaining: [GONE_FINDING] });
    expect(dry).toStartWith("would remove server a-longer-name (id 4096)\n");
    expect(dry).toEndWith("its interface dp7 is gone\n  fix: dp repair\n");
    const nothing = { ...result, removedServers: [], removed: [], repaired: [] };
    expect(presented(new RepairCommand(), nothing)).toBe("there was nothing to repair\n");
    expect(new RepairCommand()["exitCode"](nothing)).toBe(0);
    expect(new RepairCommand()["exitCode"]({ ...nothing, remaining: [GONE_FINDING] })).toBe(1);
  });
});

describe("amounts", () => {
  test.each([
    [0, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [3_661_000, "1h 1m"],
    [3_600_000, "1h"],
    [90_061_000, "1d 1h"],
    [-5, "0s"],
  ])("%p ms are %s", (ms, text) => expect(formatAge(ms)).toBe(text));

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [9_940, "9.9 kB"],
    [9_960, "10 kB"],
    [999_400, "999 kB"],
    [999_600, "1.0 MB"],
    [2 ** 53, "9.0 PB"],
  ])("%p bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("errors", () => {
  test.each([
    ["FAILED", 1],
    ["BAD_USAGE", 2],
    ["NOT_LOADED", 3],
    ["NO_SUCH_SERVER", 4],
    ["CONFLICT", 5],
    ["UNSUPPORTED", 6],
    ["BUSY", 7],
  ] as const)("%s ends with %p", (code, exit) => expect(exitCodeOf(new DatapathError(code, "x", "y"))).toBe(exit));

  test("a bug ends with 1, and prints its stack only with --verbose", () => {
    const bug = new TypeError("x is undefined");
    expect(exitCodeOf(bug)).toBe(1);
    const short = describeError(bug, { color: false, verbose: false });
    expect(short).toBe("dp: internal error: x is undefined\nhint: run it with --verbose for a report\n");
    expect(describeError(bug, { color: false, verbose: true })).toContain("    at ");
  });

  test("--verbose prints the system call, also of the cause", () => {
    const cause = new SyscallError("attach dp_dnat to eth0", "bpf_link_create", 22, { target: "eth0" });
    const error = new DatapathError("FAILED", "load", "it did not work", { cause, hint: "try again" });
    expect(describeError(error, { color: false, verbose: false })).toBe("dp: load: it did not work\nhint: try again\n");
    const long = describeError(error, { color: false, verbose: true });
    for (const detail of ["syscall: bpf_link_create", "errno: 22", "errnoName: EINVAL", "target: eth0"]) {
      expect(long).toContain(detail);
    }
    expect(long).not.toContain(".ts:");
  });

  test("the nearest word is suggested", () => {
    expect(nearest("lsit", ["list", "load"])).toBe("list");
    expect(nearest("add-sever", ["add-server", "del-server"])).toBe("add-server");
    expect(nearest("xyz", ["list", "load"])).toBeUndefined();
  });
});
