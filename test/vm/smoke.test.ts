/** Every case in every stock kernel, the kernels at the same time. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CASES } from "./guest/cases.ts";
import { BootFolder, lastWords, type Report, smoke } from "./smoke.ts";
import { STOCK_NAMES, type StockName, stockKernel } from "./stock-kernel.ts";

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

  test("comes to its end", async () => {
    const ended = await report();
    expect(ended.done ? "" : lastWords(ended)).toBe("");
  });
});
