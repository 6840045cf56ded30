import { describe, expect, test } from "bun:test";
// What a README shows at a prompt is what the commands print, on a host made of network namespaces.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isShown, normalized, sessionOf } from "./sessions.ts";

const ROOT = join(import.meta.dirname, "../..");
const SEPARATOR = "\x1e";

const sessions = ["README.md", "packages/cli/README.md"].map((path) => {
  const session = sessionOf(readFileSync(join(ROOT, path), "utf8"), path);
  if (session === undefined) throw new Error(`${path} has no session`);
  return session;
});

/** Runs commands one after the other on a new host: what each printed. */
function run(commands: readonly string[]): string[] {
  const script = [
    `dp() { "${process.execPath}" "${join(ROOT, "packages/cli/src/main.ts")}" "$@"; }`,
    // The session makes it.
    "ip netns del mc",
    ...commands.map((command) => `printf '${SEPARATOR}'\n${command}`),
  ].join("\n");
  const host = [join(ROOT, "tools/sandbox"), join(import.meta.dirname, "example-host")] as const;
  const { stdout } = spawnSync(host[0], [host[1], "bash", "-c", `exec 2>&1\n${script}`], { encoding: "utf8" });
  return stdout.split(SEPARATOR).slice(1);
}

describe("a session in a README", () => {
  test.each(sessions.map((session) => [session.at, session] as const))(
    "at %s is what the commands print",
    (_, { steps }) => {
      expect(steps.length).toBeGreaterThan(4);
      const printed = run(steps.map(({ command }) => command));
      expect(printed.length).toBe(steps.length);
      const differing = steps.flatMap(({ command, output }, at) => {
        const real = printed[at] ?? "";
        return isShown(output, real) ? [] : [{ command, shown: normalized(output), printed: normalized(real) }];
      });
      expect(differing).toEqual([]);
    },
  );

  test("is the commands of its blocks, each with the lines after it; a command that goes on is left out", () => {
    const block = (text: string) => `\`\`\`console\n${text}\n\`\`\`\n`;
    const markdown = `Text.\n${block("# dp load\nloaded\n\n# ip netns add mc")}${block("# dp proxy\nlistening")}`;
    expect(sessionOf(markdown, "X.md")).toEqual({
      at: "X.md:2",
      steps: [
        { command: "dp load", output: "loaded\n\n" },
        { command: "ip netns add mc", output: "" },
      ],
    });
  });

  test("may have another time, age or column width, and no other word", () => {
    expect(isShown("ID  AGE  NETNS\n 1  4m   x\n", " ID AGE NETNS\n  1 0s x\n\n")).toBe(true);
    expect(isShown("added (5m ago)", "added (0s ago)")).toBe(true);
    expect(isShown("added", "deleted")).toBe(false);
    expect(isShown("added", "added\nwarning: more")).toBe(false);
    expect(isShown("added\n  ...", "added\nmore\nand more")).toBe(true);
  });
});
