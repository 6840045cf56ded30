import { possibleCpus } from "../../libbpf/per-cpu.ts";

/** A value of a per-CPU map that is the same on every CPU: counters start at zero everywhere. */
export function onEachCpu<T>(value: T): T[] {
  return Array.from({ length: possibleCpus() }, () => value);
}
