import type { ServerOptions } from "@dp/host";
import type { Source } from "./completion/offer.ts";
import { parseNumber, parsePort } from "./option-value.ts";

/** The name of an option in the library, and its key in a batch. The owner is not for the operator to choose. */
export type ServerOptionKey = Exclude<keyof ServerOptions, "owner">;

/** A kind of value: how a batch has it in JSON, and how it is read from the command line. */
interface ValueType {
  /** For error messages: "a number". */
  expected: string;
  matches: (value: unknown) => boolean;
  /** Throws `UsageError`. Undefined for an option without a value. */
  parse?: (text: string, flag: string) => unknown;
}

const TEXT: ValueType = {
  expected: "a string",
  matches: (value) => typeof value === "string",
  parse: (text) => text,
};
const NUMBER: ValueType = {
  expected: "a number",
  matches: (value) => typeof value === "number",
  parse: parseNumber,
};
const PORT: ValueType = {
  expected: 'a number, or "auto"',
  matches: (value) => value === "auto" || typeof value === "number",
  parse: parsePort,
};
const YES_OR_NO: ValueType = {
  expected: "true or false",
  matches: (value) => typeof value === "boolean",
};

/** An option of `dp add-server` that says something of the server. */
export interface ServerOption {
  flag: `--${string}`;
  type: ValueType;
  /** What stands for its value in the help; undefined for an option without a value. */
  metavar?: string;
  description: string;
  /** What a shell offers for its value, besides the words of the metavar. */
  completion?: Source;
}

/**
 * The one declaration of these options: the command line, the keys of a batch, the checks of both, the help, the man
 * page and the completions are made from it. The order is that of the help. The library checks the values: ranges,
 * addresses, names.
 */
export const SERVER_OPTIONS: Readonly<Record<ServerOptionKey, ServerOption>> = {
  port: { flag: "--port", type: PORT, metavar: "N|auto", description: "the public port, which players connect to" },
  netns: {
    flag: "--netns",
    type: TEXT,
    metavar: "PATH|NAME|pid:N",
    description: "the container's network namespace",
    completion: "namespaces",
  },
  container: {
    flag: "--container",
    type: TEXT,
    metavar: "[ENGINE:]NAME",
    description: "a container of docker, podman, nerdctl, ctr or runc",
  },
  name: {
    flag: "--name",
    type: TEXT,
    metavar: "S",
    description: "the server's name (default: the container's, or server-PORT)",
  },
  group: {
    flag: "--group",
    type: TEXT,
    metavar: "G",
    description: "servers of one group reach each other's container port",
  },
  address: {
    flag: "--address",
    type: TEXT,
    metavar: "IP",
    description: "the public address (default: that of dp load)",
  },
  containerPort: {
    flag: "--game-port",
    type: NUMBER,
    metavar: "N",
    description: "the port that the server listens on in its container (default 25565)",
  },
  containerAddress: {
    flag: "--container-ip",
    type: TEXT,
    metavar: "IP",
    description: "the container's address (default: the lowest free one)",
  },
  gatewayAddress: {
    flag: "--host-ip",
    type: TEXT,
    metavar: "IP",
    description: "the gateway's address (default: the same position in the host subnet)",
  },
  ifname: {
    flag: "--ifname",
    type: TEXT,
    metavar: "NAME",
    description: "the interface in the container (default eth0)",
  },
  mtu: { flag: "--mtu", type: NUMBER, metavar: "N", description: "the MTU in bytes (default: the uplink's)" },
  trusted: {
    flag: "--trusted",
    type: YES_OR_NO,
    description: "also a container that could administer the host's network",
  },
  force: { flag: "--force", type: YES_OR_NO, description: "also take a port of the host's ephemeral range" },
};

/** All of them, with their keys. */
export const SERVER_OPTION_LIST = Object.entries(SERVER_OPTIONS) as readonly (readonly [
  ServerOptionKey,
  ServerOption,
])[];

/** The option that has this key in a batch. */
export function serverOption(key: string): ServerOption | undefined {
  return Object.hasOwn(SERVER_OPTIONS, key) ? SERVER_OPTIONS[key as ServerOptionKey] : undefined;
}

/** "port, netns, containerPort (--game-port)": the keys of a batch, with the options that are called otherwise. */
export function batchKeys(): string {
  return SERVER_OPTION_LIST.map(([key, { flag }]) => (flag === `--${key}` ? key : `${key} (${flag})`)).join(", ");
}

/** The values that were given on a command line, by key. Throws `UsageError` for one that has another type. */
export function parseServerOptions(given: Readonly<Partial<Record<ServerOptionKey, string | boolean>>>) {
  const values = SERVER_OPTION_LIST.flatMap(([key, { flag, type }]) => {
    const value = given[key];
    if (value === undefined) return [];
    return [[key, typeof value === "string" ? type.parse?.(value, flag) : value] as const];
  });
  return Object.fromEntries(values) as Partial<ServerOptions>;
}
