import type { Finding } from "../repair/finding.ts";

/** One of the things `doctor` looks at, and what came of it. All of it can be written as JSON. */
export interface DoctorCheck {
  /** Kebab-case, stays the same from version to version. */
  name: string;
  /** Nothing is wrong here; warnings do not count. */
  ok: boolean;
  /** What was found, in words: what is right, or what is wrong. */
  what: string;
  findings: Finding[];
}

/** What a check says: that all is right, and how; or what is wrong. */
export type Verdict = string | readonly Finding[];

export function error(code: string, what: string, fix: string): Finding {
  return { code, severity: "error", what, fix };
}

export function warning(code: string, what: string, fix: string): Finding {
  return { code, severity: "warning", what, fix };
}

/** "a, b and c" */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
