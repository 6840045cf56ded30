import type { Definition } from "clipanion";
import type { Source } from "./completion/offer.ts";
import { COMMON_COMPLETIONS, COMMON_METAVARS, GLOBAL_OPTIONS, type Operand } from "./dp-command.ts";

/** A command, as the help, the completions and the man page need it. */
export interface CommandHelp {
  name: string;
  definition: Definition;
  metavars: Readonly<Record<string, string>>;
  completions: Readonly<Record<string, Source>>;
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
  /** What a shell offers for its value. */
  completion: Source | undefined;
  description: string;
  /** Every command has it. */
  global: boolean;
}

export function optionsOf({ definition, metavars, completions }: CommandHelp): OptionHelp[] {
  return definition.options.map(({ definition: text, description }) => {
    const names = (text.split(" ")[0] ?? "").split(",");
    const long = names.find((name) => name.startsWith("--")) ?? text;
    const metavar = metavars[long] ?? COMMON_METAVARS[long];
    const completion = completions[long] ?? COMMON_COMPLETIONS[long];
    const global = GLOBAL_OPTIONS.includes(long);
    return { names, long, metavar, completion, description: oneLine(description), global };
  });
}

/** clipanion ends its texts with a newline, and breaks them into lines of its own. */
export function oneLine(text: string | undefined): string {
  return (text ?? "").replace(/\s+/g, " ").trim();
}
