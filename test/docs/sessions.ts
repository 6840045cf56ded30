/** The sessions of a README: what is typed at a prompt, and what it prints. */
export interface Session {
  /** Where its first block is: "README.md:67". */
  readonly at: string;
  readonly steps: readonly Step[];
}

interface Step {
  readonly command: string;
  /** What the README shows. */
  readonly output: string;
}

/**
 * All ```console blocks of a README are one session. A line that begins with "# " is a command; the lines up to the
 * next one are its output. Blocks with a command that goes on until it is stopped are left out.
 */
export function sessionOf(markdown: string, path: string): Session | undefined {
  const blocks = [...markdown.matchAll(/^```console\n(?<text>[\s\S]*?)^```$/gm)].filter(
    ({ groups }) => !/^# dp (?:proxy|agent)\b/m.test(groups?.["text"] ?? ""),
  );
  const [first] = blocks;
  if (first === undefined) return undefined;
  const text = blocks.map(({ groups }) => groups?.["text"] ?? "").join("");
  const steps = text
    .split(/^# /m)
    .filter((step) => step.trim() !== "")
    .map((step) => {
      const [command = "", ...output] = step.split("\n");
      return { command, output: output.join("\n") };
    });
  return { at: `${path}:${markdown.slice(0, first.index).split("\n").length}`, steps };
}

/** What differs from run to run, or from machine to machine. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME"],
  [/\b\d+[smhd] ago\b/g, "AGE ago"],
  [/ \d+[smhd](?= )/g, " AGE"],
  [/\binterface \d+\b/g, "interface N"],
  [/\b\d+ packets?, [\d.]+ \w+/g, "TRAFFIC"],
  [/\/sys\/fs\/cgroup\S*/g, "CGROUP"],
  // Columns are as wide as their widest value.
  [/[^\S\n]+/g, " "],
];

/** Output without what varies, and without empty lines. */
export function normalized(output: string): string[] {
  const text = VARYING.reduce((done, [pattern, word]) => done.replaceAll(pattern, word), output);
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Whether a README shows what a command printed. "..." stands for any further lines. */
export function isShown(output: string, printed: string): boolean {
  const [shown, real] = [normalized(output), normalized(printed)];
  const isCut = shown.at(-1) === "...";
  const lines = isCut ? shown.slice(0, -1) : shown;
  return (
    (isCut ? real.length > lines.length : real.length === lines.length) && lines.every((line, at) => line === real[at])
  );
}
