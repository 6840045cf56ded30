import type { ServerRecord } from "@dp/core";
import type { Finding } from "./finding.ts";

/** A finding with its remedy. */
export interface Problem {
  finding: Finding;
  /** Absent if only the operator, or `dp load`, can repair it. */
  remedy?: Remedy;
}

/** What repairs a finding. Applied again, it changes nothing. */
export interface Remedy {
  /** "remove": removes an orphan or a leftover. "repair": restores a part of a server or of the host. */
  kind: "remove" | "repair";
  /** The server that it removes, if any. */
  removes?: ServerRecord;
  run: () => void;
}

type Words = Pick<Finding, "code" | "severity" | "what">;

const REMOVE = "dp repair";
const REPAIR = "dp repair, or dp load";

/** A problem of one server. See {@link problem}. */
export function serverProblem(
  { id, name }: Pick<ServerRecord, "id" | "name">,
  { code, severity, what }: Words,
  remedy: Remedy | string,
): Problem {
  return problem({ code, severity, server: { id, name }, what }, remedy);
}

/** @param remedy the remedy, or what the operator has to do */
export function problem(finding: Omit<Finding, "fix">, remedy: Remedy | string): Problem {
  if (typeof remedy === "string") return { finding: { ...finding, fix: remedy } };
  return { finding: { ...finding, fix: remedy.kind === "remove" ? REMOVE : REPAIR }, remedy };
}

export function removeBy(run: () => void, removes?: ServerRecord): Remedy {
  return { kind: "remove", run, ...(removes === undefined ? {} : { removes }) };
}

export function repairBy(run: () => void): Remedy {
  return { kind: "repair", run };
}
