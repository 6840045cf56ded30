import { readFileSync } from "node:fs";
import type { ServerOptions } from "@dp/host";
import { UsageError } from "./usage-error.ts";

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isPort: Check = (value) => value === "auto" || isNumber(value);

/** Every key an entry may have, and of what type its value is. */
const KEYS: Readonly<Record<keyof ServerOptions, readonly [check: Check, expected: string]>> = {
  port: [isPort, 'a number, or "auto"'],
  netns: [isText, "a text"],
  container: [isText, "a text"],
  name: [isText, "a text"],
  group: [isText, "a text"],
  address: [isText, "a text"],
  containerIp: [isText, "a text"],
  hostIp: [isText, "a text"],
  ifname: [isText, "a text"],
  gamePort: [isNumber, "a number"],
  mtu: [isNumber, "a number"],
  force: [(value) => typeof value === "boolean", "true or false"],
};

const HINT = `one JSON object a line, or an array of them, with ${Object.keys(KEYS).join(", ")}`;

/**
 * Reads the servers a file lists, which is a JSON array, or has a JSON object on each line.
 *
 * @param path "-" for standard input
 * @throws UsageError which line, or which entry, is wrong, and why
 */
export function readBatch(path: string): ServerOptions[] {
  let text: string;
  try {
    text = readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new UsageError(`cannot read ${path}: ${code === "ENOENT" ? "there is no such file" : message}`);
  }
  return parseBatch(text);
}

export function parseBatch(text: string): ServerOptions[] {
  if (text.trimStart().startsWith("[")) {
    const entries = parse(text, "the file") as unknown[];
    return entries.map((entry, index) => toServer(entry, `entry ${index + 1}`));
  }
  return text.split("\n").flatMap((line, index) => {
    const where = `line ${index + 1}`;
    return line.trim() === "" ? [] : [toServer(parse(line, where), where)];
  });
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${where} is not JSON: ${why}`, { hint: HINT });
  }
}

function toServer(entry: unknown, where: string): ServerOptions {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw new UsageError(`${where} is no JSON object`, { hint: HINT });
  }
  for (const [key, value] of Object.entries(entry)) {
    const rule = Object.hasOwn(KEYS, key) ? KEYS[key as keyof ServerOptions] : undefined;
    if (rule === undefined) throw new UsageError(`${where}: unknown key ${JSON.stringify(key)}`, { hint: HINT });
    const [check, expected] = rule;
    if (!check(value)) throw new UsageError(`${where}: ${key} is ${JSON.stringify(value)}: expected ${expected}`);
  }
  if (!("port" in entry)) throw new UsageError(`${where}: port is missing`, { hint: `"port": N, or "port": "auto"` });
  return entry as ServerOptions;
}
