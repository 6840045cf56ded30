/** Every case in every stock kernel, the kernels at the same time; and what programs cost their verifiers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { release } from "node:os";
import { CASES } from "./guest/cases.ts";
import type { Counts } from "./guest/result.ts";
import { BootFolder, lastWords, type Report, smoke } from "./smoke.ts";
import { STOCK_NAMES, type StockName, stockKernel } from "./stock-kernel.ts";
import { columnOf, differences, readTable } from "./verifier-table.ts";
import { ownVerifierCounts } from "./verifier.ts";

const table = readTable();

function expectAsRecorded(kernel: string, measured: Counts): void {
  expect(Object.keys(measured)).toContain("dp_dnat");
  expect(differences(table[kernel] ?? {}, measured), "if it is meant: tools/vm --verifier").toEqual([]);
}

let folder: BootFolder;
let reports: Map<StockName, Promise<Report>>;

beforeAll(() => {
  const kernels = STOCK_NAMES.map((name) => [name, stockKernel(name)] as const);
  folder = new BootFolder();
  reports = new Map(kernels.map(([name, kernel]) => [name, smoke(kernel, folder)]));
});

afterAll(() => {
  folder[Symbol.dispose]();
});

describe.each(STOCK_NAMES)("Debian's %s", (name) => {
  const report = async () => (await reports.get(name)) as Report;

  test.each(CASES.map((each) => each.name))("%s", async (each) => {
    const result = (await report()).results.get(each) ?? { passed: false, note: "it was not run" };
    if (!result.passed) throw new Error(result.note);
  });

  test("costs the verifier what docs/verifier.md says", async () => {
    expectAsRecorded(name, (await report()).counts);
  });

  test("comes to its end", async () => {
    const ended = await report();
    expect(ended.done ? "" : lastWords(ended)).toBe("");
  });
});

const own = columnOf(release());
const costs = `this machine's kernel ${own} costs the verifier what docs/verifier.md says`;
if (own in table) test(costs, () => expectAsRecorded(own, ownVerifierCounts()));
else test.skip(`${costs}: there is no column for it, tools/vm --verifier adds one`, () => {});
