/** The command behind tools/vm, which says how to use it. */
import { release } from "node:os";
import { parseArgs } from "node:util";
import { CASES } from "./guest/cases.ts";
import { type Kernel, kernelAt } from "./kernel.ts";
import { bootShell } from "./machine.ts";
import { BootFolder, smoke } from "./smoke.ts";
import { fetchKernels, STOCK_NAMES, type StockName, stockKernel } from "./stock-kernel.ts";
import { allPassed, renderTable } from "./table.ts";
import { columnOf, writeTable } from "./verifier-table.ts";
import { ownVerifierCounts, verifierCounts } from "./verifier.ts";

class UsageError extends Error {}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: "string", multiple: true, default: [] },
      modules: { type: "string" },
      list: { type: "boolean", default: false },
      fetch: { type: "boolean", default: false },
      anew: { type: "boolean", default: false },
      verifier: { type: "boolean", default: false },
    },
  });
  if (values.list) {
    console.log(`kernels: ${STOCK_NAMES.join(", ")}\ncases:   ${CASES.map(({ name }) => name).join(", ")}`);
    return true;
  }
  if (values.fetch) {
    fetchKernels(values.anew);
    return true;
  }
  if (values.verifier) {
    await recordVerifier();
    return true;
  }
  const shell = positionals[0] === "shell";
  const names = positionals.slice(shell ? 1 : 0).map(stockName);
  const kernels = choose(names, values.kernel, values.modules, shell);
  using folder = new BootFolder();
  if (shell) {
    for (const kernel of kernels) await bootShell(kernel, { folder: folder.path, base: folder.base });
    return true;
  }
  const reports = await Promise.all(
    kernels.map((kernel) =>
      smoke(kernel, folder, ({ case: name, passed }) =>
        process.stderr.write(`${kernel.name}: ${name}: ${passed ? "ok" : "FAILED"}\n`),
      ),
    ),
  );
  process.stdout.write(renderTable(reports));
  return allPassed(reports);
}

/** Measures in every stock kernel and in this machine's own. */
async function recordVerifier(): Promise<void> {
  fetchKernels();
  using folder = new BootFolder();
  const stock = await Promise.all(
    STOCK_NAMES.map(async (name) => [name, await verifierCounts(stockKernel(name), folder)] as const),
  );
  writeTable({ ...Object.fromEntries(stock), [columnOf(release())]: ownVerifierCounts() });
}

/** Those that are named, or all stock ones; for a shell the newest, unless another is named. */
function choose(
  names: readonly StockName[],
  images: readonly string[],
  modules: string | undefined,
  shell: boolean,
): Kernel[] {
  const given = images.map((image) => kernelAt(image, modules));
  const stock = names.length + given.length > 0 ? names : shell ? STOCK_NAMES.slice(-1) : STOCK_NAMES;
  if (stock.length > 0) fetchKernels();
  const kernels = [...stock.map(stockKernel), ...given];
  if (shell && kernels.length > 1) throw new UsageError("a shell is in one kernel");
  return kernels;
}

function stockName(word: string): StockName {
  const name = STOCK_NAMES.find((each) => each === word);
  if (name === undefined)
    throw new UsageError(`there is no stock kernel ${word}; there are: ${STOCK_NAMES.join(", ")}`);
  return name;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  console.error(`tools/vm: ${error instanceof Error ? error.message : String(error)}`);
  const usage = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  process.exitCode = usage ? 2 : 1;
}
