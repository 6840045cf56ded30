import { DatapathError, isCgroup2 } from "@dp/sys";
import { checkAddress, checkPort, checkPortRange } from "../server/check-input.ts";
import { type LoadOptions, OP } from "./options.ts";

/** What can be told of the options without looking at the host. */
export function checkOptions(options: LoadOptions): void {
  for (const address of options.addresses ?? []) checkAddress(address, "the address", OP);
  if (options.portRange !== undefined) checkPortRange(options.portRange, OP);
  for (const key of ["httpPort", "dnsPort", "tcpPort"] as const) {
    const port = options[key];
    if (port !== undefined) checkPort(port, `the ${key.replace("Port", "")} port`, OP);
  }
  const { cgroup } = options;
  if (cgroup !== undefined && !isCgroup2(cgroup)) {
    throw new DatapathError("BAD_USAGE", OP, `${cgroup} is not a folder of a cgroup2 mount`, {
      hint: "see where it is mounted: findmnt -t cgroup2",
    });
  }
}
