import type { ServerRecord } from "@dp/core";
import type { Finding } from "./finding.ts";

/** A finding, and what can be done about it here. */
export interface Problem {
  finding: Finding;
  /** Left out where it takes a person, or `dp load`. */
  remedy?: Remedy;
}

/** Puts one thing right. Done twice, it does nothing the second time. */
export interface Remedy {
  /** "collect": takes away what belongs to nobody any more. "mend": gives what is alive what it lacks. */
  kind: "collect" | "mend";
  /** The server that it takes out, if it does. */
  removes?: ServerRecord;
  run: () => void;
}

type Words = Pick<Finding, "code" | "severity" | "what">;

const COLLECT = "dp gc";
const MEND = "dp gc, or dp load";

/** About one server. */
export function serverProblem(
  { hostPort, name }: Pick<ServerRecord, "hostPort" | "name">,
  { code, severity, what }: Words,
  cure: Remedy | string,
): Problem {
  return problem({ code, severity, server: { port: hostPort, name }, what }, cure);
}

/** @param cure what takes care of it here, or what a person has to do */
export function problem(finding: Omit<Finding, "fix">, cure: Remedy | string): Problem {
  if (typeof cure === "string") return { finding: { ...finding, fix: cure } };
  return { finding: { ...finding, fix: cure.kind === "collect" ? COLLECT : MEND }, remedy: cure };
}

export function collect(run: () => void, removes?: ServerRecord): Remedy {
  return { kind: "collect", run, ...(removes === undefined ? {} : { removes }) };
}

export function mend(run: () => void): Remedy {
  return { kind: "mend", run };
}
