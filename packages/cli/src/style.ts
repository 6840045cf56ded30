import { printableExcept } from "@dp/sys/printable";

/** Text in colour, or as it is. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** Select Graphic Rendition: on, and off again (ECMA-48). */
const SGR = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

/** The sequences of {@link style}. */
const OWN = new RegExp(`\\u001b\\[(?:${[...new Set(Object.values(SGR).flat())].join("|")})m`);
const OWN_OR_LAYOUT = new RegExp(`${OWN.source}|[\\n\\t]`);

/** A line of output, made printable: only the sequences of {@link style} stay. */
export function printableLine(line: string): string {
  return printableExcept(OWN, line);
}

/** Lines of output, made printable: line breaks, tabs and the sequences of {@link style} stay. */
export function printableLines(text: string): string {
  return printableExcept(OWN_OR_LAYOUT, text);
}

export function style(color: boolean): Style {
  const paint =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      color ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    bold: paint(SGR.bold),
    dim: paint(SGR.dim),
    red: paint(SGR.red),
    green: paint(SGR.green),
    yellow: paint(SGR.yellow),
  };
}
