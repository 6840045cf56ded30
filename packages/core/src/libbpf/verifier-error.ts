import { DatapathError } from "@dp/sys";

/** The kernel's verifier refused a program. */
export class VerifierError extends DatapathError {
  override readonly name = "VerifierError";
  /** The program's name in its object. */
  readonly program: string;
  /** The verifier's last word: the line of `log` that says what is wrong. */
  readonly summary: string;
  /** The whole log, as the kernel wrote it. */
  readonly log: string;

  constructor(op: string, program: string, log: string, options: { cause?: unknown } = {}) {
    const summary = verifierSummary(log) ?? "no reason given";
    // A helper or kfunc the kernel does not have is the machine's lack; anything else is the program's fault.
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

/** Lines the verifier ends its log with whatever the outcome was. */
const STATISTICS = /^(processed \d+ insns|verification time|stack depth|insns_state|-- )/;

/**
 * The last line of a verifier log that says something: the complaint stands right before the closing statistics.
 * undefined when there is none, and so it was not the verifier who refused.
 */
export function verifierSummary(log: string): string | undefined {
  const lines = log.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "" && !STATISTICS.test(line));
}
