import { readFileSync, statSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { DatapathError } from "@dp/sys";
import type { Endpoint } from "../endpoint.ts";

const DNS_PORT = 53;
const RESOLV_CONF = "/etc/resolv.conf";
/** How often the file is checked for changes. */
const CHECK_MS = 5000;
/** How long a resolver that failed is asked after the others. */
const PENALTY_MS = 30_000;

export interface ResolverListOptions {
  /** The resolvers of `--dns`: "IP" or "IP:port" ("[IP]:port" for IPv6). Default: those of resolv.conf. */
  readonly given?: readonly string[] | undefined;
  /** Default /etc/resolv.conf. It is read again when it changes. */
  readonly resolvConf?: string | undefined;
  /** Whether a resolver is the proxy's own DNS listener: the proxy would ask itself. */
  readonly exclude: (resolver: Endpoint) => boolean;
  readonly now?: () => number;
}

/** The resolvers that queries are forwarded to. */
export class ResolverList {
  readonly #options: ResolverListOptions;
  readonly #path: string;
  readonly #now: () => number;
  readonly #failedAt = new Map<string, number>();
  #resolvers: readonly Endpoint[] = [];
  #checkedAt = -Infinity;
  #version = "";

  /** @throws DatapathError `BAD_USAGE` for a given resolver that cannot be parsed, or that is the proxy itself */
  constructor(options: ResolverListOptions) {
    this.#options = options;
    this.#path = options.resolvConf ?? RESOLV_CONF;
    this.#now = options.now ?? (() => performance.now());
    this.#resolvers = (options.given ?? []).map(parseResolver);
    const self = this.#resolvers.find(options.exclude);
    if (self !== undefined) {
      throw new DatapathError(
        "BAD_USAGE",
        "start the proxy",
        `the resolver ${formatResolver(self)} is the proxy's own DNS listener`,
        { hint: "give the address of another resolver" },
      );
    }
  }

  /** The resolvers in the order to ask them: as given, and those that failed lately at the end. */
  inOrder(): readonly Endpoint[] {
    if ((this.#options.given ?? []).length === 0) this.#refresh();
    const failedLately = (resolver: Endpoint) =>
      this.#now() - (this.#failedAt.get(formatResolver(resolver)) ?? -Infinity) < PENALTY_MS;
    return [
      ...this.#resolvers.filter((resolver) => !failedLately(resolver)),
      ...this.#resolvers.filter((resolver) => failedLately(resolver)),
    ];
  }

  markFailed(resolver: Endpoint): void {
    this.#failedAt.set(formatResolver(resolver), this.#now());
  }

  markAnswered(resolver: Endpoint): void {
    this.#failedAt.delete(formatResolver(resolver));
  }

  #refresh(): void {
    if (this.#now() - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = this.#now();
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    const version = stat === undefined ? "gone" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (version === this.#version) return;
    this.#version = version;
    this.#failedAt.clear();
    // Without the file, or without a nameserver in it, the C library asks 127.0.0.1: resolv.conf(5).
    const named = stat === undefined ? [] : parseResolvConf(readFileSync(this.#path, "utf8"));
    const resolvers = named.length > 0 ? named : [{ address: "127.0.0.1", port: DNS_PORT }];
    this.#resolvers = resolvers.filter((resolver) => !this.#options.exclude(resolver));
  }
}

/** The first three `nameserver` addresses of a resolv.conf(5). Lines without a valid address are skipped. */
export function parseResolvConf(text: string): Endpoint[] {
  return text
    .split("\n")
    .map((line) => /^nameserver[ \t]+([^ \t\r#;]+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .slice(0, 3)
    .map((address) => ({ address, port: DNS_PORT }));
}

/**
 * Parses a resolver: "IP", "IP:port" or "[IPv6]:port".
 *
 * @throws DatapathError `BAD_USAGE`
 */
export function parseResolver(text: string): Endpoint {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT };
  const { v6, v4, port } = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[0-9.]+)):(?<port>[1-9][0-9]{0,4})$/.exec(text)?.groups ?? {};
  const address = v6 ?? v4 ?? "";
  const fits = v6 === undefined ? isIPv4(address) : isIP(address) === 6;
  if (!fits || Number(port) > 65535) {
    throw new DatapathError(
      "BAD_USAGE",
      `parse the resolver ${JSON.stringify(text)}`,
      "not the address of a resolver",
      {
        hint: "give IP, IP:port or [IPv6]:port, such as 9.9.9.9 or 127.0.0.1:5353",
      },
    );
  }
  return { address, port: Number(port) };
}

export function formatResolver({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
