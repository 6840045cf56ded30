/**
 * doctor, on hosts where something is really broken: by tc, bpftool, ip, sysctl, nft, mounts of its own, an old libbpf.
 * What it says to do is done as well, where that is a command, and must help.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attachTcx, BpfObject, Link, pin } from "@dp/core/libbpf";
import { openNamespace } from "@dp/netlink";
import { withNetns } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import {
  addServer,
  doctor,
  type DoctorCheck,
  type DoctorReport,
  load,
  repair,
  type Server,
  unload,
} from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;
/** Of the first server. */
const HOST_PEER = "dp1";

/** A program that lets everything pass, built for the tests; in an object file. */
let folder = "";
let passing = new Uint8Array();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hosttest-doctor-"));
  const source = join(folder, "stranger.c");
  writeFileSync(
    source,
    `__attribute__((section("tc"), used)) int stranger(void *skb) { return -1; }
     char _license[] __attribute__((section("license"), used)) = "GPL";`,
  );
  run("clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", join(folder, "stranger.o"));
  passing = new Uint8Array(await Bun.file(join(folder, "stranger.o")).arrayBuffer());
});
afterAll(() => rmSync(folder, { recursive: true }));

function checkOf(report: DoctorReport, name: string): DoctorCheck {
  const found = report.checks.find((check) => check.name === name);
  if (found === undefined) throw new Error(`there is no check ${name}`);
  return found;
}

async function look(sandbox: Sandbox, name: string): Promise<DoctorCheck> {
  return checkOf(await doctor(sandbox.options), name);
}

async function codesOf(sandbox: Sandbox, name: string): Promise<string[]> {
  return (await look(sandbox, name)).findings.map(({ code }) => code);
}

/** A loaded host with a server in a container. */
async function loaded(sandbox: Sandbox): Promise<{ container: string; server: Server }> {
  const container = sandbox.container();
  await load(sandbox.options);
  const server = await addServer({ ...sandbox.options, port: PORT, netns: container, name: "lobby" });
  return { container, server };
}

/** Runs a command of a finding's fix, as an operator would in the host's shell. */
function follow(fix: string): void {
  const { status, stderr } = spawnSync("sh", ["-ec", fix], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
}

function fixOf({ findings }: DoctorCheck): string {
  return findings[0]?.fix ?? "";
}

/** doctor in a process with mounts of its own: `setup` is what changes them. */
function lookElsewhere(sandbox: Sandbox, setup: string): DoctorReport {
  const script = join(import.meta.dir, "support/doctor.ts");
  const command = `${setup}\nexec "$@"`;
  const args = ["--mount", "sh", "-ec", command, "sh", process.execPath, script, sandbox.pinRoot];
  const { stdout, stderr, status } = spawnSync("unshare", args, { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as DoctorReport;
}

describe("a host that is well", () => {
  test("is healthy before anything is loaded, and it is said what is not there yet", async () => {
    using sandbox = new Sandbox();
    const before = sandbox.observe();
    const report = await doctor(sandbox.options);
    expect(report.healthy).toBe(true);
    expect(report.checks.filter(({ findings }) => findings.length > 0).map(({ name }) => name)).toEqual(["bpffs"]);
    expect(await codesOf(sandbox, "bpffs")).toEqual(["bpffs-missing"]);
    expect(checkOf(report, "programs")).toMatchObject({ ok: true, what: "this kernel accepts all programs" });
    expect(sandbox.observe()).toEqual(before);
  });

  test("is healthy with a server, nothing is changed by looking, and the only warning is the missing proxy", async () => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    const before = sandbox.observe();
    const report = await doctor(sandbox.options);
    expect(report.healthy).toBe(true);
    expect(report.checks.flatMap(({ findings }) => findings.map(({ code }) => code))).toEqual(["proxy-not-listening"]);
    expect(checkOf(report, "loaded").what).toBe("on up0, 1 server");
    expect(sandbox.observe()).toEqual(before);
    expect(sandbox.leakedFds).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });
});

describe("mounts", () => {
  test("a bpffs that was unmounted under servers", async () => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    run("umount", sandbox.pinRoot);
    const check = await look(sandbox, "bpffs");
    expect(check).toMatchObject({ ok: false, findings: [{ code: "bpffs-lost", severity: "error" }] });
    expect(check.what).toContain(`(${HOST_PEER})`);
    run("ip", "link", "delete", HOST_PEER);
    expect(await codesOf(sandbox, "bpffs")).toEqual(["bpffs-missing"]);
  });

  test("a bpffs in a mount namespace of one's own", async () => {
    using sandbox = new Sandbox();
    const report = lookElsewhere(sandbox, `mkdir -p ${sandbox.pinRoot}; mount -t bpf bpf ${sandbox.pinRoot}`);
    expect(checkOf(report, "bpffs").findings.map(({ code }) => code)).toEqual(["bpffs-private"]);
  });

  test("cgroup2 is found elsewhere, and missed where it is nowhere", async () => {
    using sandbox = new Sandbox();
    const none = 'awk \'$3 == "cgroup2" { print $2 }\' /proc/mounts | while read -r at; do umount -l "$at"; done';
    const missing = checkOf(lookElsewhere(sandbox, none), "cgroup2");
    expect(missing).toMatchObject({ ok: false, findings: [{ code: "cgroup2-missing" }] });
    const elsewhere = checkOf(lookElsewhere(sandbox, `${none}\n${fixOf(missing)}`), "cgroup2");
    expect([elsewhere.ok, elsewhere.findings]).toEqual([true, []]);
    expect(elsewhere.what).toStartWith("mounted on /run/cgroup2");
    rmSync("/run/cgroup2", { recursive: true, force: true });
  });
});

describe("libbpf", () => {
  const library = realpathSync("/usr/lib/x86_64-linux-gnu/libbpf.so.1");

  test("that is old, or not there, is the finding; and all that needs it says so", async () => {
    using sandbox = new Sandbox();
    writeFileSync(
      join(folder, "old.c"),
      'const char *libbpf_version_string(void) { return "v1.0"; } void *libbpf_set_print(void *f) { return 0; }',
    );
    run("clang", "-shared", "-fPIC", "-Wl,-soname,libbpf.so.1", "-o", join(folder, "old.so"), join(folder, "old.c"));
    const old = lookElsewhere(sandbox, `mount --bind ${folder}/old.so ${library}`);
    expect(old.healthy).toBe(false);
    expect(checkOf(old, "libbpf").findings).toMatchObject([
      { code: "libbpf-old", fix: "install libbpf 1.1 or newer: apt-get install libbpf1" },
    ]);
    const none = lookElsewhere(sandbox, `mount --bind /dev/null ${library}`);
    expect(none.healthy).toBe(false);
    expect(checkOf(none, "libbpf").findings).toMatchObject([
      { code: "libbpf-missing", fix: "install it: apt-get install libbpf1" },
    ]);
    for (const name of ["attaching", "programs"]) expect(checkOf(none, name).ok).toBe(false);
  });
});

test("MACAddressPolicy, as udev's own files have it, and as examples/systemd overrides it", () => {
  using sandbox = new Sandbox();
  const [etc = "", lib = ""] = ["etc", "lib"].map((name) => join(folder, name));
  for (const path of [etc, lib]) mkdirSync(path, { recursive: true });
  writeFileSync(
    join(lib, "99-default.link"),
    "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel\nMACAddressPolicy=persistent\n",
  );
  const udev = [
    "mkdir -p /run/udev && : >/run/udev/control",
    "mkdir -p /etc/systemd/network /usr/lib/systemd/network",
    `mount --bind ${etc} /etc/systemd/network`,
    `mount --bind ${lib} /usr/lib/systemd/network`,
  ].join("\n");
  const persistent = checkOf(lookElsewhere(sandbox, udev), "mac-address-policy");
  expect(persistent.findings).toMatchObject([{ code: "mac-address-policy", severity: "warning" }]);
  expect(persistent.what).toContain("/usr/lib/systemd/network/99-default.link");

  const example = join(import.meta.dir, "../../../examples/systemd/10-datapath.link");
  const fixed = checkOf(lookElsewhere(sandbox, `${udev}\ncp ${example} ${etc}`), "mac-address-policy");
  expect(fixed).toMatchObject({ ok: true, findings: [] });
  expect(fixed.what).toBe("/etc/systemd/network/10-datapath.link does not change host peers");
  rmSync("/run/udev", { recursive: true });
});

test("a changed MAC of a host peer", async () => {
  using sandbox = new Sandbox();
  await loaded(sandbox);
  run("ip", "link", "set", "dev", HOST_PEER, "address", "02:00:00:00:00:01");
  const check = await look(sandbox, "host-peers");
  expect(check).toMatchObject({
    ok: false,
    findings: [{ code: "host-peer-mac", severity: "error", server: { id: 1, name: "lobby" } }],
  });
  expect(fixOf(check)).toStartWith("dp repair");
  await repair(sandbox.options);
  expect((await look(sandbox, "host-peers")).findings).toEqual([]);
  await unload({ ...sandbox.options, force: true });
});

describe("programs of others on our hooks", () => {
  test.each([
    ["up0", "ingress", "players' packets may never get to a server"],
    [HOST_PEER, "ingress", "what a container sends may get past the guard"],
    [HOST_PEER, "egress", "what the proxy answers may not get back to the container"],
  ] as const)("a TCX program on %s, %s", async (iface, direction, danger) => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    const ifindex = () => Number(/^(\d+):/.exec(run("ip", "-o", "link", "show", "dev", iface))?.[1]);
    for (const [position, code, severity] of [
      ["first", "foreign-program", "error"],
      ["last", "foreign-program-after", "warning"],
    ] as const) {
      using object = BpfObject.open(passing, { name: "stranger" }).load();
      const link = attachTcx({ program: object.program("stranger"), ifindex: ifindex(), direction, position });
      const check = await look(sandbox, "hooks");
      expect(check.findings).toMatchObject([{ code, severity }]);
      expect(check.ok).toBe(severity === "warning");
      expect(check.what).toContain(`the program stranger (id ${object.program("stranger").id})`);
      expect(check.what).toContain(`the ${direction} of ${iface}`);
      if (code === "foreign-program") expect(check.what).toContain(danger);
      follow(fixOf(check).replace(/^.* or: /, ""));
      expect((await look(sandbox, "hooks")).findings).toEqual([]);
      link.close();
    }
    await unload({ ...sandbox.options, force: true });
  });

  test("a TCX program inside the container", async () => {
    using sandbox = new Sandbox();
    const { container, server } = await loaded(sandbox);
    using object = BpfObject.open(passing, { name: "stranger" }).load();
    using namespace = openNamespace(container);
    const link = withNetns(namespace.fd, () =>
      attachTcx({
        program: object.program("stranger"),
        ifindex: server.containerPeer.ifindex,
        direction: "egress",
        position: "first",
      }),
    );
    const check = await look(sandbox, "hooks");
    expect(check.findings.map(({ code }) => code)).toEqual(["foreign-program"]);
    expect(check.what).toContain(`the egress of eth0 in the container of server lobby (id 1)`);
    link.detach();
    link.close();
    expect((await look(sandbox, "hooks")).findings).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });

  test("clsact filters, with a program and without", async () => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    const stranger = ["bpf", "direct-action", "obj", join(folder, "stranger.o"), "sec", "tc"];
    run("tc", "qdisc", "add", "dev", "up0", "clsact");
    run("tc", "filter", "add", "dev", "up0", "ingress", "prio", "1", ...stranger);
    run("tc", "qdisc", "add", "dev", HOST_PEER, "clsact");
    const u32 = ["u32", "match", "u32", "0", "0", "classid", "1:1"];
    run("tc", "filter", "add", "dev", HOST_PEER, "egress", "prio", "5", "protocol", "ip", ...u32);
    const check = await look(sandbox, "hooks");
    expect(check.findings.map(({ code, what }) => `${code}: ${what.split(":")[0]}`)).toEqual([
      expect.stringMatching(/^foreign-program-after: a bpf filter stranger.o$/),
      expect.stringMatching(/^foreign-program-after: a u32 filter/),
    ]);
    expect(check.ok).toBe(true);
    run("tc", "filter", "delete", "dev", "up0", "ingress");
    run("tc", "qdisc", "delete", "dev", HOST_PEER, "clsact");
    expect((await look(sandbox, "hooks")).findings).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });

  test("an old link of ours that was left beside the new one", async () => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    const path = join(sandbox.pinRoot, "progs/dp_dnat_up0");
    {
      using ours = Link.fromPin(path);
      pin(ours.fd, join(sandbox.pinRoot, "old"));
      rmSync(path);
    }
    await load(sandbox.options);
    const check = await look(sandbox, "hooks");
    expect(check).toMatchObject({ ok: false, findings: [{ code: "foreign-program" }] });
    expect(check.what).toContain("the program dp_dnat (id ");
    follow(fixOf(check).replace(/^.* or: /, ""));
    rmSync(join(sandbox.pinRoot, "old"));
    expect((await look(sandbox, "hooks")).findings).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });
});

describe("settings", () => {
  test("strict reverse path filtering, where there are two uplinks", async () => {
    using sandbox = new Sandbox();
    sandbox.addInterface("up1");
    run("ip", "addr", "add", "192.0.2.10/24", "dev", "up1");
    for (const end of ["up1", "up1x"]) run("ip", "link", "set", end, "up");
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1");
    await load(sandbox.options);
    expect((await look(sandbox, "rp-filter")).findings).toEqual([]);
    await load({ ...sandbox.options, ifaces: ["up0", "up1"] });
    const check = await look(sandbox, "rp-filter");
    expect(check.findings).toMatchObject([{ code: "rp-filter-strict", severity: "warning" }]);
    expect(check.what).toStartWith("up0 and up1 have a strict reverse path filter");
    follow(fixOf(check).replaceAll("sysctl -w", "sysctl -qw"));
    expect((await look(sandbox, "rp-filter")).findings).toEqual([]);
    await unload(sandbox.options);
  });

  test("forwarding, and both ways out of it", async () => {
    using sandbox = new Sandbox();
    await loaded(sandbox);
    run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    const check = await look(sandbox, "ip-forward");
    expect(check.findings).toMatchObject([{ code: "ip-forward", severity: "warning" }]);
    const [off = "", guard = ""] = fixOf(check).split("; or, if forwarding is needed: ");
    follow(guard);
    expect(await look(sandbox, "ip-forward")).toMatchObject({
      findings: [],
      what: "on for up0; the firewall drops what is forwarded to containers",
    });
    run("nft", "flush", "ruleset");
    expect(await codesOf(sandbox, "ip-forward")).toEqual(["ip-forward"]);
    follow(off.replace("-w", "-qw"));
    expect((await look(sandbox, "ip-forward")).findings).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });

  test("a firewall that tracks what containers open", async () => {
    using sandbox = new Sandbox();
    await load(sandbox.options);
    expect((await look(sandbox, "conntrack")).findings).toEqual([]);
    run(
      "nft",
      "table inet filter { chain input { type filter hook input priority 0; ct state established accept; }; }",
    );
    const check = await look(sandbox, "conntrack");
    expect(check.findings).toMatchObject([{ code: "conntrack-of-containers", severity: "warning" }]);
    follow(fixOf(check));
    expect((await look(sandbox, "conntrack")).findings).toEqual([]);
    run("nft", "flush", "ruleset");
    await unload(sandbox.options);
  });

  test("a firewall that drops input and knows nothing of the proxy", async () => {
    using sandbox = new Sandbox();
    await load(sandbox.options);
    run("nft", "table inet filter { chain input { type filter hook input priority 0; policy drop; }; }");
    const check = await look(sandbox, "firewall");
    expect(check.findings).toMatchObject([{ code: "firewall-input", severity: "warning" }]);
    follow(fixOf(check));
    expect((await look(sandbox, "firewall")).findings).toEqual([]);
    await unload(sandbox.options);
  });

  test("a port range inside the ephemeral range", async () => {
    using sandbox = new Sandbox();
    await load({ ...sandbox.options, portRange: [40000, 40100] });
    const check = await look(sandbox, "ports");
    expect(check.findings.map(({ code }) => code)).toEqual(["port-range"]);
    follow(
      fixOf(check)
        .replace(/, or .*/, "")
        .replace("-w", "-qw"),
    );
    expect((await look(sandbox, "ports")).findings).toEqual([]);
    await unload(sandbox.options);
  });
});

describe("the proxy", () => {
  test("is missing until a process listens on each of its ports, in its cgroup", async () => {
    using sandbox = new Sandbox();
    const cgroup = join(cgroup2(), `hosttest-${sandbox.id}`);
    mkdirSync(cgroup);
    await load({ ...sandbox.options, cgroup });
    expect(await codesOf(sandbox, "proxy")).toEqual(["proxy-not-listening"]);
    const script =
      'const s = (p) => Bun.listen({ hostname: "0.0.0.0", port: p, socket: { data() {} } });' +
      's(9080); s(9053); s(9111); await Bun.udpSocket({ hostname: "0.0.0.0", port: 9053 }); console.log("up");';
    const start = (command: string) => {
      const child = spawn("sh", ["-ec", `${command}\nexec "$@"`, "sh", process.execPath, "-e", script]);
      return { child, up: new Promise((resolve) => child.stdout.once("data", resolve)) };
    };
    const end = async ({ child }: ReturnType<typeof start>) => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    };
    const outside = start("");
    await outside.up;
    const check = await look(sandbox, "proxy");
    expect(check).toMatchObject({ ok: false, findings: [{ code: "proxy-outside-cgroup" }] });
    expect(check.what).toContain(`process ${outside.child.pid} (`);
    await end(outside);

    const inside = start(`echo $$ >${cgroup}/cgroup.procs`);
    await inside.up;
    expect(await look(sandbox, "proxy")).toMatchObject({
      findings: [],
      what: "a process listens on each of its ports",
    });
    await end(inside);
    await unload(sandbox.options);
    while (readdirSync(cgroup).length > 0 && run("cat", `${cgroup}/cgroup.procs`) !== "") await Bun.sleep(20);
    run("rmdir", cgroup);
  });
});

function cgroup2(): string {
  return run("findmnt", "--noheadings", "--output", "TARGET", "--first-only", "--types", "cgroup2").trim();
}

test("without privileges, only the missing privileges are an error", () => {
  using sandbox = new Sandbox();
  const script = join(import.meta.dir, "support/doctor.ts");
  // But for this power of root's: the clone may lie where only root can read.
  const readsAll = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"];
  const user = ["--reuid=65534", "--regid=65534", "--clear-groups", ...readsAll];
  const { stdout, stderr } = spawnSync("setpriv", [...user, process.execPath, script, sandbox.pinRoot], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as DoctorReport;
  expect(report.healthy).toBe(false);
  const wrong = report.checks.filter(({ ok }) => !ok);
  expect(wrong).toMatchObject([{ name: "privileges", findings: [{ fix: "run it as root: sudo dp ..." }] }]);
  expect(checkOf(report, "programs").what).toBe("not checked: it needs privileges");
});
