/** Something free: a position, a port. */
export interface Free {
  value: number;
  /** Where the next search may begin: everything below is taken by servers once this one is. */
  freeFrom: number;
}

/**
 * The lowest of a range, both ends included, that is free; undefined when there is none.
 *
 * @param owner of each. What others than servers have may become free without notice
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
