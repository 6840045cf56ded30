import type { ServerSelector } from "@dp/host";
import { parseNumber } from "./option-value.ts";
import { UsageError } from "./usage-error.ts";

/** The options by which a command is told which server. */
export interface SelectorOptions {
  port: string | undefined;
  address: string | undefined;
  name: string | undefined;
}

/** What stands for their values in the help. */
export const SELECTOR_METAVARS = { "--port": "N", "--address": "IP", "--name": "S" };

const HINT = "--port N, or --name S";

/** Throws `UsageError` when it is none, or not clear. */
export function selectorOf(options: SelectorOptions, hint: string = HINT): ServerSelector {
  const { port, address, name } = options;
  if (port !== undefined && name === undefined) return { port: parseNumber(port, "--port"), address };
  if (port !== undefined) throw new UsageError("--port and --name exclude each other", { hint });
  if (address !== undefined) throw new UsageError("--address goes with --port", { hint: "--port N --address IP" });
  if (name !== undefined) return { name };
  throw new UsageError("which server?", { hint });
}
