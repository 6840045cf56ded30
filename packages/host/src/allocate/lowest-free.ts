/** A free position or port. */
export interface Free {
  value: number;
  /** Where the next search can begin: servers have all lower ones, when `value` is taken, too. */
  freeFrom: number;
}

/**
 * The lowest free value of a range, both ends included; undefined when there is none.
 *
 * @param owner the owner of a value. The next search does not skip values that are not of servers: they may become free
 *   at any time
 */
export function lowestFree(
  [first, last]: readonly [first: number, last: number],
  owner: (value: number) => "server" | "other" | undefined,
): Free | undefined {
  let othersFrom: number | undefined;
  for (let value = first; value <= last; value++) {
    const of = owner(value);
    if (of === undefined) return { value, freeFrom: othersFrom ?? value + 1 };
    if (of === "other") othersFrom ??= value;
  }
  return undefined;
}
