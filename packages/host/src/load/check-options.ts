import { DatapathError, isCgroup2 } from "@dp/sys";
import { checkAddress, checkPort, checkPortRange } from "../server/check-input.ts";
import { LISTENER_PORTS, type LoadOptions } from "./options.ts";
import { listenerName } from "./parameters.ts";

/** Checks the options that can be checked without reading the host's network. */
export function checkOptions(options: LoadOptions): void {
  for (const address of options.addresses ?? []) checkAddress(address, "the address");
  if (options.portRange !== undefined) checkPortRange(options.portRange);
  for (const key of LISTENER_PORTS) {
    const port = options[key];
    if (port !== undefined) checkPort(port, `the ${listenerName(key)} port`);
  }
  const { cgroup } = options;
  if (cgroup !== undefined && !isCgroup2(cgroup)) {
    throw new DatapathError("BAD_USAGE", undefined, `${cgroup} is not a folder of a cgroup2 mount`, {
      hint: "see where it is mounted: findmnt -t cgroup2",
    });
  }
}
