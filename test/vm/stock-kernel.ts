/** The kernels Debian ships, fetched from its archive once and kept outside of the repository. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Kernel, kernelIn } from "./kernel.ts";

/** By the packages that always depend on the newest of each. */
const STOCK = { "6.1": "linux-image-cloud-amd64", "6.12": "linux-image-6.12-cloud-amd64" } as const;

export type StockName = keyof typeof STOCK;
export const STOCK_NAMES = Object.keys(STOCK) as StockName[];

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "datapath", "kernels");

/** Where the kernel of that name is kept, or would be. */
function placeOf(name: StockName): string {
  return join(CACHE, STOCK[name]);
}

/** Throws when it was not fetched. */
export function stockKernel(name: StockName): Kernel {
  if (existsSync(placeOf(name))) return kernelIn(placeOf(name), name);
  throw new Error(`Debian's kernel ${name} is not there: fetch it with tools/vm --fetch`);
}

/** Gets those of these that are missing; with `anew`, the newest of all of them. Throws when one cannot be had. */
export function fetchKernels(names: readonly StockName[] = STOCK_NAMES, anew = false): void {
  for (const name of names) if (anew || !existsSync(placeOf(name))) fetch(name);
}

function fetch(name: StockName): void {
  mkdirSync(CACHE, { recursive: true });
  const temporary = mkdtempSync(join(CACHE, "fetching-"));
  try {
    const latest = newest(STOCK[name]);
    must(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", latest], temporary);
    const archive = readdirSync(temporary).find((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new Error(`apt-get download ${latest} left no package`);
    must(["dpkg-deb", "--extract", archive, "root"], temporary);
    rmSync(placeOf(name), { recursive: true, force: true });
    renameSync(join(temporary, "root"), placeOf(name));
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** The kernel a package depends on. */
function newest(metapackage: string): string {
  const depends = () =>
    /^ +Depends: (linux-image-\S+)$/m.exec(
      // Fails as long as apt knows no archive's contents.
      Bun.spawnSync(["apt-cache", "depends", metapackage], { stderr: "ignore" }).stdout.toString(),
    )?.[1];
  let found = depends();
  if (found === undefined) {
    must(["apt-get", "update", "-q"]);
    found = depends();
  }
  if (found === undefined) throw new Error(`the archives this machine uses have no ${metapackage}`);
  return found;
}

function must(command: string[], cwd = "/"): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdin: "ignore" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit status ${exitCode}\n${stdout}${stderr}`);
}
