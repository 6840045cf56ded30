import { type CommandHelp, oneLine, type OptionHelp, optionsOf } from "./command-help.ts";
import type { Style } from "./style.ts";

const OPTION_INDENT = 2;
const WIDTH = 100;

/** What `dp --help` prints: the commands in their groups, with examples of commands that need arguments. */
export function renderOverview(commands: readonly CommandHelp[], version: string, { bold, dim }: Style): string {
  const groups = [...new Set(commands.map(({ definition }) => definition.category ?? ""))];
  const width = Math.max(...commands.map(({ name }) => name.length));
  const sections = groups.map((group) => {
    const members = commands.filter(({ definition }) => (definition.category ?? "") === group);
    const lines = members.map(
      ({ name, definition }) => `  ${bold(name.padEnd(width))}  ${oneLine(definition.description)}`,
    );
    const examples = members
      .flatMap(({ definition }) => definition.examples?.[0]?.[1] ?? [])
      .filter((line) => line.split(" ").length > 2);
    return [
      bold(`${group.trim()}:`),
      ...lines,
      ...(examples.length === 0 ? [] : [dim("  for example:")]),
      ...examples.map((line) => dim(`    ${line}`)),
      "",
    ];
  });
  return [
    `dp ${version}: game-server containers behind ports of this host`,
    "",
    "usage: dp COMMAND [OPTIONS]",
    "",
    ...sections.flat(),
    bold("Everywhere, before the command or after it:"),
    "  -h, --help           help; of one command: dp COMMAND --help",
    "  --version            the version",
    ...globalLines(commands),
    "",
    "Exit codes: 0 done, 1 failed, 2 bad usage, 3 not loaded, 4 no such server, 5 conflict (something is taken),",
    "6 the kernel, the machine or the privileges lack something, 7 busy (another change runs).",
    "",
  ].join("\n");
}

function globalLines(commands: readonly CommandHelp[]): string[] {
  const [any] = commands;
  const options = any === undefined ? [] : optionsOf(any).filter(({ global }) => global);
  return optionLines(options, 21);
}

/** What `dp COMMAND --help` prints. */
export function renderCommand(command: CommandHelp, { bold, dim }: Style): string {
  const { definition, name, operand } = command;
  const options = optionsOf(command);
  const own = optionLines(options.filter(({ global }) => !global));
  const lines = [
    `usage: dp ${name}${operand === undefined ? "" : ` ${operand.name}`}${own.length > 0 ? " [OPTIONS]" : ""}`,
    "",
    capital(oneLine(definition.description)),
    "",
  ];
  if (definition.details !== undefined) lines.push(...wrap(oneLine(definition.details), WIDTH), "");
  if (own.length > 0) lines.push(bold("Options:"), ...own, "");
  lines.push(bold("Everywhere:"), ...optionLines(options.filter(({ global }) => global)), "");
  if (definition.examples !== undefined) {
    lines.push(bold("Examples:"));
    for (const [what, line] of definition.examples) lines.push(dim(`  # ${oneLine(what)}`), `  ${line}`);
    lines.push("");
  }
  return lines.join("\n");
}

function optionLines(options: readonly OptionHelp[], width?: number): string[] {
  const rows = options.map(({ names, metavar, description }) => ({
    left: `${names.join(", ")}${metavar === undefined ? "" : ` ${metavar}`}`,
    description,
  }));
  const column = width ?? Math.max(...rows.map(({ left }) => left.length)) + 2;
  return rows.map(({ left, description }) => `${" ".repeat(OPTION_INDENT)}${left.padEnd(column)}${description}`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
