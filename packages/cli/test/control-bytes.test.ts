/** Text from outside in messages, tables and logs: it neither controls the terminal nor looks like another line. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "@dp/host";
import { DatapathError, printable, printableExcept } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { renderFindings } from "../src/findings.ts";
import { LineWriter } from "../src/line-writer.ts";
import { describeError } from "../src/report.ts";
import { printableLines, style } from "../src/style.ts";
import { renderFields, renderTable } from "../src/table.ts";
import { EXECUTABLE } from "./support/host-namespace.ts";

requireRoot();

/** Clears the screen, sets the title, colours, goes up a line, reverses the text; C1 alike; and a forged line. */
const HOSTILE = "a\u001b[2J\u001b]0;t\u0007\u001b[31mb\u009b1A\u202ec\u007f\r\ndp: all is well\u2028d";
const SAFE = "a\\u001b[2J\\u001b]0;t\\u0007\\u001b[31mb\\u009b1A\\u202ec\\u007f\\u000d\\u000adp: all is well\\u2028d";

/** Whatever a terminal acts upon, but a line break at the end of a line that was meant. */
function controls(text: string): string[] {
  return text.match(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]/gu)?.filter((each) => each !== "\n") ?? [];
}

test("each control character is written out, and other text stays as it is", () => {
  expect(printable(HOSTILE)).toBe(SAFE);
  const plain = "Grüße 世界 🎮 \\u001b ~";
  expect(printable(plain)).toBe(plain);
  for (let code = 0; code < 0xa0; code++) {
    const isControl = code < 0x20 || code >= 0x7f;
    expect(printable(String.fromCharCode(code)).length).toBe(isControl ? 6 : 1);
  }
});

test("in a JSON document it means the same", () => {
  const document = JSON.stringify({ text: HOSTILE }, null, 2);
  const written = printableLines(document);
  expect(controls(written)).toEqual([]);
  expect(JSON.parse(written)).toEqual({ text: HOSTILE });
});

test("own sequences stay, and no others", () => {
  const { red, bold } = style(true);
  expect(printableLines(`${red("x")} ${bold("y")}\n`)).toBe(`${red("x")} ${bold("y")}\n`);
  expect(printableLines("\u001b[5m\u001b[31;5m\u001b[2J")).toBe("\\u001b[5m\\u001b[31;5m\\u001b[2J");
  expect(printableExcept(/x/, "x\u0000x")).toBe("x\\u0000x");
});

test("findings, errors, tables and fields are one line each, whatever is in them", () => {
  const plain = style(false);
  const finding: Finding = {
    code: "x",
    severity: "error",
    server: { id: 1, name: HOSTILE },
    what: HOSTILE,
    fix: HOSTILE,
  };
  const error = new DatapathError("FAILED", HOSTILE, HOSTILE, { hint: HOSTILE });
  const texts = {
    findings: [renderFindings([finding], plain), 2],
    error: [describeError(error, { color: false, verbose: false }), 2],
    bug: [describeError(new Error(HOSTILE), { color: false, verbose: false }), 2],
    table: [renderTable([HOSTILE], [{ title: "T", value: (row) => row }], plain), 2],
    // A value may be in colour.
    fields: [renderFields([["label", HOSTILE]], plain).replace("\u001b[31m", ""), 1],
  } as const;
  for (const [name, [text, lines]] of Object.entries(texts)) {
    expect([name, controls(printableLines(text)), text.split("\n").length - 1]).toEqual([name, [], lines]);
  }
});

test("a line of a log stays one line", async () => {
  const written: Uint8Array[] = [];
  const log = new LineWriter(
    async (bytes) => {
      written.push(bytes);
      return { bytes: bytes.length };
    },
    () => undefined,
  );
  log.write(`warning: ${HOSTILE}`);
  await log.end(1000);
  expect(Buffer.concat(written).toString()).toBe(
    `warning: ${printable(HOSTILE).replace("\\u001b[31m", "\u001b[31m")}\n`,
  );
});

test.each([
  ["the path of a namespace", (text: string) => ["add-server", "--port", "1", "--netns", `/run/${text}/x`]],
  ["the name of a container", (text: string) => ["add-server", "--port", "1", "--container", text]],
  ["the name of an interface", (text: string) => ["load", "--iface", text]],
  ["the name of a server", (text: string) => ["show", text]],
  ["an unknown option", (text: string) => ["list", `--${text}`]],
  ["an unknown command", (text: string) => [text]],
])("dp says nothing of it raw: %s", async (_, command) => {
  const folder = mkdtempSync(join(tmpdir(), "control-"));
  mkdirSync(join(folder, HOSTILE.replaceAll("/", "")), { recursive: true });
  for (const more of [[], ["--json"]]) {
    const child = Bun.spawn([EXECUTABLE, ...command(HOSTILE), ...more], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited).not.toBe(0);
    expect(stderr).not.toBe("");
    expect([controls(stdout), controls(stderr)]).toEqual([[], []]);
    expect(stderr).not.toMatch(/^dp: all is well/m);
  }
  rmSync(folder, { recursive: true });
});
