import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ROOT } from "./clone.ts";

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** The folders of what a package needs that is not ours, and of what that needs: as they are installed here. */
function installedFor(folder: string, found = new Map<string, string>()): Map<string, string> {
  const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
  const require = createRequire(join(folder, "package.json"));
  for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) {
    if (name.startsWith("@dp/") || found.has(name)) continue;
    const paths = require.resolve.paths(name) ?? [];
    const place = paths.map((path) => join(path, name)).find((path) => Bun.file(join(path, "package.json")).size > 0);
    // An optional one, for another machine.
    if (place === undefined) continue;
    found.set(name, realpathSync(place));
    installedFor(realpathSync(place), found);
  }
  return found;
}

/**
 * Publishes the installed copies of what our packages depend on: the registry asks no other one, and so they are the
 * ones that bun.lock has. Returns their names.
 */
export function publishThirdParty(
  packages: readonly string[],
  registry: string,
  folder: string,
  home: string,
): string[] {
  const found = new Map<string, string>();
  for (const name of packages) installedFor(join(ROOT, "packages", name), found);
  for (const [name, place] of found) {
    const copy = join(folder, name);
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(place, copy, { recursive: true, filter: (path) => !path.slice(place.length).includes("/node_modules") });
    const { status, stderr } = spawnSync("bun", ["publish", "--ignore-scripts", "--registry", registry], {
      cwd: copy,
      env: { ...process.env, HOME: home },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`publish ${name}: ${stderr}`);
  }
  return [...found.keys()].toSorted();
}
