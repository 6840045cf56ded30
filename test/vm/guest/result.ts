/** What a machine tells, each on a line of its own that begins so. */
const MARK = "dp-vm: ";

/** What became of a case. */
export interface Result {
  readonly case: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** Why it failed; or what is worth knowing though it passed. */
  readonly note: string;
}

/** How many instructions the verifier went through, by program. One the kernel cannot run has none. */
export type Counts = Readonly<Record<string, number>>;

export function tell(result: Result): void {
  console.log(`${MARK}result ${JSON.stringify(result)}`);
}

export function tellCounts(counts: Counts): void {
  console.log(`${MARK}verifier ${JSON.stringify(counts)}`);
}

/** The result a line of the console tells, if it does. */
export function toResult(line: string): Result | undefined {
  return told(line, "result") as Result | undefined;
}

/** The counts a line of the console tells, if it does. */
export function toCounts(line: string): Counts | undefined {
  return told(line, "verifier") as Counts | undefined;
}

function told(line: string, what: string): unknown {
  const start = `${MARK}${what} `;
  return line.startsWith(start) ? JSON.parse(line.slice(start.length)) : undefined;
}
