import { type CommandHelp, optionsOf } from "../command-help.ts";
import { listServers, type Offer, offerOf, offerOfOperand, SERVER_SOURCES } from "./offer.ts";

/** A script for bash 4 or newer, which needs nothing of the package bash-completion. */
export function bashCompletion(commands: readonly CommandHelp[]): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion for dp

# The values of a kind on this host, one on each line.
_dp_values() {
  local each
  case $1 in
${SERVER_SOURCES.map((source) => `    ${source}) ${listServers('"$dp"', source)} ;;`).join("\n")}
    interfaces) for each in /sys/class/net/*/; do basename "$each"; done ;;
    namespaces) for each in /run/netns/*; do [[ ! -e $each ]] || basename "$each"; done ;;
  esac
}

# _dp_offer WORDS KIND PREFIXES: completes a value. What follows a prefix is typed at once.
_dp_offer() {
  case $2 in
    directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    namespaces)
      if [[ $cur == /* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
      fi
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$1 $3 $(_dp_values "$2")" -- "$cur")
  if [[ \${#COMPREPLY[@]} -eq 1 && " $3 " == *" \${COMPREPLY[0]} "* ]]; then compopt -o nospace 2>/dev/null; fi
}

_dp() {
  local dp=\${COMP_WORDS[0]} cur=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} option= options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "${[...names, "help", "--help", "--version"].join(" ")}" -- "$cur")
    return
  fi
  # "=" and ":" are words of their own.
  if [[ $cur == : || $previous == : ]]; then
    return
  elif [[ $cur == = ]]; then
    option=$previous cur=
  elif [[ $previous == = ]]; then
    option=\${COMP_WORDS[COMP_CWORD - 2]}
  else
    option=$previous
  fi
  case \${COMP_WORDS[1]} in
${commands.map(ofCommand).join("\n")}
    help) ((COMP_CWORD > 2)) || options="${names.join(" ")}" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}

complete -F _dp dp
`;
}

function ofCommand(command: CommandHelp): string {
  const options = optionsOf(command);
  const valued = options.filter(({ metavar }) => metavar !== undefined);
  const offers = valued.map((option) => ({ names: option.names, offer: offerOf(option) }));
  const free = offers.filter(({ offer }) => offer === undefined).flatMap(({ names }) => names);
  const lines = offers.flatMap(({ names, offer }) =>
    offer === undefined ? [] : [`        ${names.join(" | ")}) _dp_offer ${argumentsOf(offer)}; return ;;`],
  );
  if (free.length > 0) lines.push(`        ${free.join(" | ")}) return ;;`);
  const words = [...options.flatMap(({ names }) => names), "-h", "--help"];
  return `    ${command.name})
      options="${words.join(" ")}"
      case $option in
${lines.join("\n")}
      esac
${operandOf(command)}      ;;`;
}

function operandOf({ operand }: CommandHelp): string {
  if (operand === undefined) return "";
  const { words, source } = offerOfOperand(operand);
  const values = [...words, ...(source === undefined ? [] : [`$(_dp_values ${source})`])];
  return `      [[ $cur == -* ]] || options+=" ${values.join(" ")}"\n`;
}

function argumentsOf({ words, prefixes, source }: Offer): string {
  return [words.join(" "), source ?? "", prefixes.join(" ")].map((text) => `"${text}"`).join(" ");
}
