/** Something that is wrong on a host, or could be. All of it can be written as JSON. */
export interface Finding {
  /** What kind of finding it is, for scripts: kebab-case, stays the same from version to version. */
  code: string;
  /** An "error" keeps traffic from where it belongs, or lets it go where it does not; a "warning" may do so one day. */
  severity: "error" | "warning";
  /** The server it is about, if it is about one. */
  server?: { id: number; name: string };
  /** What is wrong, in one sentence without its full stop. */
  what: string;
  /** What to run, or to do, about it. */
  fix: string;
}

/** Whether a host with these findings works as it should. Throws nothing. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity !== "error");
}
