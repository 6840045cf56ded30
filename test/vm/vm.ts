/** The command behind tools/vm, which says how to use it. */
import { release } from "node:os";
import { parseArgs } from "node:util";
import { chooseKernels, UsageError } from "./choose-kernels.ts";
import { CASES } from "./guest/cases.ts";
import { bootShell, requireEmulator } from "./machine.ts";
import { BootFolder, smoke } from "./smoke.ts";
import { fetchKernels, STOCK_NAMES, stockKernel } from "./stock-kernel.ts";
import { allPassed, renderTable } from "./table.ts";
import { columnOf, writeTable } from "./verifier-table.ts";
import { ownVerifierCounts, verifierCounts } from "./verifier.ts";

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
  const { list, fetch, anew, verifier } = values;
  if (anew && !fetch) throw new UsageError("--anew is about --fetch");
  if ((list || fetch || verifier) && positionals.length > 0) throw new UsageError(`unexpected "${positionals[0]}"`);
  if (list) {
    console.log(`kernels: ${STOCK_NAMES.join(", ")}\ncases:   ${CASES.map(({ name }) => name).join(", ")}`);
    return true;
  }
  if (fetch) {
    fetchKernels(STOCK_NAMES, anew);
    return true;
  }
  if (verifier) {
    await recordVerifier();
    return true;
  }
  const shell = positionals[0] === "shell";
  const asked = { names: positionals.slice(shell ? 1 : 0), images: values.kernel, modules: values.modules };
  if (shell && asked.names.length + asked.images.length > 1) throw new UsageError("a shell is in one kernel");
  // A shell's is the newest, unless another is named.
  const kernels = chooseKernels(asked, shell ? STOCK_NAMES.slice(-1) : STOCK_NAMES);
  requireEmulator();
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

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  console.error(`tools/vm: ${error instanceof Error ? error.message : String(error)}`);
  const usage = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  process.exitCode = usage ? 2 : 1;
}
