# Sourced by the tools, and by anyone who wants `bun` and `turbo` in a shell of their own: . tools/env.sh
# Sets ROOT (this clone) and puts the project's own tool versions first in PATH, and last the folders of root's
# programs: a shell that `su` or cron starts may not have them.

# bash says where this file is, or zsh.
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]:-${(%):-%x}}")/.." && pwd)
BUN_VERSION=$(sed -n 's/.*"packageManager": *"bun@\([^"]*\)".*/\1/p' "$ROOT/package.json")
PATH=$ROOT/.cache/bun/bin:$ROOT/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
