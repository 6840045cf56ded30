import { existsSync } from "node:fs";
import { type Kernel, kernelAt } from "./kernel.ts";
import { fetchKernels, STOCK_NAMES, type StockName, stockKernel } from "./stock-kernel.ts";

/** What was asked for is not there to be had. */
export class UsageError extends Error {}

export interface Asked {
  /** Stock kernels by name. */
  readonly names: readonly string[];
  /** Images of others. */
  readonly images: readonly string[];
  /** The folder with the others' modules. */
  readonly modules?: string | undefined;
}

/** Those that are asked for, each once; all stock ones when none is. Fetches what of them is missing, and no others. */
export function chooseKernels(
  { names, images, modules }: Asked,
  otherwise: readonly StockName[] = STOCK_NAMES,
): Kernel[] {
  if (modules !== undefined && images.length === 0) {
    throw new UsageError("--modules is about a kernel of --kernel: the stock kernels have their own");
  }
  const stock = names.length + images.length > 0 ? [...new Set(names.map(stockName))] : otherwise;
  const others = [...new Set(images)].map((image) => {
    if (!existsSync(image)) throw new UsageError(`there is no kernel ${image}`);
    return kernelAt(image, modules);
  });
  fetchKernels(stock);
  return apart([...stock.map(stockKernel), ...others]);
}

function stockName(word: string): StockName {
  const name = STOCK_NAMES.find((each) => each === word);
  if (name !== undefined) return name;
  throw new UsageError(`there is no stock kernel ${word}; there are: ${STOCK_NAMES.join(", ")}`);
}

/** Two of one name, as two source trees' `bzImage`, get numbers: tables and files go by the name. */
function apart(kernels: readonly Kernel[]): Kernel[] {
  return kernels.map((kernel, index) => {
    const before = kernels.slice(0, index).filter(({ name }) => name === kernel.name).length;
    return before === 0 ? kernel : { ...kernel, name: `${kernel.name}-${before + 1}` };
  });
}
