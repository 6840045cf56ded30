/** One cell of a table: the measurements of all rounds. */
export interface Figure {
  /** The median. */
  readonly value: number;
  /** The middle half of the rounds: first and third quartile. */
  readonly spread: readonly [low: number, high: number];
  /** As measured, in the order of the rounds. */
  readonly rounds: readonly number[];
}

export function figure(rounds: readonly number[]): Figure {
  return { value: median(rounds), spread: [quantile(rounds, 0.25), quantile(rounds, 0.75)], rounds };
}

/** Round by round: other load on the machine affects both contenders of a round alike. */
export function ratio(of: Figure, to: Figure): Figure {
  return perRound((one, other) => one / other, of, to);
}

/** A figure whose rounds are computed from the same rounds of others. */
export function perRound(compute: (...values: number[]) => number, ...figures: readonly Figure[]): Figure {
  const count = figures[0]?.rounds.length ?? 0;
  if (figures.some(({ rounds }) => rounds.length !== count))
    throw new RangeError("the figures have different numbers of rounds");
  const rounds = Array.from({ length: count }, (_, round) =>
    compute(...figures.map((figure) => figure.rounds[round] as number)),
  );
  return figure(rounds);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Interpolated linearly between two values. @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = values.toSorted((one, other) => one - other);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] as number;
  const above = sorted[Math.ceil(position)] as number;
  return below + (above - below) * (position - Math.floor(position));
}
