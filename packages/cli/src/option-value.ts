import { UsageError } from "./usage-error.ts";

/** Parses a decimal number; its limits are the callee's business. */
export function parseNumber(text: string, option: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new UsageError(`${option} is ${JSON.stringify(text)}: expected a whole number`);
}

export function parseOptionalNumber(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : parseNumber(text, option);
}

/** "25565-30564" */
export function parseRange(text: string, option: string): [first: number, last: number] {
  const [, first, last] = /^(\d{1,10})-(\d{1,10})$/.exec(text) ?? [];
  if (first === undefined || last === undefined) {
    throw new UsageError(`${option} is ${JSON.stringify(text)}: expected FIRST-LAST, like 25565-30564`);
  }
  return [Number(first), Number(last)];
}

/** A number, or "auto". */
export function parsePort(text: string, option: string): number | "auto" {
  if (text === "auto") return "auto";
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new UsageError(`${option} is ${JSON.stringify(text)}: expected a port, or "auto"`);
}
