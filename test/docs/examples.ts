/**
 * The examples of a README, as programs.
 *
 * Every ```ts block is part of one. A block that begins with an import begins a program; any other goes on with the
 * one before. What a reader need not see (a value the text speaks of, a check of what came out) stands in a comment
 * `<!-- example ... -->` before the block it prepares, or after the last. A ```c block whose first line says how it is
 * compiled ("count.bpf.c: clang ...") is a file of that name, and
 * compiled so before the next program runs.
 */
export interface Program {
  /** Where its first block is: "packages/core/README.md:40". */
  readonly at: string;
  readonly source: string;
  readonly files: readonly { readonly name: string; readonly text: string; readonly command: string }[];
}

const BLOCK = /^<!-- example\n(?<hidden>[\s\S]*?)^-->|^```ts\n(?<shown>[\s\S]*?)^```|^```c\n(?<c>[\s\S]*?)^```/gm;

/** @param path for messages */
export function examplesOf(markdown: string, path: string): Program[] {
  const programs: { at: string; source: string; files: Program["files"] }[] = [];
  let files: Program["files"] = [];
  let hidden = "";
  const goOn = (text: string) => {
    const last = programs.at(-1);
    if (last === undefined) throw new Error(`${path}: the first example imports nothing`);
    last.source += text;
  };
  for (const { index, groups = {} } of markdown.matchAll(BLOCK)) {
    const { shown, c } = groups;
    if (groups["hidden"] !== undefined) {
      if (hidden !== "") goOn(hidden);
      hidden = groups["hidden"];
    } else if (c !== undefined) {
      const [, name, command] = /^\/\* (\S+): (.+) \*\/\n/.exec(c) ?? [];
      if (name !== undefined && command !== undefined) files = [...files, { name, text: c, command }];
    } else if (shown !== undefined) {
      const source = hidden + shown;
      hidden = "";
      if (shown.startsWith("import ")) {
        programs.push({ at: `${path}:${markdown.slice(0, index).split("\n").length}`, source, files });
        files = [];
      } else goOn(source);
    }
  }
  if (hidden !== "") goOn(hidden);
  return programs;
}
