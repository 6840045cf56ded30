/** dp(1), as man and mandoc read it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manPage } from "../build/man-page.ts";
import { oneLine, optionsOf } from "../src/command-help.ts";
import { exitCodeOf } from "../src/exit-code.ts";
import { commands } from "../src/run.ts";

/** Bold and underlined: a character, a backspace, a character. */
const OVERSTRUCK = new RegExp(`.${String.fromCharCode(8)}`, "gu");

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "man-page-"));
  file = join(folder, "dp.1");
  writeFileSync(file, manPage(commands(), { version: "1.2.3", date: new Date("2026-11-23T00:00:00Z") }));
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(command: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    env: { ...process.env, MANWIDTH: "100", LC_ALL: "C.UTF-8" },
  });
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** As text, without what makes it bold and underlined. */
function rendered(): string {
  const { code, stdout } = run(["mandoc", "-Tutf8", "-Owidth=200", file]);
  expect(code).toBe(0);
  return stdout.replaceAll(OVERSTRUCK, "");
}

test("man and mandoc find nothing to warn of", () => {
  const man = run(["man", "--warnings", "--encoding=UTF-8", "--local-file", "--pager=cat", file]);
  expect([man.code, man.stderr]).toEqual([0, ""]);
  expect(man.stdout).toContain("datapath 1.2.3");
  const mandoc = run(["mandoc", "-Tlint", "-Wwarning", file]);
  expect([mandoc.code, mandoc.stdout]).toEqual([0, ""]);
});

test("has every command with its options, their values and descriptions, and examples", () => {
  const text = rendered();
  // Commands begin at column 6, after the name of their group; what is below a command is further to the right.
  const sections = text.slice(text.indexOf("\nCOMMANDS\n"), text.indexOf("\nENVIRONMENT\n")).split(/\n {5}(?=\S)/);
  for (const command of commands()) {
    const section = sections.find((each) => new RegExp(`^${command.name}(?![-a-z])`).test(each)) ?? "";
    const line = oneLine(section);
    expect([command.name, line.toLowerCase()]).toEqual([
      command.name,
      expect.stringContaining(oneLine(command.definition.description).toLowerCase()),
    ]);
    for (const { names, metavar, description } of optionsOf(command).filter(({ global }) => !global)) {
      expect(line).toContain(`${names.join(", ")}${metavar === undefined ? "" : ` ${metavar}`} ${description}`);
    }
    for (const [, example] of command.definition.examples ?? []) expect(section).toContain(`      ${example}\n`);
  }
});

test("has the options of all commands once, and every exit code", () => {
  const text = rendered();
  const [command] = commands();
  if (command === undefined) throw new Error("there are no commands");
  for (const { names, description } of optionsOf(command).filter(({ global }) => global)) {
    expect(oneLine(text).split(description)).toHaveLength(2);
    expect(text).toContain(names.join(", "));
  }
  const codes = ["FAILED", "BAD_USAGE", "NOT_LOADED", "NO_SUCH_SERVER", "CONFLICT", "UNSUPPORTED", "BUSY"] as const;
  const status = text.slice(text.indexOf("\nEXIT STATUS\n"));
  for (const code of codes) {
    const number = exitCodeOf(Object.assign(new Error(), { code, op: "", reason: "" }));
    expect(status).toMatch(new RegExp(`\n +${number} +[A-Z]`));
  }
});
