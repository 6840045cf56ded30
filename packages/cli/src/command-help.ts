import type { Definition } from "clipanion";
import { COMMON_METAVARS, GLOBAL_OPTIONS, type Operand } from "./dp-command.ts";

/** A command, as the help, the completions and the man page need it. */
export interface CommandHelp {
  name: string;
  definition: Definition;
  metavars: Readonly<Record<string, string>>;
  operand: Operand | undefined;
}

/** An option of a command. */
export interface OptionHelp {
  /** All its names, as they are typed: ["-v", "--verbose"]. */
  names: readonly string[];
  /** The one that begins with two hyphens. */
  long: string;
  /** What stands for its value; undefined when it takes none. */
  metavar: string | undefined;
  description: string;
  /** Every command has it. */
  global: boolean;
}

export function optionsOf({ definition, metavars }: CommandHelp): OptionHelp[] {
  return definition.options.map(({ definition: text, description }) => {
    const names = (text.split(" ")[0] ?? "").split(",");
    const long = names.find((name) => name.startsWith("--")) ?? text;
    const metavar = metavars[long] ?? COMMON_METAVARS[long];
    return { names, long, metavar, description: oneLine(description), global: GLOBAL_OPTIONS.includes(long) };
  });
}

/** clipanion ends its texts with a newline, and breaks them into lines of its own. */
export function oneLine(text: string | undefined): string {
  return (text ?? "").replace(/\s+/g, " ").trim();
}
