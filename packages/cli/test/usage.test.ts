/** The command line itself, in this process: parsing, help, exit codes. Nothing here reaches the kernel. */
import { describe, expect, test } from "bun:test";
import packageJson from "../package.json" with { type: "json" };
import { SERVER_OPTIONS } from "../src/server-options.ts";
import { dp } from "./support/terminal.ts";

const COMMANDS = [
  "load",
  "unload",
  "status",
  "repair",
  "agent",
  "doctor",
  "add-server",
  "del-server",
  "list",
  "show",
  "proxy",
  "freeze",
  "thaw",
  "completion",
];

describe("help", () => {
  test("dp alone, dp --help, dp -h and dp help print the same, on standard output", async () => {
    const outcomes = await Promise.all([[], ["--help"], ["-h"], ["help"]].map((argv) => dp(argv)));
    expect(new Set(outcomes.map(({ stdout }) => stdout)).size).toBe(1);
    for (const { code, stderr } of outcomes) expect([code, stderr]).toEqual([0, ""]);
    for (const command of COMMANDS) expect(outcomes[0]?.stdout).toContain(`\n  ${command} `);
    expect(outcomes[0]?.stdout).toContain("Exit codes:");
  });

  test.each(COMMANDS)("of %s has its options with their values, and an example", async (command) => {
    for (const argv of [
      [command, "--help"],
      [command, "-h"],
      ["help", command],
      [command, "--port", "1", "-h"],
    ]) {
      const { code, stdout, stderr } = await dp(argv);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toStartWith(`usage: dp ${command}`);
      expect(stdout).toContain("--pin-root PATH");
      expect(stdout).toContain(`\n  dp ${command}`);
      // What clipanion writes for a value without a name.
      expect(stdout).not.toContain("#0");
    }
  });

  test("of a command that changes something, and of no other, has --wait", async () => {
    const changes = ["load", "unload", "add-server", "del-server", "repair", "freeze", "thaw"];
    for (const command of COMMANDS) {
      const { stdout } = await dp([command, "--help"]);
      expect([command, stdout.includes("--wait SECONDS")]).toEqual([command, changes.includes(command)]);
    }
  });

  test("of add-server has every option of a server, with its value and the key in a batch", async () => {
    const { stdout } = await dp(["add-server", "--help"]);
    const details = stdout.replaceAll("\n", " ");
    for (const [key, { flag, metavar, description }] of Object.entries(SERVER_OPTIONS)) {
      const line = stdout.split("\n").find((each) => each.startsWith(`  ${flag} `)) ?? "";
      expect(line.replace(/ {2,}/g, "  ")).toBe(
        `  ${flag}${metavar === undefined ? "" : ` ${metavar}`}  ${description}`,
      );
      expect(details).toMatch(new RegExp(`with the keys [^.]*\\b${key}\\b`));
    }
  });

  test("fits 120 columns", async () => {
    for (const argv of [[], ...COMMANDS.map((command) => [command, "--help"])]) {
      const { stdout } = await dp(argv);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
    }
  });

  test("is in colour only where colour is wanted", async () => {
    expect((await dp([], { color: true })).stdout).toContain("\u001b[1m");
    expect((await dp([])).stdout).not.toContain("\u001b");
  });

  test("--version is that of the package", async () => {
    expect(await dp(["--version"])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: "" });
  });
});

describe("the options of all commands may stand before the command", () => {
  test("--json", async () => {
    expect(await dp(["--json", "completion", "bash"])).toEqual(await dp(["completion", "bash", "--json"]));
  });

  test("-v and --verbose", async () => {
    for (const option of ["-v", "--verbose"]) {
      expect((await dp([option, "show", "--port", "0"])).stderr).toContain("code: BAD_USAGE");
    }
  });

  test("--pin-root, with its value", async () => {
    for (const options of [["--pin-root", "/dev/null/none"], ["--pin-root=/dev/null/none"]]) {
      const { code, stderr } = await dp(["--json", ...options, "list"]);
      expect(code).not.toBe(2);
      expect(stderr).toContain("/dev/null/none");
    }
  });

  test("help and the version", async () => {
    expect(await dp(["-v", "--help"])).toEqual(await dp(["--help"]));
    expect(await dp(["--json", "--version"])).toEqual(await dp(["--version"]));
    expect(await dp(["--json", "list", "--help"])).toEqual(await dp(["list", "--help"]));
    expect(await dp(["-v", "help", "list"])).toEqual(await dp(["list", "--help"]));
  });
});

describe("a wrong command line is an error of at most two lines, with exit code 2", () => {
  test.each([
    [["lst"], 'there is no command "lst"', "did you mean dp list?"],
    [["frobnicate"], 'there is no command "frobnicate"', "dp --help"],
    [["frobnicate", "--help"], 'there is no command "frobnicate"', "dp --help"],
    [["help", "frobnicate"], 'there is no command "frobnicate"', "dp --help"],
    [["ls"], 'there is no command "ls"', "did you mean dp list?"],
    [["rm"], 'there is no command "rm"', "did you mean dp del-server?"],
    [["gc"], 'there is no command "gc"', "did you mean dp repair?"],
    [["watch"], 'there is no command "watch"', "did you mean dp agent?"],
    [["version"], 'there is no command "version"', "did you mean dp --version?"],
    [["-V"], "unknown option -V", "did you mean dp --version?"],
    [["--json"], "which command?", "dp --help"],
    [["--pin-root"], "--pin-root lacks its value", "dp --help"],
    [["--pin-root", "list"], "which command?", "dp --help"],
    [["--json", "frobnicate"], 'there is no command "frobnicate"', "dp --help"],
    [["--jsno"], "unknown option --jsno", "did you mean dp --json?"],
    [["list", "--jsno"], "unknown option --jsno", "did you mean --json?"],
    [["list", "extra"], 'unexpected "extra"', "dp list --help"],
    [["show", "lobby", "extra"], 'unexpected "extra"', "dp show --help"],
    [["show", "--port"], "--port lacks its value", "dp show --help"],
    [["unload", "--wait"], "--wait lacks its value", "dp unload --help"],
    [["unload", "--wait", "soon"], '--wait is "soon": expected a whole number', ""],
    [["list", "--wait", "1"], "unknown option --wait", "dp list --help"],
    [["list", "--pin-root"], "--pin-root lacks its value", "dp list --help"],
    [["show"], "SERVER is missing", "SERVER is NAME, PORT, PORT/PROTOCOL, ADDRESS:PORT[/PROTOCOL] or id:N"],
    [["show", "--port", "abc"], '--port is "abc": expected a whole number', ""],
    [["show", "--port", "-1"], "", ""],
    [["show", "--port", "1.5"], "expected a whole number", ""],
    [["show", "--port", "0"], "the port is 0: expected a whole number from 1 to 65535", ""],
    [["show", "--port", "65536"], "the port is 65536", ""],
    [["add-server"], "--port is missing", "auto"],
    [["add-server", "--port", "1"], "--netns or --container is missing", "pid:N"],
    [["add-server", "--port", "1", "--netns", "a", "--container", "b"], "exclude each other", ""],
    [["add-server", "--port", "any", "--netns", "a"], 'expected a port, or "auto"', ""],
    [["add-server", "--port", "70000", "--netns", "a"], "the port is 70000", ""],
    [["add-server", "--port", "1", "--netns", "a", "--name", "a b"], "the name", ""],
    [["add-server", "--port", "1", "--netns", "a", "--mtu", "x"], "--mtu", ""],
    [["add-server", "--port", "1", "--netns", "a", "--game-port", "0"], "the container port is 0", ""],
    [["add-server", "--port", "1", "--netns", "a", "--container-ip", "nonsense"], "not an IPv4 address", ""],
    [["del-server"], "SERVER is missing", "--all"],
    [
      ["del-server", "--port", "1", "--all"],
      "--all and a server exclude each other",
      "SERVER, --name S, --port N or --all",
    ],
    [["del-server", "lobby", "--all"], "--all and a server exclude each other", "--all"],
    [["show", "--port", "1", "--name", "a"], "--name and --port exclude each other", ""],
    [["show", "lobby", "--port", "1"], "SERVER and --port exclude each other", "SERVER is NAME"],
    [["thaw", "lobby", "--name", "lobby"], "SERVER and --name exclude each other", "SERVER is NAME"],
    [["freeze", "--address", "192.0.2.1"], "--address needs --port", "--port N --address IP"],
    [["freeze", "lobby", "--address", "192.0.2.1"], "--address needs --port", "ADDRESS:PORT"],
    [["show", "70000"], "the port is 70000: expected a whole number from 1 to 65535", ""],
    [["show", "25570/udp/x"], 'the protocol "udp/x" is not tcp or udp', "SERVER is NAME"],
    [["show", "192.0.2:25570"], 'the public address "192.0.2" is not an IPv4 address', ""],
    [["show", "id:0"], "the id is 0: expected a whole number from 1 to", ""],
    [["thaw", "--port", "1", "--address", "192.0.2"], "the public address", ""],
    [
      ["add-server", "--batch", "/dev/null", "--game-port", "1"],
      "--batch and --game-port exclude each other",
      "containerPort",
    ],
    [["add-server", "--batch", "/proc/none"], "cannot read /proc/none: there is no such file", ""],
    [["load", "--port-range", "1"], "expected FIRST-LAST", ""],
    [["load", "--port-range", "9-1"], "ends before it begins", "did you mean 1-9?"],
    [["proxy", "--allow", "10.0.0.0/33"], "the prefix length", "10.0.0.0/32 is the prefix of one address"],
    [["proxy", "--deny", "example.org"], "not an IPv4 address", "ADDRESS[/PREFIX]"],
    [["proxy", "--dns", "resolver"], "not the address of a resolver", "IP:port"],
    [["proxy", "--max-connections", "0"], "--max-connections is 0: expected a whole number from 1 to 1000000", ""],
    [["proxy", "--max-rate", "0"], "--max-rate is 0: expected a whole number from 1 to 1000000", ""],
    [["proxy", "--max-buffer", "1000001"], "--max-buffer is 1000001", ""],
    [["proxy", "--idle-timeout", "soon"], '--idle-timeout is "soon"', ""],
    [["completion"], "SHELL is missing", "bash, zsh or fish"],
    [["completion", "tcsh"], '"tcsh" is not a shell with completions', "bash, zsh or fish"],
    [["completion", "bash", "extra"], 'unexpected "extra"', "dp completion --help"],
    [["load", "--http-port", "0"], "the HTTP port is 0", ""],
  ])("%j", async (argv, message, hint) => {
    const { code, stdout, stderr } = await dp(argv);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toStartWith("dp: ");
    expect(stderr).toContain(message);
    if (hint !== "") expect(stderr.split("\n")[1]).toStartWith("hint: ");
    expect(stderr).toContain(hint);
    expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  });

  test.each([["-p"], ["-q"]])("for %s no option is suggested", async (option) => {
    const hint = "hint: dp list --help\n";
    expect((await dp(["list", option])).stderr).toBe(`dp: list: unknown option ${option}\n${hint}`);
    expect((await dp([option])).stderr).toBe(
      `dp: usage: unknown option ${option}\nhint: dp --help shows all commands\n`,
    );
  });

  test("with --json too: standard output stays empty", async () => {
    const { code, stdout, stderr } = await dp(["show", "--json", "--port", "0"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe("dp: show the server on port 0: the port is 0: expected a whole number from 1 to 65535\n");
  });

  test("with --verbose the kind of the error is printed as well, without a stack trace", async () => {
    const { stderr } = await dp(["show", "--verbose", "--port", "0"]);
    expect(stderr).toContain("code: BAD_USAGE");
    expect(stderr).not.toContain(".ts:");
  });
});

test("an unknown mechanism in DP_ATTACH is refused before anything is opened", async () => {
  const { code, stdout, stderr } = await dp(["list"], { env: { DP_ATTACH: "nonsense" } });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toBe('dp: list: DP_ATTACH is "nonsense"\nhint: it can be tcx, clsact or empty\n');
});
