# Sourced by every tool in this folder: its help, its arguments, its messages and its progress.
# A tool's help is the comment at the head of its file.

# given[--option] is 1, or the option's value; the values of a repeated option stand on a line each.
declare -A given=()
# The words that are no options, and what follows "--".
operands=() passed_on=()

tool_file=$(realpath -- "$0")

usage() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$tool_file"
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$@"
  exit 1
}

bad_usage() {
  say "$1"
  printf 'hint: tools/%s --help\n' "${0##*/}" >&2
  exit 2
}

# arguments SPEC "$@": reads the tool's arguments. Ends the tool after --help, and with status 2 when they are wrong.
# SPEC lists the options: --flag and --option=VALUE, then the operands. "NAME..." are any number between the options,
# "COMMAND" is a command: what follows its first word is the command's. "--" lets "--" pass on what follows it.
arguments() {
  local spec=" $1 " name value
  shift
  while (($#)); do
    name=${1%%=*}
    if [[ $1 == -h || $1 == --help ]]; then
      usage
      exit
    elif [[ $1 == -- && $spec == *' -- '* ]]; then
      passed_on=("${@:2}")
      return
    elif [[ $1 == -* && $1 == "$name" && $spec == *" $1 "* ]]; then
      given[$1]=1
    elif [[ $1 == -* && $spec == *" $name="* ]]; then
      value=${1#*=}
      if [[ $1 == "$name" ]]; then
        [[ -n ${2-} ]] || bad_usage "$name needs a value"
        value=$2
        shift
      fi
      given[$name]=${given[$name]+${given[$name]}$'\n'}$value
    elif [[ $1 == -* ]]; then
      bad_usage "unknown option $1"
    elif [[ $spec == *' COMMAND '* ]]; then
      operands=("$@")
      return
    elif [[ $spec == *'... '* ]]; then
      operands+=("$1")
    else
      bad_usage "unexpected argument $1"
    fi
    shift
  done
}

# Ends a tool that cannot set the clone up by itself. For tools that have sourced env.sh.
require_setup() {
  if bun --version >/dev/null 2>&1 && [[ -d $ROOT/node_modules ]]; then return; fi
  die "this clone is not set up: run  sudo tools/bootstrap"
}

# step WHAT COMMAND...: a line when the command takes longer than a second, with its time at the end; the whole output
# of the command when it fails, which ends the tool.
step() {
  local what=$1 start=$SECONDS log status=0 announcer
  shift
  log=$(mktemp)
  # `read` waits on a pipe without a writer: a `sleep` would live on, and hold standard error open. After a signal the
  # tool may have ended meanwhile.
  { read -rt 1 _ <> <(:) || ! kill -0 $$ 2>/dev/null || printf '%s: %s ... ' "${0##*/}" "$what" >&2; } &
  announcer=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$announcer" 2>/dev/null || true
  if wait "$announcer" 2>/dev/null; then
    if ((status == 0)); then printf '%s s\n' $((SECONDS - start)) >&2; else printf 'failed\n' >&2; fi
  fi
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  ((status == 0)) || die "failed: $what"
}
