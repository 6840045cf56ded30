import { describe, expect, test } from "bun:test";
// Plain words, in lines that fit: what a reader of the text would otherwise have to look for.
import { basename, extname } from "node:path";
import { read, trackedFiles } from "./tracked-files.ts";

/** In pieces: this file is checked, too. */
const VAGUE = ["no", "some"].map((part) => `${part}body`).concat(`who${"ever"}`);
const VAGUE_WORD = new RegExp(`\\b(?:${VAGUE.join("|")})\\b`, "i");
/** A Unix user has one of these names. */
const UNIX_USER = new RegExp(`\\b(?:user|chown|setuid)[ =:]+${VAGUE[0]}\\b`);

/** "bpf/dnat.bpf.c:7: …" for each line with a vague word. */
function vagueLines(path: string, text: string): string[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      VAGUE_WORD.test(line) && !UNIX_USER.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
    );
}

/** Lines of a document over 120 columns, without rows of tables: those cannot be broken. */
function wideLines(path: string, text: string): string[] {
  return text
    .split("\n")
    .flatMap((line, index) => ([...line].length > 120 && !line.startsWith("|") ? [`${path}:${index + 1}`] : []));
}

/** Not words of this project: licences, and what is no text. */
function isText(path: string): boolean {
  if (basename(path).startsWith("LICENSE") || path.includes("/LICENSES/") || path === "bun.lock") return false;
  return ![".png", ".gz", ".o"].includes(extname(path));
}

const files = trackedFiles().filter(isText);

describe("words", () => {
  test(`${VAGUE.join(", ")} stand in no file: name the process, the person or the program instead`, () => {
    expect(files.length).toBeGreaterThan(500);
    expect(files.flatMap((path) => vagueLines(path, read(path)))).toEqual([]);
  });

  test.each(VAGUE)("%s is found, in any case", (word) => {
    const line = `${word.toUpperCase()} can read this.`;
    expect(vagueLines("a.md", `One.\n${line}\n`)).toEqual([`a.md:2: ${line}`]);
  });

  test("the Unix user of that name is not meant", () => {
    expect(vagueLines("a.conf", `user ${VAGUE[0]}\n`)).toEqual([]);
  });
});

describe("documents", () => {
  // The benchmarks are written by tools/bench.
  const documents = files.filter((path) => path.endsWith(".md") && !path.startsWith("docs/benchmarks/"));

  test("have lines of at most 120 columns", () => {
    expect(documents.length).toBeGreaterThan(20);
    expect(documents.flatMap((path) => wideLines(path, read(path)))).toEqual([]);
  });

  test("a line that is wider is found", () => {
    expect(wideLines("a.md", `${"x".repeat(120)}\n${"é".repeat(121)}\n| ${"x".repeat(121)} |`)).toEqual(["a.md:2"]);
  });
});
