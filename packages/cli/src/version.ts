import { readFileSync } from "node:fs";

/** Put in by the build of the executable, which has no package.json beside it. */
declare const DP_VERSION: string | undefined;

/** The version of this package. Throws nothing. */
export function version(): string {
  if (typeof DP_VERSION === "string") return DP_VERSION;
  const { version: own } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return own;
}
