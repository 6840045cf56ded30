import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "./failure.ts";

/** What exports has for each condition; strings all the way down in these packages. */
type Exports = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly files?: readonly string[];
  readonly bin?: Readonly<Record<string, string>>;
  /** A man page, which a global installation gives to man(1). */
  readonly man?: string;
  readonly exports?: Exports;
  readonly publishConfig?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly directory: string;
  readonly manifest: Manifest;
}

export const readManifest = (directory: string) =>
  JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** The packages of a checkout that are published, each after those it depends on. */
export function publicPackages(checkout: string): Package[] {
  const packages = readdirSync(join(checkout, "packages"))
    .toSorted()
    .map((folder) => join(checkout, "packages", folder))
    .map((directory) => ({ directory, manifest: readManifest(directory) }))
    .filter(({ manifest }) => manifest.private !== true)
    .map((found) => ({ ...found, name: found.manifest.name, version: found.manifest.version }));

  const ordered: Package[] = [];
  const visit = (wanted: Package, path: readonly string[]): void => {
    if (ordered.includes(wanted)) return;
    if (path.includes(wanted.name))
      throw new Failure(`packages depend on each other: ${[...path, wanted.name].join(", ")}`);
    for (const sibling of packages) {
      if (sibling.name in (wanted.manifest.dependencies ?? {})) visit(sibling, [...path, wanted.name]);
    }
    ordered.push(wanted);
  };
  for (const each of packages) visit(each, []);
  return ordered;
}
