import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";

/** The machine that something was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly kernel: string;
  readonly system: string;
}

export function thisMachine(): Machine {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? "";
  return {
    cpu: model === "" ? arch() : model,
    cores: processors.length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
  };
}

/** In one line. */
export function describeMachine({ cpu, cores, memory, kernel, system }: Machine): string {
  return `${cpu}, ${cores} ${cores === 1 ? "core" : "cores"}, ${memory}; Linux ${kernel}, ${system}`;
}
