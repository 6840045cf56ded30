import { describe, expect, test } from "bun:test";
// Documents are read by people who believe them: links lead somewhere, and tables name what there is.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const documents = Bun.spawnSync(
  ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
  { cwd: ROOT },
)
  .stdout.toString()
  .split("\n")
  .filter((path) => path !== "" && !path.startsWith(".changeset/") && existsSync(join(ROOT, path)));

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

describe("docs/architecture.md", () => {
  test("has every map", () => {
    const sources = readdirSync(join(ROOT, "bpf")).map((name) => read(`bpf/${name}`));
    const maps = sources.flatMap((text) =>
      [...text.matchAll(/^\} (dp_\w+) SEC\("\.maps"\)/gm)].map(([, name = ""]) => name),
    );
    expect(maps.length).toBeGreaterThan(10);
    expect(named("docs/architecture.md", "What is pinned").toSorted()).toEqual(maps.toSorted());
  });

  test("has every package", () => {
    const packages = readdirSync(join(ROOT, "packages")).map((name) => `@dp/${name}`);
    expect(named("docs/architecture.md", "Packages").toSorted()).toEqual(packages.toSorted());
  });

  test("has every program", () => {
    const text = read("docs/architecture.md");
    const programs = readdirSync(join(ROOT, "bpf"))
      .filter((name) => name.endsWith(".bpf.c"))
      .flatMap((name) =>
        [...read(`bpf/${name}`).matchAll(/^SEC\("[^"]+"\)\nint (dp_\w+)\(/gm)].map(([, it = ""]) => it),
      )
      // Run once by the loader: see the sources.
      .filter((name) => !name.startsWith("dp_start_"));
    expect(programs.length).toBeGreaterThan(10);
    expect(programs.filter((name) => !text.includes(name))).toEqual([]);
  });
});

test("decisions are numbered without a gap, and say what became of them", () => {
  const decisions = readdirSync(join(ROOT, "docs/adr")).toSorted();
  expect(decisions.map((name) => Number(name.slice(0, 4)))).toEqual(decisions.map((_, index) => index + 1));
  const headings = decisions.map((name) => read(`docs/adr/${name}`));
  expect(headings.filter((text, index) => !text.startsWith(`# ${index + 1}. `))).toEqual([]);
  expect(headings.filter((text) => !/^Status: (accepted|superseded by ADR \d+)$/m.test(text))).toEqual([]);
});
