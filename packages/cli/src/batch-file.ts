import { readFileSync } from "node:fs";
import type { ServerOptions } from "@dp/host";
import { nearest } from "./nearest.ts";
import { batchKeys, SERVER_OPTION_LIST, serverOption } from "./server-options.ts";
import { UsageError } from "./usage-error.ts";

const HINT = `one JSON object on each line, or an array of them, with the keys ${batchKeys()}`;

/**
 * Reads the servers of a file that is a JSON array, or has a JSON object on each line.
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
    throw new UsageError(`${where} is not a JSON object`, { hint: HINT });
  }
  for (const [key, value] of Object.entries(entry)) {
    const option = serverOption(key);
    if (option === undefined) throw unknownKey(key, where);
    const { matches, expected } = option.type;
    if (!matches(value)) throw new UsageError(`${where}: ${key} is ${JSON.stringify(value)}: expected ${expected}`);
  }
  if (!("port" in entry)) throw new UsageError(`${where}: port is missing`, { hint: `"port": N, or "port": "auto"` });
  return entry as ServerOptions;
}

/** Suggests the key of an option whose name was taken for a key: "game-port", "gamePort" or "--game-port". */
function unknownKey(key: string, where: string): UsageError {
  const flag = `--${key.replace(/^-+/, "").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const named = SERVER_OPTION_LIST.find(([, option]) => option.flag === flag)?.[0];
  const guess =
    named ??
    nearest(
      key,
      SERVER_OPTION_LIST.map(([each]) => each),
    );
  const hint = guess === undefined ? HINT : `did you mean ${guess}? (${HINT})`;
  return new UsageError(`${where}: unknown key ${JSON.stringify(key)}`, { hint });
}
