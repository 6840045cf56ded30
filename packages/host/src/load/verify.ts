import type { Objects } from "@dp/core";
import { DatapathError } from "@dp/sys";

/** Checks that the kernel runs the programs of this load on these interfaces and the cgroup. */
export function verify({ attachments }: Objects, names: ReadonlySet<string>): void {
  const onInterfaces = attachments
    .all()
    .filter(({ iface, ifindex, programId }) => names.has(iface) && ifindex !== 0 && programId !== undefined);
  const onCgroup = attachments.onCgroup().filter(({ cgroupId }) => cgroupId !== 0n);
  const other = [...onInterfaces, ...onCgroup].find(
    ({ program, programId }) => programId !== attachments.programId(program),
  );
  if (other === undefined) return;
  const reason = `${other.path} runs program ${other.programId}, which is not of this load`;
  throw new DatapathError("FAILED", undefined, reason, {
    hint: "other software changes what is attached: see bpftool net",
  });
}
