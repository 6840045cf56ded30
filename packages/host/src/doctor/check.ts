import type { Finding } from "../repair/finding.ts";

/** The result of one check. Contains only JSON values. */
export interface DoctorCheck {
  /** Kebab-case, stays the same from version to version. */
  name: string;
  /** Whether no finding is an error. */
  ok: boolean;
  /** The result in words: what is right, or all findings. */
  what: string;
  findings: Finding[];
}

/** What a check returns: a text when all is right, else findings. */
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
