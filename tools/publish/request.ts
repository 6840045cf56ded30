import { parseArgs } from "node:util";
import { Failure } from "./failure.ts";

export interface Request {
  /** With a slash at its end. */
  readonly registry: string;
  readonly dryRun: boolean;
}

const USAGE = "tools/release --registry URL [--dry-run]";

/** What the command line asks for. tools/release has refused unknown options. */
export function parseRequest(args: readonly string[]): Request {
  const { values } = parseArgs({
    args: [...args],
    options: { registry: { type: "string" }, "dry-run": { type: "boolean", default: false } },
  });
  const { registry, "dry-run": dryRun } = values;
  if (registry === undefined) {
    throw new Failure(
      "to which registry?",
      `${USAGE}; npm's configuration is not asked for one, so that none is hit by accident`,
    );
  }
  return { registry: registryUrl(registry), dryRun };
}

function registryUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new Failure(
      `--registry ${text}: not the URL of a registry`,
      `usage: ${USAGE}, where URL begins with https://`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new Failure("--registry: no credentials in the URL", "npm keeps them: npm login --registry URL");
  }
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}
