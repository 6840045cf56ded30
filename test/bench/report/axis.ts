/** An axis of a plot: which lines it has, and where a value lies on it. */
export interface Axis {
  readonly logarithmic: boolean;
  /** Round numbers in order; the first is where the axis begins, the last where it ends. */
  readonly ticks: readonly number[];
  /** Where a value lies: 0 at the beginning of the axis, 1 at its end. */
  readonly position: (value: number) => number;
}

/** When the highest figure is this many times the lowest, the lowest could not be read on a linear axis. */
const LINEAR_RANGE = 40;

/** An axis that has room for all figures. It begins at 0, or, when it is logarithmic, below the lowest figure. */
export function axisOf(figures: readonly number[]): Axis {
  const top = Math.max(0, ...figures);
  const lowest = Math.min(top, ...figures);
  const logarithmic = lowest > 0 && top / lowest > LINEAR_RANGE;
  const ticks = logarithmic ? powersAround(lowest, top) : roundNumbers(top);
  const [first, last] = [ticks[0] as number, ticks.at(-1) as number];
  const position = logarithmic
    ? (value: number) => Math.log(Math.max(value, first) / first) / Math.log(last / first)
    : (value: number) => value / last;
  return { logarithmic, ticks, position };
}

/** Round numbers from 0 to at least `top`, about `count` of them. */
export function roundNumbers(top: number, count = 5): number[] {
  if (!(top > 0)) return [0, 1];
  const raw = top / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999) ?? 10) * power;
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** Powers of ten from below `lowest` to at least `top`. */
function powersAround(lowest: number, top: number): number[] {
  const first = Math.ceil(Math.log10(lowest) - 1e-9) - 1;
  const last = Math.ceil(Math.log10(top) - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number((10 ** (first + index)).toPrecision(12)));
}
