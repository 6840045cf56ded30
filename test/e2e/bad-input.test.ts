/**
 * What cannot be done is said clearly, with the exit code of its kind, and changes nothing:
 *
 *     host 203.0.113.10 ─ ─ :25570 lobby     there from the start
 *                           spare            a container without a network: everything wrong is tried with it
 *                           furnished        one that has an eth0 already
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Output } from "@dp/test-kit/program.ts";
import { Dp, DP } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import { AS_ORDINARY_USER } from "./topology/ordinary-user.ts";
import { stateOf } from "./topology/state.ts";
import { serve } from "./traffic/traffic.ts";

const FAILED = 1;
const BAD_USAGE = 2;
const NOT_LOADED = 3;
const NO_SUCH_SERVER = 4;
const CONFLICT = 5;
const UNSUPPORTED = 6;

/** What holds for every failure: nothing on stdout, one sentence and perhaps a hint on stderr, and no stack trace. */
function expectFailure({ code, stdout, stderr }: Output, expected: number, says: RegExp): void {
  expect(stderr).toMatch(/^dp: .+: .+\n(hint: .+\n)?$/);
  expect(stderr).toMatch(says);
  expect(stdout).toBe("");
  expect(code).toBe(expected);
}

const SPARE = ["--netns", "spare"];

/** A case: what is wrong, the command, its exit code, and what standard error has to mention. */
type Case = readonly [title: string, args: readonly string[], code: number, says: RegExp];

describe("on a loaded host with a server", () => {
  let net: Internet;

  beforeAll(async () => {
    net = await Internet.create({ containers: ["lobby", "spare", "furnished"] });
    await net.container("furnished").ip("link add eth0 type veth peer name other");
    await net.dp.must("load");
    await net.dp.addServer(25570, net.container("lobby"), "--name", "lobby");
    await serve(net.host, 25580);
  });

  afterAll(async () => {
    await net[Symbol.asyncDispose]();
  });

  const add = (port: string, ...args: string[]) => ["add-server", "--port", port, ...args];
  const cases: readonly Case[] = [
    ["port 0", add("0", ...SPARE), BAD_USAGE, /1 to 65535/],
    ["a port above 65535", add("65536", ...SPARE), BAD_USAGE, /1 to 65535/],
    ["a negative port", ["add-server", "--port=-1", ...SPARE], BAD_USAGE, /port/],
    ["a port that is no number", add("game", ...SPARE), BAD_USAGE, /"game"/],
    ["a port that another server has", add("25570", ...SPARE), CONFLICT, /25570.*lobby/],
    ["a port that a program on the host listens on", add("25580", ...SPARE), CONFLICT, /listens on port 25580/],
    ["no port", ["add-server", ...SPARE], BAD_USAGE, /--port/],
    ["no namespace", add("25571"), BAD_USAGE, /--netns/],
    ["an unknown namespace", add("25571", "--netns", "nowhere"), 1, /nowhere/],
    ["a path that does not exist", add("25571", "--netns", "/nowhere/at/all"), 1, /\/nowhere\/at\/all/],
    ["a file that is no namespace", add("25571", "--netns", "/etc/passwd"), 1, /\/etc\/passwd/],
    ["a process that does not exist", add("25571", "--netns", "pid:4194304"), 1, /4194304/],
    ["the host's own namespace", add("25571", "--netns", "host"), CONFLICT, /host's own/],
    ["a namespace that is a server's", add("25571", "--netns", "lobby"), CONFLICT, /lobby/],
    ["a namespace that already has eth0", add("25571", "--netns", "furnished"), CONFLICT, /eth0/],
    ["a name used twice", add("25571", ...SPARE, "--name", "lobby"), CONFLICT, /lobby/],
    ["a name of digits only", add("25571", ...SPARE, "--name", "25572"), BAD_USAGE, /25572/],
    ["a name with a space", add("25571", ...SPARE, "--name", "a lobby"), BAD_USAGE, /a lobby/],
    ["a name that is too long", add("25571", ...SPARE, "--name", "n".repeat(64)), BAD_USAGE, /name/],
    [
      "a container address outside the subnet",
      add("25571", ...SPARE, "--container-ip", "192.0.2.1"),
      BAD_USAGE,
      /10\.2\./,
    ],
    [
      "a container address that is taken",
      add("25571", ...SPARE, "--container-ip", "10.2.0.1"),
      CONFLICT,
      /10\.2\.0\.1/,
    ],
    ["an address that is none", add("25571", ...SPARE, "--container-ip", "10.2.0.300"), BAD_USAGE, /10\.2\.0\.300/],
    ["a gateway outside the subnet", add("25571", ...SPARE, "--host-ip", "192.0.2.1"), BAD_USAGE, /10\.1\./],
    [
      "a public address that is not the host's",
      add("25571", ...SPARE, "--address", "192.0.2.1"),
      BAD_USAGE,
      /192\.0\.2\.1/,
    ],
    ["an interface name that is too long", add("25571", ...SPARE, "--ifname", "a-very-long-name"), BAD_USAGE, /name/],
    ["a container port out of range", add("25571", ...SPARE, "--game-port", "70000"), BAD_USAGE, /1 to 65535/],
    ["an MTU out of range", add("25571", ...SPARE, "--mtu", "10"), BAD_USAGE, /MTU/],
    ["an uplink that does not exist", ["load", "--iface", "eth9"], BAD_USAGE, /eth9/],
    ["a port range the wrong way round", ["load", "--port-range", "30000-20000"], BAD_USAGE, /30000-20000/],
    ["a subnet that is none", ["load", "--container-subnet", "10.2.0.0/40"], BAD_USAGE, /10\.2\.0\.0\/40/],
    ["unload with servers", ["unload"], CONFLICT, /server/],
    ["show of a port without a server", ["show", "25571"], NO_SUCH_SERVER, /25571/],
    ["show of an id without a server", ["show", "id:99"], NO_SUCH_SERVER, /99/],
    ["show of a word that cannot be a server", ["show", "203.0.113.10:game"], BAD_USAGE, /203\.0\.113\.10:game/],
    ["del-server of a port without a server", ["del-server", "25571"], NO_SUCH_SERVER, /25571/],
    ["del-server of an unknown name", ["del-server", "arena"], NO_SUCH_SERVER, /arena/],
    ["del-server without a server", ["del-server"], BAD_USAGE, /SERVER/],
    ["an unknown command", ["remove-server"], BAD_USAGE, /remove-server/],
    ["an unknown option", ["list", "--everything"], BAD_USAGE, /--everything/],
  ];

  for (const [title, args, code, says] of cases) {
    test(`${title}: exit code ${code}, and nothing has changed`, async () => {
      const before = await stateOf(net);
      expectFailure(await net.dp.run(...args), code, says);
      expectFailure(await net.dp.run(...args, "--json"), code, says);
      expect(await stateOf(net)).toEqual(before);
    });
  }

  test("a server that is not there is no failure with --if-exists", async () => {
    const before = await stateOf(net);
    await net.dp.must("del-server", "25571", "--if-exists");
    expect(await stateOf(net)).toEqual(before);
  });

  test("in another network namespace, where all servers would look dead, it does nothing", async () => {
    const before = await stateOf(net);
    const elsewhere = new Dp(net.container("spare"), net.dp.pinRoot);
    const commands = [
      ["status"],
      ["list"],
      ["show", "25570"],
      ["repair"],
      ["repair", "--dry-run"],
      ["load"],
      ["load", "--iface", "lo"],
      ["add-server", "--port", "25571", "--netns", net.host.name],
      ["del-server", "--all"],
      ["freeze", "25570"],
      ["unload"],
      ["unload", "--force"],
    ];
    for (const args of commands) {
      const { code, stdout, stderr } = await elsewhere.run(...args);
      expect([code, stdout, stderr]).toEqual([
        FAILED,
        "",
        expect.stringMatching(/another network namespace.*\nhint: .*nsenter/),
      ]);
    }
    expect(await stateOf(net)).toEqual(before);
  });

  test("an ordinary user is told to be root", async () => {
    const before = await stateOf(net);
    const command = [...AS_ORDINARY_USER, DP];
    const env = { DP_PIN_ROOT: net.dp.pinRoot };
    for (const args of [["list"], ["load"], add("25571", ...SPARE), ["del-server", "25570"]]) {
      expectFailure(await net.host.run([...command, ...args], { env }), UNSUPPORTED, /sudo/);
    }
    expect(await stateOf(net)).toEqual(before);
  });

  test("root without the capabilities is told which", async () => {
    const powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--", DP];
    const output = await net.host.run([...powerless, "list"], { env: { DP_PIN_ROOT: net.dp.pinRoot } });
    expectFailure(output, UNSUPPORTED, /CAP_/);
  });

  test("without libbpf it says what to install, and still tells its version", async () => {
    // Its directory, without it: an overlay in a mount namespace that ends with the command.
    const hide = `
      lib=$(dirname "$(ldconfig -p | awk '/libbpf\\.so\\.1 / { print $NF; exit }')")
      lib=$(realpath "$lib") scratch=$(mktemp -d)
      mount -t tmpfs tmpfs "$scratch" && mkdir "$scratch"/{upper,work} &&
        mount -t overlay -o "lowerdir=$lib,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$lib" &&
        rm "$lib"/libbpf.so* || exit 99
      "$@"
      status=$?
      umount -l "$scratch"
      rmdir "$scratch"
      exit $status`;
    const without = ["unshare", "--mount", "--propagation", "private", "bash", "-c", hide, "hide", DP];
    const env = { DP_PIN_ROOT: net.dp.pinRoot };
    const before = await stateOf(net);
    for (const args of [["list"], ["load"], add("25571", ...SPARE)]) {
      expectFailure(await net.host.run([...without, ...args], { env }), UNSUPPORTED, /libbpf.*\nhint: .*install/);
    }
    expect(await stateOf(net)).toEqual(before);
    for (const args of [["--version"], ["--help"], ["add-server", "--help"]]) {
      expect((await net.host.run([...without, ...args], { env })).code).toBe(0);
    }
  });
});

describe("on a host where nothing is loaded", () => {
  test("commands about servers say so, with exit code 3", async () => {
    await using net = await Internet.create({ containers: ["spare"] });
    const before = await stateOf(net);
    for (const args of [
      ["list"],
      ["show", "25570"],
      ["del-server", "--all"],
      ["add-server", "--port", "auto", ...SPARE],
    ]) {
      expectFailure(await net.dp.run(...args), NOT_LOADED, /not loaded.*\nhint: .*dp load/);
    }
    expect(await stateOf(net)).toEqual(before);
  });

  test("unload is done, not failed", async () => {
    await using net = await Internet.create();
    await net.dp.must("unload");
    await net.dp.must("load");
    await net.dp.must("unload");
    await net.dp.must("unload");
  });

  test("a load that fails leaves nothing", async () => {
    await using net = await Internet.create();
    const before = await stateOf(net);
    expectFailure(await net.dp.run("load", "--iface", "eth9"), BAD_USAGE, /eth9/);
    expectFailure(await net.dp.run("load", "--address", "192.0.2.1"), BAD_USAGE, /192\.0\.2\.1/);
    expect(await stateOf(net)).toEqual(before);
  });

  test("load mounts a bpffs where there is none", async () => {
    await using net = await Internet.create();
    await net.dp.must("load");
    const { stdout } = await net.host.run(["stat", "-f", "-c", "%T", net.dp.pinRoot]);
    expect(stdout.trim()).toBe("bpf_fs");
    await net.dp.must("unload");
  });
});
