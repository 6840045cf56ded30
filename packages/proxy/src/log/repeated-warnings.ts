/** How long the same warning is not given again. */
const QUIET_MS = 60_000;
/** More different ones are not remembered. */
const REMEMBERED = 100;

type Warn = (message: string) => void;

/** Gives each warning once a minute: what goes wrong for every connection would be told for every connection. */
export function quietly(warn: Warn, now: () => number = () => performance.now()): Warn {
  const last = new Map<string, number>();
  return (message) => {
    const time = now();
    if (time - (last.get(message) ?? -Infinity) < QUIET_MS) return;
    if (last.size >= REMEMBERED) last.clear();
    last.set(message, time);
    warn(message);
  };
}
