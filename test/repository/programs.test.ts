import { describe, expect, test } from "bun:test";
// The program table in packages/core says where each program is attached: a program without a row is never loaded.
import { basename } from "node:path";
import { read, trackedFiles } from "./tracked-files.ts";

const TABLE = "packages/core/src/objects/programs/program-table.ts";

/** "snat: dp_snat" for each function of a C source that is a program. */
function programsOf(path: string, source: string): string[] {
  const functions = source.matchAll(/^SEC\("[^"]+"\)\s+int (\w+)\(/gm);
  return [...functions].map(([, name = ""]) => `${basename(path, ".bpf.c")}: ${name}`);
}

/** The same for each row of the table. */
function rowsOf(table: string): string[] {
  return [...table.matchAll(/\bname: "(\w+)",\s+object: "(\w+)"/g)].map(([, name, object]) => `${object}: dp_${name}`);
}

function faults(table: string, sources: Readonly<Record<string, string>>): string[] {
  const programs = Object.entries(sources).flatMap(([path, source]) => programsOf(path, source));
  const rows = rowsOf(table);
  return [
    ...programs.filter((each) => !rows.includes(each)).map((each) => `no row in the program table: ${each}`),
    ...rows.filter((each) => !programs.includes(each)).map((each) => `a row without a program: ${each}`),
  ];
}

describe("every program has a row in the program table", () => {
  const table = read(TABLE);
  const sources = Object.fromEntries(trackedFiles("bpf/*.bpf.c").map((path) => [path, read(path)]));

  test("in this repository", () => {
    expect(rowsOf(table).length).toBeGreaterThan(10);
    expect(faults(table, sources)).toEqual([]);
  });

  test("a program without a row is found", () => {
    const made = `${sources["bpf/arp.bpf.c"]}\nSEC("tc")\nint dp_made_up(struct __sk_buff *skb)\n{\n\treturn 0;\n}\n`;
    expect(faults(table, { ...sources, "bpf/arp.bpf.c": made })).toEqual([
      "no row in the program table: arp: dp_made_up",
    ]);
  });

  test("a row without a program is found", () => {
    const made = table.replace('{ name: "arp", object: "arp"', '{ name: "gone", object: "arp" },\n  $&');
    expect(faults(made, sources)).toEqual(["a row without a program: arp: dp_gone"]);
  });
});
