/** What people read. */
import { describe, expect, test } from "bun:test";
import type { Finding, GcResult, LoadResult, Server, ServerDetails, Status } from "@dp/host";
import { DatapathError, SyscallError } from "@dp/sys";
import { formatAge, formatBytes } from "../src/amount.ts";
import { AddServerCommand } from "../src/commands/add-server.ts";
import { DelServerCommand } from "../src/commands/del-server.ts";
import { GcCommand } from "../src/commands/gc.ts";
import { ListCommand } from "../src/commands/list.ts";
import { LoadCommand } from "../src/commands/load.ts";
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

const LOBBY: Server = {
  port: 25570,
  address: "203.0.113.10",
  name: "lobby",
  group: "eu",
  gamePort: 25565,
  state: "active",
  createdAt: "2026-01-01T00:00:00.000Z",
  netns: "/run/netns/lobby",
  containerAddress: "10.2.0.1",
  hostPeer: { ifindex: 7, name: "dp25570", mac: "7e:90:c4:ed:df:d0", address: "10.1.0.1" },
  containerPeer: { ifindex: 2, name: "eth0", mac: "0a:58:0a:02:00:01", address: "10.2.0.1" },
};
const GONE: Server = { ...LOBBY, port: 80, name: "a-longer-name", group: null, state: "gone" };

describe("results", () => {
  test("servers are a table whose columns line up, in colour too", () => {
    const plain = presented(new ListCommand(), [LOBBY, GONE]);
    expect(plain).toBe(
      " PORT  NAME           STATE   PLAYERS CONNECT TO  CONTAINER       INTERFACE  GROUP  AGE    NETNS\n" +
        "25570  lobby          active  203.0.113.10:25570  10.2.0.1:25565  dp25570    eu     1d 3h  /run/netns/lobby\n" +
        "   80  a-longer-name  gone    203.0.113.10:80     10.2.0.1:25565  dp25570    -      1d 3h  /run/netns/lobby\n",
    );
    const colored = presented(new ListCommand(), [LOBBY, GONE], true);
    expect(colored).toContain("\u001b[32mactive\u001b[39m");
    expect(colored).toContain("\u001b[31mgone  \u001b[39m");
    // oxlint-disable-next-line no-control-regex -- the codes are what is taken out
    expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(plain);
  });

  test("no servers are said to be none", () => {
    expect(presented(new ListCommand(), [])).toContain("there are no servers");
    expect(presented(new DelServerCommand(), { removed: [] })).toContain("no server to delete");
  });

  test("adding ends with the address to give to players", () => {
    expect(presented(new AddServerCommand(), LOBBY).split("\n")[0]).toBe(
      "added lobby: players connect to 203.0.113.10:25570",
    );
  });

  test("a server's drops are told with their reasons, those that never happened are not", () => {
    const details: ServerDetails = {
      ...LOBBY,
      flows: 1234,
      counters: {
        in: { packets: 1, bytes: 60 },
        out: { packets: 1234, bytes: 1_500_000 },
        drops: { spoofedAddress: 3, ipv6: 1000, tcp: 0, noFlow: 2, flows: 5, newlyInvented: 1 },
      },
    };
    const text = presented(new ShowCommand(), details);
    expect(text).toContain("1 packet, 60 B");
    expect(text).toContain("1,234 packets, 1.5 MB");
    expect(text).toContain("1,011 packets\n");
    expect(text).toContain("3  another source address than the container's");
    expect(text).toContain("1,000  IPv6");
    expect(text).toContain("1  newlyInvented");
    expect(text).toContain("2  TCP that continues no connection");
    expect(text).toContain("5  more connections at once than a container may have");
    expect(text).toContain("1,234 flows\n");
    expect(text).not.toContain("past the proxy");
  });

  test("a first load and an upgrade are told apart", () => {
    const result: LoadResult = {
      upgraded: false,
      pinRoot: "/sys/fs/bpf",
      mechanism: "tcx",
      uplinks: [
        { name: "eth0", ifindex: 2, mac: "02:00:00:00:00:01" },
        { name: "eth1", ifindex: 3, mac: "02:00:00:00:00:02" },
      ],
      publicAddress: "203.0.113.10",
      hostSubnet: "10.1.0.0/16",
      containerSubnet: "10.2.0.0/16",
      portRange: [25565, 30564],
      httpPort: 9080,
      dnsPort: 9053,
      tcpPort: 9111,
      cgroup: "/sys/fs/cgroup",
      servers: 0,
      programs: [{ name: "dp_dnat", id: 7, tag: "0123456789abcdef" }],
      migrated: [],
      mended: [],
      remaining: [],
    };
    expect(presented(new LoadCommand(), result).split("\n")[0]).toBe("loaded on eth0, eth1");
    const again = presented(new LoadCommand(), { ...result, upgraded: true, servers: 2 });
    expect(again.split("\n")[0]).toBe("upgraded on eth0, eth1, 2 servers");
    expect(again).not.toContain("maps made anew");
    const migrated = presented(new LoadCommand(), { ...result, upgraded: true, migrated: ["dp_flows", "dp_origins"] });
    expect(migrated).toContain("maps made anew   dp_flows, dp_origins\n");
  });
});

const GONE_FINDING: Finding = {
  code: "host-peer-gone",
  severity: "error",
  server: { port: 25570, name: "lobby" },
  what: "its interface dp25570 is gone",
  fix: "dp gc",
};

describe("findings", () => {
  const HEALTHY: Status = {
    loaded: true,
    healthy: true,
    pinRoot: "/sys/fs/bpf",
    mechanism: "tcx",
    uplinks: [{ name: "eth0", ifindex: 2, mac: "02:00:00:00:00:01" }],
    publicAddress: "203.0.113.10",
    servers: { total: 3, active: 2, frozen: 1, pending: 0 },
    drops: { noFlow: 1234, ipv6: 1 },
    findings: [],
  };
  const exitCode = (result: Status) => new StatusCommand()["exitCode"](result);

  test("a healthy host is told in a few lines, with what was dropped", () => {
    expect(presented(new StatusCommand(), HEALTHY)).toBe(
      "healthy\n" +
        "  uplinks         eth0\n" +
        "  public address  203.0.113.10\n" +
        "  attached by     TCX links\n" +
        "  servers         2 active, 1 frozen\n" +
        "  dropped         1,235 packets\n" +
        "                  1,234  TCP that continues no connection\n" +
        "                  1  IPv6\n",
    );
    expect(exitCode(HEALTHY)).toBe(0);
  });

  test("what is wrong is told with its server and what to do, and in the exit code", () => {
    const status = { ...HEALTHY, healthy: false, findings: [GONE_FINDING] };
    const text = presented(new StatusCommand(), status);
    expect(text).toStartWith("not healthy\n");
    expect(text).toEndWith("error: server 25570 (lobby): its interface dp25570 is gone\n  fix: dp gc\n");
    expect(exitCode(status)).toBe(1);
    expect(exitCode({ ...status, loaded: false })).toBe(3);
    expect(presented(new StatusCommand(), { ...status, loaded: false, findings: [] })).toBe(
      "not loaded at /sys/fs/bpf\n",
    );
  });

  test("collecting says what was done, or would be", () => {
    const { server: _, ...stray } = GONE_FINDING;
    const result: GcResult = {
      pinRoot: "/sys/fs/bpf",
      dryRun: false,
      collected: [GONE],
      removed: [{ ...stray, what: "the interface dp9 has no server" }],
      mended: [{ ...GONE_FINDING, what: "dp25570 is down" }],
      remaining: [],
    };
    expect(presented(new GcCommand(), result)).toBe(
      "collected server 80 (a-longer-name)\n" +
        "cleared the interface dp9 has no server\n" +
        "mended server 25570 (lobby): dp25570 is down\n",
    );
    const dry = presented(new GcCommand(), { ...result, dryRun: true, remaining: [GONE_FINDING] });
    expect(dry).toStartWith("would collect server 80");
    expect(dry).toEndWith("its interface dp25570 is gone\n  fix: dp gc\n");
    const nothing = { ...result, collected: [], removed: [], mended: [] };
    expect(presented(new GcCommand(), nothing)).toBe("there was nothing to collect\n");
    expect(new GcCommand()["exitCode"](nothing)).toBe(0);
    expect(new GcCommand()["exitCode"]({ ...nothing, remaining: [GONE_FINDING] })).toBe(1);
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

  test("a bug ends with 1, and shows its stack only when asked", () => {
    const bug = new TypeError("x is undefined");
    expect(exitCodeOf(bug)).toBe(1);
    const short = describeError(bug, { color: false, verbose: false });
    expect(short).toBe("dp: internal error: x is undefined\nhint: run it with --verbose for a report\n");
    expect(describeError(bug, { color: false, verbose: true })).toContain("    at ");
  });

  test("--verbose tells what the system call was, also of what was the cause", () => {
    const cause = new SyscallError("attach dp_dnat to eth0", "bpf_link_create", 22, { target: "eth0" });
    const error = new DatapathError("FAILED", "load", "it did not work", { cause, hint: "try again" });
    expect(describeError(error, { color: false, verbose: false })).toBe("dp: load: it did not work\nhint: try again\n");
    const long = describeError(error, { color: false, verbose: true });
    for (const detail of ["syscall: bpf_link_create", "errno: 22", "errnoName: EINVAL", "target: eth0"]) {
      expect(long).toContain(detail);
    }
    expect(long).not.toContain(".ts:");
  });

  test("the nearest word is one that could have been meant", () => {
    expect(nearest("lsit", ["list", "load"])).toBe("list");
    expect(nearest("add-sever", ["add-server", "del-server"])).toBe("add-server");
    expect(nearest("xyz", ["list", "load"])).toBeUndefined();
  });
});
