import { describe, expect, test } from "bun:test";
// Documents are read by people who believe them: links lead somewhere, and tables name what there is.
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { read, ROOT, trackedFiles } from "./tracked-files.ts";

const documents = trackedFiles("*.md").filter((path) => !path.startsWith(".changeset/"));

/** Without code: what looks like a link in there is none. */
const prose = (text: string) => text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "code");

/** The anchors of a document's headings, as they are made for links. */
function anchors(path: string): string[] {
  const headings =
    read(path)
      .replaceAll(/^```[\s\S]*?^```/gm, "")
      .match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, "")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** The first column's words in `code` of the tables of a section. */
function named(path: string, section: string): string[] {
  const [, text = ""] = read(path).split(`\n## ${section}\n`);
  const [body = ""] = text.split("\n## ");
  return [...body.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
}

describe("links", () => {
  test.each(documents)("in %s lead somewhere", (path) => {
    const broken = [...prose(read(path)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = "", anchor] = target.split("#");
        const found = file === "" ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(ROOT, found))) return true;
        if (anchor === undefined) return false;
        const page = statSync(join(ROOT, found)).isDirectory() ? join(found, "README.md") : found;
        return !anchors(page).includes(anchor);
      });
    expect(broken).toEqual([]);
  });
});

const ARCHITECTURE = "docs/architecture.md";

describe(ARCHITECTURE, () => {
  test("has every map", () => {
    const headers = trackedFiles("bpf/maps/*.h").map(read);
    const maps = headers.flatMap((text) =>
      [...text.matchAll(/^\} (dp_\w+) SEC\("\.maps"\)/gm)].map(([, name = ""]) => name),
    );
    expect(maps.length).toBeGreaterThan(20);
    const [, pinned = ""] = read(ARCHITECTURE).split("\n## What is pinned\n");
    const [section = ""] = pinned.split("\n## ");
    expect(maps.filter((name) => !section.includes(`\`${name}\``))).toEqual([]);
    // And no map that there is no more.
    const packetMaps = named(ARCHITECTURE, "What is pinned").filter((name) => name.startsWith("dp_"));
    expect(packetMaps.filter((name) => !maps.includes(name))).toEqual([]);
  });

  test("has every package in its drawing", () => {
    const text = read(ARCHITECTURE);
    expect(readdirSync(join(ROOT, "packages")).filter((name) => !text.includes(`@dp/${name}`))).toEqual([]);
  });

  test("has every program", () => {
    const programs = trackedFiles("bpf/*.bpf.c").flatMap((path) =>
      [...read(path).matchAll(/^SEC\("[^"]+"\)\s+int (dp_\w+)\(/gm)].map(([, it = ""]) => it),
    );
    expect(programs.length).toBeGreaterThan(10);
    expect(named(ARCHITECTURE, "Programs").toSorted()).toEqual(programs.toSorted());
  });

  test("has every part of a server", () => {
    const list = read("packages/host/src/server/parts/list.ts");
    const parts = [...list.matchAll(/from "\.\/([a-z-]+)\.ts"/g)]
      .map(([, name = ""]) => name)
      .filter((name) => name !== "part");
    expect(parts.length).toBeGreaterThan(10);
    const text = read(ARCHITECTURE);
    expect(parts.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

describe("packages/host/README.md", () => {
  /** The codes of findings in a source: after `code`, or where a variable gets one of several. */
  const codesIn = (source: string) =>
    [...source.matchAll(/(?:\bcode: |\breport\(\s*|[?:[] ?)"([a-z]+(?:-[a-z]+)+)"/g)].map(([, code = ""]) => code);

  test("has every finding code", () => {
    const sources = trackedFiles(
      "packages/host/src/server/parts",
      "packages/host/src/repair",
      "packages/host/src/repair.ts",
    );
    const codes = new Set(sources.flatMap((path) => codesIn(read(path))));
    expect(codes.size).toBeGreaterThan(40);
    const listed = named("packages/host/README.md", "Findings");
    expect([...codes].filter((code) => !listed.includes(code))).toEqual([]);
    expect(listed.filter((code) => !codes.has(code))).toEqual([]);
  });

  test.each([
    'code: "made-up-code"',
    'report("made-up-code", what)',
    'x ? "a-b" : "made-up-code"',
    '["made-up-code", what]',
  ])("the code in %s is found", (source) => {
    expect(codesIn(source)).toContain("made-up-code");
  });
});

test("decisions are numbered without a gap, and say what became of them", () => {
  const decisions = readdirSync(join(ROOT, "docs/adr")).toSorted();
  expect(decisions.map((name) => Number(name.slice(0, 4)))).toEqual(decisions.map((_, index) => index + 1));
  const headings = decisions.map((name) => read(`docs/adr/${name}`));
  expect(headings.filter((text, index) => !text.startsWith(`# ${index + 1}. `))).toEqual([]);
  expect(headings.filter((text) => !/^Status: (accepted|superseded by ADR \d+)$/m.test(text))).toEqual([]);
});
