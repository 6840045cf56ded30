import { DatapathError } from "@dp/sys";

/** The kernel's verifier refused a program. */
export class VerifierError extends DatapathError {
  override readonly name = "VerifierError";
  /** The program's name in its object. */
  readonly program: string;
  /** The line of `log` that says what is wrong. */
  readonly summary: string;
  /** The whole log, as the kernel wrote it. */
  readonly log: string;

  constructor(op: string, program: string, log: string, options: { cause?: unknown } = {}) {
    const summary = verifierSummary(log) ?? "no reason given";
    // A missing helper or kfunc is a limit of this kernel; anything else is a fault of the program.
    const lacksHelper = /^(unknown|invalid) func |calling kernel function .* is not allowed/.test(summary);
    super(lacksHelper ? "UNSUPPORTED" : "FAILED", op, `the kernel's verifier refuses ${program}: ${summary}`, {
      ...options,
      hint: lacksHelper ? "the program needs a newer kernel" : undefined,
    });
    this.program = program;
    this.summary = summary;
    this.log = log;
  }
}

/** The statistics that end every log of the verifier. */
const STATISTICS = /^(processed \d+ insns|verification time|stack depth|insns_state|-- )/;

/**
 * The last line of a verifier log before the closing statistics, which says what is wrong; undefined when there is
 * none, because the kernel refused the program before the verifier ran.
 */
export function verifierSummary(log: string): string | undefined {
  const lines = log.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "" && !STATISTICS.test(line));
}
