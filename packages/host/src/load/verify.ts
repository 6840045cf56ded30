import type { Objects } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { OP } from "./options.ts";

/** Asks the kernel what runs on these interfaces and on the cgroup: the programs that were just loaded, no others. */
export function verify(objects: Objects, names: ReadonlySet<string>): void {
  const attached = objects
    .attachments()
    .filter(({ iface, ifindex, programId }) => names.has(iface) && ifindex !== 0 && programId !== undefined);
  const onCgroup = objects.cgroupAttachments().filter(({ cgroupId }) => cgroupId !== 0n);
  const other = [...attached, ...onCgroup].find(({ program, programId }) => programId !== objects.programId(program));
  if (other === undefined) return;
  throw new DatapathError("FAILED", OP, `${other.path} runs program ${other.programId}, which was not just loaded`, {
    hint: "another program changes what is attached: see bpftool net",
  });
}
