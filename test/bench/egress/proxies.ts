/** The proxies. They run in the host's network namespace and get a connection's destination from SO_ORIGINAL_DST. */
import { join } from "node:path";
import { example } from "@dp/e2e/proxies/daemon.ts";
import { must } from "@dp/test-kit/program.ts";

/** The default port of dp's TCP listener; the configurations in examples/ have it too. */
export const TCP_PORT = 9111;

export interface Proxy {
  readonly name: string;
  /** The command without a datapath. */
  readonly alone: readonly string[];
  /** Arguments of `dp` behind dp's redirect; undefined when it is the same command there. */
  readonly dp?: readonly string[];
  readonly version?: () => Promise<readonly [name: string, version: string]>;
}

/** Allows the outside addresses, which are reserved for documentation, and many connections. */
const FREE = ["--allow", "203.0.113.0/24", "--max-connections", "4000", "--max-rate", "1000000"];

export const dpProxy: Proxy = {
  name: "dp proxy",
  alone: ["bun", join(import.meta.dirname, "dp-proxy-alone.ts")],
  dp: ["proxy", ...FREE],
};

/** With the configuration in examples/, unchanged: it logs each connection. */
export const haproxy: Proxy = {
  name: "haproxy",
  alone: ["haproxy", "-db", "-f", example("haproxy-tcp.cfg")],
  version: async () => ["haproxy", /version ([\d.]+)/.exec(await must(["haproxy", "-v"]))?.[1] ?? "?"],
};
