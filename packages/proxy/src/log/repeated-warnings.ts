/** The shortest time between two equal warnings. */
const REPEAT_MS = 60_000;
/** How many different warnings are remembered. */
const MAX_REMEMBERED = 100;

type Warn = (message: string) => void;

/**
 * Passes each warning on at most once a minute. Without this, a fault that affects every connection would give a
 * warning for every connection.
 */
export function limitRepeatedWarnings(warn: Warn, now: () => number = () => performance.now()): Warn {
  const lastGiven = new Map<string, number>();
  return (message) => {
    const time = now();
    if (time - (lastGiven.get(message) ?? -Infinity) < REPEAT_MS) return;
    if (lastGiven.size >= MAX_REMEMBERED) lastGiven.clear();
    lastGiven.set(message, time);
    warn(message);
  };
}
