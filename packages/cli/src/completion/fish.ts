import { type CommandHelp, oneLine, type OptionHelp, optionsOf } from "../command-help.ts";
import type { Operand } from "../dp-command.ts";
import { listServers, type Offer, offerOf, offerOfOperand, SERVER_SOURCES } from "./offer.ts";

/** A script for fish: sourced, or as a file dp.fish in a folder of completions. */
export function fishCompletion(commands: readonly CommandHelp[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# fish completion for dp

${SERVER_SOURCES.map((source) => `function __dp_${source}; ${listServers("dp", source)}; end`).join("\n")}
function __dp_interfaces; for each in /sys/class/net/*/; basename $each; end; end
function __dp_namespaces; for each in /run/netns/*; basename $each; end; end
function __dp_directories; __fish_complete_directories (commandline -ct); end
function __dp_files; __fish_complete_path (commandline -ct); end

complete -c dp -f
complete -c dp -n __fish_use_subcommand -s h -l help -d help
complete -c dp -n __fish_use_subcommand -l version -d 'the version'
complete -c dp -n '__fish_seen_subcommand_from help' -a '${names}'
${commands.map(ofCommand).join("\n")}
`;
}

function ofCommand(command: CommandHelp): string {
  const { name, definition, operand } = command;
  const within = `complete -c dp -n '__fish_seen_subcommand_from ${name}'`;
  return [
    "",
    `complete -c dp -n __fish_use_subcommand -a ${name} -d ${quote(oneLine(definition.description))}`,
    ...optionsOf(command).map((option) => `${within} ${nameOf(option)}${valueOf(option, offerOf(option))}`),
    `${within} -s h -l help -d help`,
    ...(operand === undefined ? [] : [operandOf(name, operand)]),
  ].join("\n");
}

/** Not for a word that begins an option: to list the servers takes time. */
function operandOf(command: string, operand: Operand): string {
  const condition = `__fish_seen_subcommand_from ${command}; and not string match -q -- "-*" (commandline -ct)`;
  return `complete -c dp -n ${quote(condition)} -a ${valuesOf(offerOfOperand(operand))}`;
}

function nameOf({ names, description }: OptionHelp): string {
  const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return `${flags.join(" ")} -d ${quote(description)}`;
}

function valueOf({ metavar }: OptionHelp, offer: Offer | undefined): string {
  if (metavar === undefined) return "";
  if (offer === undefined) return " -x";
  return ` -x -a ${valuesOf(offer)}`;
}

function valuesOf({ words, prefixes, source }: Offer): string {
  return quote([...words, ...prefixes, ...(source === undefined ? [] : [`(__dp_${source})`])].join(" "));
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
