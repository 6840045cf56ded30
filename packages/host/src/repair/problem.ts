import type { ServerRecord } from "@dp/core";
import type { Finding } from "./finding.ts";

/** A finding, and what can be done about it here. */
export interface Problem {
  finding: Finding;
  /** Left out where it takes a person, or `dp load`. */
  remedy?: Remedy;
}

/** Puts one thing right. Done again, it does nothing. */
export interface Remedy {
  /** "remove": removes an orphan or a leftover. "repair": gives a server that is there what it lacks. */
  kind: "remove" | "repair";
  /** The server that it removes, if it does. */
  removes?: ServerRecord;
  run: () => void;
}

type Words = Pick<Finding, "code" | "severity" | "what">;

const REMOVE = "dp repair";
const REPAIR = "dp repair, or dp load";

/** About one server. */
export function serverProblem(
  { id, name }: Pick<ServerRecord, "id" | "name">,
  { code, severity, what }: Words,
  cure: Remedy | string,
): Problem {
  return problem({ code, severity, server: { id, name }, what }, cure);
}

/** @param cure what puts it right here, or what a person has to do */
export function problem(finding: Omit<Finding, "fix">, cure: Remedy | string): Problem {
  if (typeof cure === "string") return { finding: { ...finding, fix: cure } };
  return { finding: { ...finding, fix: cure.kind === "remove" ? REMOVE : REPAIR }, remedy: cure };
}

export function removeBy(run: () => void, removes?: ServerRecord): Remedy {
  return { kind: "remove", run, ...(removes === undefined ? {} : { removes }) };
}

export function repairBy(run: () => void): Remedy {
  return { kind: "repair", run };
}
