/** Three significant digits, four for large numbers: 0.123, 1.23, 12.3, 123, 1,234, 12,350. */
export function short(value: number): string {
  if (value === 0) return "0";
  const digits = Math.floor(Math.log10(Math.abs(value))) + 1;
  const rounded = Number(value.toPrecision(Math.max(3, Math.min(digits, 4))));
  return rounded.toLocaleString("en-US", { maximumFractionDigits: Math.max(0, 3 - digits) });
}
