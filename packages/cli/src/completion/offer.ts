import type { CommandHelp, OptionHelp } from "../command-help.ts";

/** Where a shell finds values when it completes: what is on the host at that moment. */
type Source = "ports" | "names" | "interfaces" | "namespaces" | "directories" | "files";

/** What a shell can offer for the value of an option. */
export interface Offer {
  /** Whole values: "auto". */
  words: readonly string[];
  /** How a value may begin, with something to follow at once: "pid:". */
  prefixes: readonly string[];
  source: Source | undefined;
}

const SOURCES: Readonly<Record<string, Source>> = {
  "--port": "ports",
  "--name": "names",
  "--iface": "interfaces",
  "--netns": "namespaces",
  "--cgroup": "directories",
  "--pin-root": "directories",
};

/** It makes a server: ports and names that are taken already are no use to it. */
const MAKES_SERVERS = "add-server";

/** Nothing when a value is free text, or the option takes none. */
export function offerOf(command: CommandHelp, { long, metavar }: OptionHelp): Offer | undefined {
  if (metavar === undefined) return undefined;
  const alternatives = metavar.split("|");
  const words = alternatives.filter((text) => /^[a-z]+$/.test(text));
  const prefixes = alternatives.flatMap((text) => /^[a-z]+:/.exec(text) ?? []);
  const source = metavar === "FILE" ? "files" : SOURCES[long];
  const taken = command.name === MAKES_SERVERS && (source === "ports" || source === "names");
  if (words.length + prefixes.length === 0 && (source === undefined || taken)) return undefined;
  return { words, prefixes, source: taken ? undefined : source };
}

/**
 * The servers' ports or names, one a line, as a shell finds them: in the indented JSON of `dp list`. It takes root, and
 * a host that is loaded; otherwise there is nothing to offer.
 */
export function listServers(dp: string, source: "ports" | "names"): string {
  const pattern = source === "ports" ? '"port": \\([0-9]*\\),' : '"name": "\\(.*\\)",';
  return `${dp} list --json 2>/dev/null | sed -n 's/^    ${pattern}$/\\1/p'`;
}
