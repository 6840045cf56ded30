import { COMMON_METAVARS, GLOBAL_OPTIONS } from "./dp-command.ts";

/** The words of a command line. Options of every command may stand before the command, too: `dp --json list`. */
export interface CommandLine {
  /** The options before the command, with their values. */
  options: readonly string[];
  command: string | undefined;
  rest: readonly string[];
}

export function splitCommandLine(argv: readonly string[]): CommandLine {
  let at = 0;
  for (let word = argv[at]; isGlobal(word); word = argv[at]) at += takesValue(word) ? 2 : 1;
  return { options: argv.slice(0, at), command: argv[at], rest: argv.slice(at + 1) };
}

function isGlobal(word: string | undefined): word is string {
  return word !== undefined && GLOBAL_OPTIONS.includes(word.split("=")[0] ?? "");
}

/** Whether the next word is this option's value. False for --pin-root=PATH. */
export function takesValue(option: string | undefined, metavars: Readonly<Record<string, string>> = {}): boolean {
  return option !== undefined && (option in metavars || option in COMMON_METAVARS);
}
