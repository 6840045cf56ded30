/** Everything that the programs counted: `25570 in packets`, `20 out bytes`, `20 drop udp`. Zeroes are left out. */
export type Counts = Record<string, number>;

/** What was counted between two moments. */
export function difference(before: Counts, after: Counts): Counts {
  const changes = Object.entries(after).map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}
