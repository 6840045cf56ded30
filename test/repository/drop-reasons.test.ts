import { describe, expect, test } from "bun:test";
// A drop reason is in four places that no compiler compares: the enum, the rules at the top of the program that drops,
// the code of that program, and the texts of the CLI.
import { dirname, join, normalize } from "node:path";
import { read, trackedFiles } from "./tracked-files.ts";

/** What is compared. */
interface Sources {
  /** bpf/maps/drop_reason.h. */
  declaration: string;
  /** The CLI's texts. */
  texts: string;
  /** All C sources, by path. */
  c: Readonly<Record<string, string>>;
}

const unique = (names: readonly string[]) => [...new Set(names)];
const matches = (text: string, pattern: RegExp) => unique([...text.matchAll(pattern)].map(([, found = ""]) => found));

/** "NOT_A_PLAYER" as TypeScript has it: "notAPlayer". */
function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The first comment after the licence: a program's rules. */
function rulesOf(source: string): string {
  return /\/\*\n[\s\S]*?\*\//.exec(source)?.[0] ?? "";
}

function usedIn(source: string): string[] {
  return matches(source.replaceAll(/\/\*[\s\S]*?\*\//g, ""), /\bDP_DROP_(\w+)/g).filter(
    (name) => name !== "NONE" && name !== "MAX",
  );
}

/** The reasons of the rules: "drop VLAN, IPV6, NOT_IP". */
function ruled(source: string): string[] {
  return matches(rulesOf(source), /\bdrop ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)/g).flatMap((names) =>
    names.split(", "),
  );
}

/** A source and all headers that it includes. */
function withHeaders(path: string, c: Sources["c"], seen = new Set<string>()): Set<string> {
  if (seen.has(path) || c[path] === undefined) return seen;
  seen.add(path);
  for (const header of matches(c[path], /^#include "(.+)"$/gm)) {
    for (const from of [dirname(path), "bpf"]) withHeaders(normalize(join(from, header)), c, seen);
  }
  return seen;
}

/** What is wrong, in one sentence each. */
function faults({ declaration, texts, c }: Sources): string[] {
  const declared = usedIn(declaration);
  const programs = Object.keys(c).filter((path) => path.endsWith(".bpf.c"));
  const inRules = unique(programs.flatMap((path) => ruled(c[path] ?? "")));
  const found: string[] = [];
  for (const path of programs) {
    const source = c[path] ?? "";
    const rules = ruled(source);
    for (const name of usedIn(source)) if (!rules.includes(name)) found.push(`${path}: no rule says drop ${name}`);
    for (const name of rules)
      if (!declared.includes(name)) found.push(`${path}: a rule drops ${name}, which is no reason`);
  }
  // Headers are for several programs: one of them has the rule.
  for (const path of Object.keys(c).filter((each) => each.startsWith("bpf/lib/"))) {
    const users = programs.filter((program) => withHeaders(program, c).has(path));
    for (const name of usedIn(c[path] ?? "")) {
      if (!users.some((user) => ruled(c[user] ?? "").includes(name))) {
        found.push(`${path}: no program that includes it has a rule that says drop ${name}`);
      }
    }
  }
  for (const name of declared) {
    if (!inRules.includes(name)) found.push(`bpf/maps/drop_reason.h: no rule of any program drops ${name}`);
    if (!new RegExp(`^ +${camelCase(name)}: "`, "m").test(texts))
      found.push(`the CLI has no text for ${camelCase(name)}`);
  }
  return found;
}

describe("every drop reason has a rule in its program and a text in the CLI", () => {
  const c = Object.fromEntries(trackedFiles("bpf").map((path) => [path, read(path)]));
  const sources: Sources = {
    declaration: read("bpf/maps/drop_reason.h"),
    texts: read("packages/cli/src/drop-reason.ts"),
    c,
  };
  const snat = "bpf/snat.bpf.c";
  const declare = (name: string) =>
    sources.declaration.replace("\tDP_DROP_MAX", `\tDP_DROP_${name} = 31,\n\tDP_DROP_MAX`);
  const texted = (name: string) => sources.texts.replace("  vlan:", `  ${name}: "made up",\n  vlan:`);
  const withRule = (line: string) =>
    (c[snat] ?? "").replace(" *  1. no server", ` *  0. made up   ${line}\n *  1. no server`);

  test("in this repository", () => {
    expect(usedIn(sources.declaration).length).toBeGreaterThan(20);
    expect(faults(sources)).toEqual([]);
  });

  test("one that a program uses without a rule is found", () => {
    const source = `${c[snat]}\nint made_up = DP_DROP_MADE_UP;\n`;
    const made = { declaration: declare("MADE_UP"), texts: texted("madeUp"), c: { ...c, [snat]: source } };
    expect(faults(made)).toEqual([
      `${snat}: no rule says drop MADE_UP`,
      "bpf/maps/drop_reason.h: no rule of any program drops MADE_UP",
    ]);
  });

  test("one that a header uses, and no program that includes it has in its rules, is found", () => {
    const parse = "bpf/lib/parse.h";
    const used = { ...c, [parse]: `${c[parse]}\nint made_up = DP_DROP_BYPASS;\n` };
    expect(faults({ ...sources, c: used })).toEqual([
      `${parse}: no program that includes it has a rule that says drop BYPASS`,
    ]);
  });

  test("one that is only declared is found, and that it has no text", () => {
    expect(faults({ ...sources, declaration: declare("MADE_UP") })).toEqual([
      "bpf/maps/drop_reason.h: no rule of any program drops MADE_UP",
      "the CLI has no text for madeUp",
    ]);
  });

  test("a rule for a reason that does not exist is found", () => {
    expect(faults({ ...sources, c: { ...c, [snat]: withRule("drop VLAN, MADE_UP") } })).toEqual([
      `${snat}: a rule drops MADE_UP, which is no reason`,
    ]);
  });
});
