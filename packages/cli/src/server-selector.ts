import type { ServerSelector } from "@dp/host";
import { parseNumber } from "./option-value.ts";
import { UsageError } from "./usage-error.ts";

/** What a command line says of the server it means: the word SERVER, or options. */
export interface SelectorInput {
  server: string | undefined;
  port: string | undefined;
  address: string | undefined;
  name: string | undefined;
}

const FORMS = "NAME, PORT, PORT/PROTOCOL, ADDRESS:PORT[/PROTOCOL] or id:N";

/** What SERVER can be, for the help of a command. */
export const SERVER_HELP = `SERVER is ${FORMS}, IPv6 in brackets. The options --name and --port do the same.`;

/**
 * The server that a command line means.
 *
 * @throws UsageError when it names none, or names it twice
 */
export function selectorOf(input: SelectorInput, hint = `SERVER is ${FORMS}`): ServerSelector {
  const { server, port, address, name } = input;
  const given = [
    ["SERVER", server],
    ["--name", name],
    ["--port", port],
  ].flatMap(([what, value]) => (value === undefined ? [] : [what]));
  const [one, other] = given;
  if (other !== undefined) throw new UsageError(`${one} and ${other} exclude each other`, { hint });
  if (address !== undefined && port === undefined) {
    throw new UsageError("--address needs --port", { hint: "--port N --address IP, or ADDRESS:PORT" });
  }
  if (server !== undefined) return parseServer(server);
  if (name !== undefined) return { name };
  if (port !== undefined) return { port: parseNumber(port, "--port"), address };
  throw new UsageError("SERVER is missing", { hint });
}

/**
 * Parses the word SERVER. A word without ":" and "/" that is not a number is a name. The library checks the values:
 * ranges and addresses.
 *
 * @throws UsageError
 */
export function parseServer(word: string): ServerSelector {
  if (word.startsWith("id:")) return { id: parseId(word) };
  const { endpoint, protocol } = splitProtocol(word);
  if (/^\d+$/.test(endpoint)) return { port: parsePort(endpoint, word), protocol };
  const colon = endpoint.lastIndexOf(":");
  if (colon < 0 && protocol === undefined) {
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(word)) return { name: word };
    throw wrong(word, "it cannot be a name, which begins with a letter or a digit");
  }
  if (colon < 0) throw wrong(word, "it has a protocol, but no port");
  if (endpoint.endsWith("]")) throw wrong(word, "it has an address, but no port");
  const address = parseAddress(endpoint.slice(0, colon), word);
  return { port: parsePort(endpoint.slice(colon + 1), word), address, protocol };
}

function parseId(word: string): number {
  const text = word.slice("id:".length);
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw wrong(word, `${JSON.stringify(text)} is not a whole number`);
}

function splitProtocol(word: string): { endpoint: string; protocol: "tcp" | "udp" | undefined } {
  const slash = word.indexOf("/");
  if (slash < 0) return { endpoint: word, protocol: undefined };
  const protocol = word.slice(slash + 1);
  if (protocol === "tcp" || protocol === "udp") return { endpoint: word.slice(0, slash), protocol };
  throw wrong(word, `the protocol ${JSON.stringify(protocol)} is not tcp or udp`);
}

function parsePort(text: string, word: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw wrong(word, `the port ${JSON.stringify(text)} is not a whole number`);
}

function parseAddress(text: string, word: string): string {
  if (text === "") throw wrong(word, "the address is empty");
  const [, inBrackets] = /^\[([^[\]]+)\]$/.exec(text) ?? [];
  if (inBrackets?.includes(":")) return inBrackets;
  if (inBrackets !== undefined) throw wrong(word, "only an IPv6 address stands in brackets");
  if (text.includes(":")) throw wrong(word, "an IPv6 address stands in brackets", "for example [2001:db8::10]:25570");
  if (/[[\]]/.test(text)) throw wrong(word, "the brackets do not match", "for example [2001:db8::10]:25570");
  return text;
}

function wrong(word: string, reason: string, hint = `SERVER is ${FORMS}`): UsageError {
  return new UsageError(`${JSON.stringify(word)} is not a server: ${reason}`, { hint });
}
