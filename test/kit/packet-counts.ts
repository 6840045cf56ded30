/**
 * Everything that the programs counted: `11 in packets` of counter 11, `11 out bytes`, `5 drop udp` of server 5. Zeroes
 * are left out.
 */
export type Counts = Record<string, number>;

/** What was counted between two moments. */
export function difference(before: Counts, after: Counts): Counts {
  const changes = Object.entries(after).map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}
