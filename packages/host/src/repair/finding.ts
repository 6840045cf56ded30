/** Something wrong on a host. Contains only JSON values. */
export interface Finding {
  /** The kind of finding, for scripts: in kebab-case, and the same in all versions. */
  code: string;
  /** "error": packets are lost, or go where they must not. "warning": this may happen later. */
  severity: "error" | "warning";
  /** The server that has the finding; absent if it is not about one server. */
  server?: { id: number; name: string };
  /** What is wrong: one sentence without a full stop. */
  what: string;
  /** The command that repairs it, or what the operator has to do. */
  fix: string;
}

/** Whether none of the findings is an error. Throws nothing. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity !== "error");
}
