import { type CommandHelp, oneLine, type OptionHelp, optionsOf } from "../command-help.ts";
import { listServers, type Offer, offerOf, offerOfOperand, SERVER_SOURCES } from "./offer.ts";

/** A script for zsh: to be sourced after compinit, or as a file _dp in the fpath. */
export function zshCompletion(commands: readonly CommandHelp[]): string {
  return `#compdef dp

${SERVER_SOURCES.map((source) => `_dp_${source}() { compadd -- \${(f)"$(${listServers("$dp", source)})"} }`).join("\n")}
_dp_interfaces() { compadd -- /sys/class/net/*(N-/:t) }
_dp_namespaces() { if [[ $PREFIX == /* ]]; then _files; else compadd -- /run/netns/*(N:t); fi }
_dp_directories() { _files -/ }
_dp_files() { _files }

_dp_commands() {
  local -a commands=(
${commands.map(({ name, definition }) => `    ${quote(`${name}:${oneLine(definition.description)}`)}`).join("\n")}
  )
  _describe -t commands command commands
}

_dp() {
  local curcontext=$curcontext state line
  local -A opt_args
  # For the list of servers: below, words begins with the command of dp.
  local dp=$words[1]
  _arguments -C '(- 1 *)'{-h,--help}'[help]' '(- 1 *)--version[the version]' '1: :_dp_commands' '*:: :->command'
  [[ $state == command ]] || return
  case $words[1] in
${commands.map(ofCommand).join("\n")}
    help) _arguments '1: :_dp_commands' ;;
  esac
}

# Sourced, or loaded as a function of the fpath by its first completion.
if [[ $funcstack[1] == _dp ]]; then _dp "$@"; else compdef _dp dp; fi
`;
}

function ofCommand(command: CommandHelp): string {
  const specs = optionsOf(command).map((option) => specOf(option, offerOf(option)));
  specs.push("'(-h --help)'{-h,--help}'[help]'");
  if (command.operand !== undefined) {
    specs.push(quote(`1:${command.operand.name}:${actionOf(offerOfOperand(command.operand))}`));
  }
  return `    ${command.name})
      _arguments \\
${specs.map((spec) => `        ${spec}`).join(" \\\n")}
      ;;`;
}

/** As _arguments takes an option. */
function specOf(option: OptionHelp, offer: Offer | undefined): string {
  const { names, metavar, description } = option;
  const repeated = description.includes("may be repeated");
  const [one = "", ...others] = names;
  const prefix = repeated ? "'*'" : others.length > 0 ? quote(`(${names.join(" ")})`) : "";
  const name = others.length > 0 ? `{${names.join(",")}}` : `${one}${metavar === undefined ? "" : "="}`;
  const value = metavar === undefined ? "" : `:${escape(metavar)}:${actionOf(offer)}`;
  return `${prefix}${name}${quote(`[${escape(description)}]${value}`)}`;
}

function actionOf(offer: Offer | undefined): string {
  if (offer === undefined) return " ";
  const { words, prefixes, source } = offer;
  const actions = [
    ...(words.length > 0 ? [`compadd -- ${words.join(" ")}`] : []),
    ...(prefixes.length > 0 ? [`compadd -S "" -- ${prefixes.join(" ")}`] : []),
    ...(source === undefined ? [] : [`_dp_${source}`]),
  ];
  return `{ ${escape(actions.join("; "))} }`;
}

/** What means something to _arguments. */
function escape(text: string): string {
  return text.replace(/[\\:[\]]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
