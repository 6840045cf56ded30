/** What the shells complete: bash, zsh and fish themselves, with the scripts that `dp completion` prints. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { optionsOf } from "../src/command-help.ts";
import { commands } from "../src/run.ts";
import { EXECUTABLE, HostNamespace, requireExecutable } from "./support/host-namespace.ts";
import { Shell } from "./support/shell.ts";
import { dp } from "./support/terminal.ts";

requireExecutable();
setDefaultTimeout(120_000);

const NAMES = commands().map(({ name }) => name);
const EVERYWHERE = ["-h", "--help"];
const optionNames = (command: ReturnType<typeof commands>[number]) =>
  [...optionsOf(command).flatMap(({ names }) => names), ...EVERYWHERE].filter((name) => name.startsWith("--"));

let folder: string;
const script = (shell: string) => join(folder, shell);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "completion-"));
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout, stderr } = await dp(["completion", shell]);
    expect([code, stderr]).toEqual([0, ""]);
    writeFileSync(script(shell), stdout);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a shell without a terminal. Its output's lines. */
function lines(command: string[]): string[] {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  return stdout.toString().trimEnd().split("\n");
}

describe("every command and every option is offered", () => {
  test("by bash", () => {
    const offered = (words: string[]) =>
      lines([
        "bash",
        "--norc",
        "-uc",
        'source "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _dp; printf "%s\\n" "${COMPREPLY[@]}"',
        script("bash"),
        ...words,
      ]).toSorted();
    expect(offered(["dp", ""])).toEqual([...NAMES, "help", "--help", "--version"].toSorted());
    expect(offered(["dp", "help", ""])).toEqual(NAMES.toSorted());
    for (const command of commands()) {
      expect(offered(["dp", command.name, "--"])).toEqual(optionNames(command).toSorted());
    }
  });

  test("by fish, with descriptions", () => {
    const offered = (line: string) =>
      lines(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script("fish"), line]).toSorted();
    const described = commands().map(({ name, definition }) => `${name}\t${definition.description?.trim()}`);
    expect(offered("dp ")).toEqual(described.toSorted());
    for (const command of commands()) {
      const options = optionsOf(command).map(({ long, description }) => `${long}\t${description}`);
      expect(offered(`dp ${command.name} --`)).toEqual([...options, "--help\thelp"].toSorted());
    }
  });

  test("by zsh, with descriptions", async () => {
    await using shell = await startZsh();
    const offers = async (line: string, expected: string[]) => {
      shell.type(`${line}\t`);
      const shown = await shell.showsAll(expected);
      expect(shown).not.toMatch(/command not found|parse error|_arguments/);
      shell.type("\u0015");
    };
    await offers(
      "dp ",
      commands().map(({ name, definition }) => `${name.padEnd(10)}  -- ${definition.description?.trim()}`),
    );
    for (const command of commands()) {
      await offers(
        `dp ${command.name} --`,
        optionsOf(command).map(({ long, description }) => `${long} -- ${description}`),
      );
    }
  });
});

/** Typed into a terminal, with a tab where there is a "→": the command that is run in the end. */
const TYPED: readonly [typed: string, run: string][] = [
  ["dp lo→--ifa→lo→", "load --iface lo"],
  ["dp load --cgroup /sys/fs/cg→", "load --cgroup /sys/fs/cgroup"],
  ["dp add-s→--port a→--netns mc-1→", "add-server --port auto --netns mc-1"],
  ["dp add-server --netns pi→47", "add-server --netns pid:47"],
  ["dp add-server --netns /run/netns/mc-1→", "add-server --netns /run/netns/mc-1"],
  ["dp del-server --port 255→", "del-server --port 25570"],
  ["dp del-server --name lob→", "del-server --name lobby"],
  ["dp show --port=255→", "show --port 25570"],
  ["dp show lob→", "show lobby"],
  ["dp thaw 255→", "thaw 25570"],
  ["dp freeze lob→--cgroup /sys/fs/cg→", "freeze lobby --cgroup /sys/fs/cgroup"],
  ["dp del-server lob→--if→", "del-server lobby --if-exists"],
  ["dp completion ba→", "completion bash"],
  ["dp help unl→", "help unload"],
  // Ports and names of servers are taken: a new server cannot have them.
  ["dp add-server --port 255→", "add-server --port 255"],
  ["dp add-server --name lob→", "add-server --name lob"],
];

describe("values are completed from the host's state", () => {
  let host: HostNamespace;

  beforeAll(async () => {
    host = new HostNamespace();
    Bun.spawnSync(["ip", "netns", "add", "mc-1"]);
    for (const args of [["load"], ["add-server", "--port", "25570", "--netns", "mc-1", "--name", "lobby"]]) {
      expect(await host.dp(args)).toMatchObject({ code: 0 });
    }
  });

  afterAll(async () => {
    await host.dp(["unload", "--force"]);
    Bun.spawnSync(["ip", "netns", "delete", "mc-1"]);
    host[Symbol.dispose]();
  });

  // Only `dp list` runs; the completed command is printed.
  const POSIX = 'dp() { if [ "$1" = list ]; then command dp "$@"; else echo "ran: $*;"; fi; }';
  const FISH = 'function dp; if test "$argv[1]" = list; command dp $argv; else; echo "ran: $argv;"; end; end';

  const SHELLS: Record<string, () => Promise<Shell>> = {
    bash: () => start(["bash", "--norc", "-i"], `source ${script("bash")}; ${POSIX}`),
    zsh: () => startZsh(POSIX, start),
    fish: () => start(["fish", "--no-config", "-i"], `source ${script("fish")}; ${FISH}`),
  };

  function start(command: string[], setUp: string): Promise<Shell> {
    const path = `${dirname(EXECUTABLE)}:${process.env["PATH"]}`;
    return Shell.start([...host.inside, ...command], setUp, { PATH: path, DP_PIN_ROOT: host.pinRoot });
  }

  test.each(Object.keys(SHELLS))("by %s", async (name) => {
    await using shell = (await SHELLS[name]?.()) as Shell;
    for (const [typed, run] of TYPED) {
      shell.type(`${typed.replaceAll("→", "\t")}\r`);
      const [, ran = ""] = /ran: (.*?) ?;\r/.exec(await shell.shows(";\r")) ?? [];
      // zsh puts a "=" before a value, which dp knows as well, and takes away the slash that others put after a folder.
      expect([typed, ran.replace("=", " ").replace(/\/$/, "")]).toEqual([typed, run]);
    }
  });
});

function startZsh(setUp = ":", start = Shell.start): Promise<Shell> {
  const dump = join(folder, "compdump");
  mkdirSync(folder, { recursive: true });
  return start(
    ["zsh", "-f", "-i"],
    `unsetopt prompt_cr prompt_sp list_ambiguous auto_menu; autoload -Uz compinit; compinit -u -d ${dump}; source ${script("zsh")}; ${setUp}`,
  );
}
