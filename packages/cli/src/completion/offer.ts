import type { OptionHelp } from "../command-help.ts";
import type { Operand } from "../dp-command.ts";

/** What there is on the host, where a shell finds values when it completes. */
export type Source = "servers" | "ports" | "names" | "interfaces" | "namespaces" | "directories" | "files";

/** What a shell can offer for a value. */
export interface Offer {
  /** Whole values: "auto". */
  words: readonly string[];
  /** How a value may begin, with something to follow at once: "pid:". */
  prefixes: readonly string[];
  source: Source | undefined;
}

/** The offer for an option's value. Undefined when the value is free text, or the option takes none. */
export function offerOf({ metavar, completion }: OptionHelp): Offer | undefined {
  if (metavar === undefined) return undefined;
  const alternatives = metavar.split("|");
  const words = alternatives.filter((text) => /^[a-z]+$/.test(text));
  const prefixes = alternatives.flatMap((text) => /^[a-z]+:/.exec(text) ?? []);
  const source = metavar === "FILE" ? "files" : completion;
  if (words.length + prefixes.length === 0 && source === undefined) return undefined;
  return { words, prefixes, source };
}

/** The offer for a command's word. */
export function offerOfOperand({ values, source }: Operand): Offer {
  return { words: values, prefixes: [], source };
}

const PORT = 's/^        "port": \\([0-9]*\\),$/\\1/p';
const NAME = 's/^    "name": "\\(.*\\)",$/\\1/p';
const PATTERNS = { ports: [PORT], names: [NAME], servers: [NAME, PORT] } as const;

/**
 * Public ports and names of servers, one on each line: a shell finds them in the indented JSON of `dp list`. Without
 * root, or a loaded host, there is nothing to offer.
 */
export function listServers(dp: string, source: keyof typeof PATTERNS): string {
  const expressions = PATTERNS[source].map((pattern) => ` -e '${pattern}'`).join("");
  return `${dp} list --json 2>/dev/null | sed -n${expressions}`;
}

/** The sources that {@link listServers} has. */
export const SERVER_SOURCES = Object.keys(PATTERNS) as (keyof typeof PATTERNS)[];
