import type { HostOptions } from "../host-options.ts";
import { messageOf } from "../transaction.ts";
import type { Finding } from "./finding.ts";
import type { Problem, Remedy } from "./problem.ts";

export interface RemedyOptions extends HostOptions {
  /** Only report what would be done. Default false. */
  dryRun?: boolean | undefined;
  /** Remedies of this kind only. Default: of both. */
  only?: Remedy["kind"] | undefined;
}

export interface RemedyResult {
  /** In the order it was done. */
  done: Problem[];
  remaining: Finding[];
}

/** How many times the host is inspected at most: a remedy may lead to new findings. */
const ROUNDS = 5;

/**
 * Applies the remedies of the problems that `inspect` finds, until it finds nothing new. A remedy that fails is a
 * warning, and the others are still applied.
 */
export function applyRemedies(inspect: () => Problem[], options: RemedyOptions): RemedyResult {
  const { dryRun = false, only } = options;
  const done: Problem[] = [];
  const tried = new Set<string>();
  for (let round = 0; ; round++) {
    const problems = inspect();
    const todo = problems.filter(({ finding, remedy }) => {
      return remedy !== undefined && (only === undefined || remedy.kind === only) && !tried.has(keyOf(finding));
    });
    if (dryRun || todo.length === 0 || round === ROUNDS) {
      const left = problems.filter((problem) => !(dryRun && todo.includes(problem)));
      return { done: dryRun ? todo : done, remaining: left.map(({ finding }) => finding) };
    }
    for (const problem of todo) {
      tried.add(keyOf(problem.finding));
      if (attempt(problem, options)) done.push(problem);
    }
  }
}

function attempt({ finding: { code, server }, remedy }: Problem, options: HostOptions): boolean {
  try {
    options.onStep?.(server === undefined ? code : `${code} of server ${server.name}`);
    remedy?.run();
    return true;
  } catch (error) {
    options.warn?.(messageOf(error));
    return false;
  }
}

function keyOf({ code, server, what }: Finding): string {
  return `${code} ${server?.id ?? ""} ${what}`;
}
