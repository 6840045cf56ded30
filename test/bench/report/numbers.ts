/** Three digits that count, and no more than are needed: 0.123, 1.23, 12.3, 123, 12,300. */
export function short(value: number): string {
  if (value === 0) return "0";
  const digits = Math.floor(Math.log10(Math.abs(value))) + 1;
  const rounded = Number(value.toPrecision(Math.max(3, Math.min(digits, 4))));
  return rounded.toLocaleString("en-US", { maximumFractionDigits: Math.max(0, 3 - digits) });
}

/** As short as can be, for where there is no room: 1.23k, 12.3k, 1.23M. */
export function brief(value: number): string {
  const [power, letter] = value >= 999_500 ? [1e6, "M"] : value >= 999.5 ? [1000, "k"] : [1, ""];
  return `${short(value / power)}${letter}`;
}

/** Round numbers from 0 to at least `top`, about `count` of them: where an axis has its lines. */
export function ticks(top: number, count = 5): number[] {
  if (!(top > 0)) return [0, 1];
  const raw = top / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999) ?? 10) * power;
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}
