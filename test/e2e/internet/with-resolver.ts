/** The command, with a resolv.conf of its own that names this resolver, as containers have. */
export function withResolver(address: string, command: readonly string[]): string[] {
  const script = `
    file=$(realpath -m /etc/resolv.conf) own=$(mktemp) && echo "nameserver $1" >"$own" && shift || exit
    # A link into /run leads nowhere in this sandbox, whose /run is its own.
    case $file in /run/*) mkdir -p "\${file%/*}" && touch "$file" ;; esac
    mount --bind "$own" "$file" && rm "$own" && exec "$@"`;
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", address, ...command];
}
