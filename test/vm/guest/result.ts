/** What became of a case. */
export interface Result {
  readonly case: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** Why it failed; or what is worth knowing though it passed. */
  readonly note: string;
}

const MARK = "dp-vm: result ";

export function tell(result: Result): void {
  console.log(`${MARK}${JSON.stringify(result)}`);
}

/** The result a line of the console tells, if it does. */
export function toResult(line: string): Result | undefined {
  return line.startsWith(MARK) ? (JSON.parse(line.slice(MARK.length)) as Result) : undefined;
}
