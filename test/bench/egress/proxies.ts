/** The proxies: each starts in the host's namespace, and learns from SO_ORIGINAL_DST where connections were going. */
import { join } from "node:path";
import { example } from "@dp/e2e/proxies/daemon.ts";
import { must } from "@dp/test-kit/program.ts";

/** Where dp redirects to by default, and the examples listen. */
export const TCP_PORT = 9111;

export interface Proxy {
  readonly name: string;
  /** How it is run by itself. */
  readonly alone: readonly string[];
  /** The arguments of `dp` by which it does the same; undefined when it is run by itself behind dp's redirect, too. */
  readonly dp?: readonly string[];
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}

/** The destinations are of a range for documentation, which it keeps containers from; and there are many of them. */
const FREE = ["--allow", "203.0.113.0/24", "--max-connections", "4000", "--max-rate", "1000000"];

export const dpProxy: Proxy = {
  name: "dp proxy",
  alone: ["bun", join(import.meta.dirname, "dp-proxy-alone.ts")],
  dp: ["proxy", ...FREE],
};

/** The configuration of examples/, as it is: it logs each connection, too. */
export const haproxy: Proxy = {
  name: "haproxy",
  alone: ["haproxy", "-db", "-f", example("haproxy-tcp.cfg")],
  version: async () => ["haproxy", /version ([\d.]+)/.exec(await must(["haproxy", "-v"]))?.[1] ?? "?"],
};
