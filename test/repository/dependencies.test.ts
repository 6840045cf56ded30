import { expect, test } from "bun:test";
// docs/dependencies.md says why each dependency is there. Here: that it names those there are, and no others.
import { basename } from "node:path";
import { read, trackedFiles } from "./tracked-files.ts";

interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** "koffi: @dp/core, @dp/sys" */
const line = (dependency: string, users: Iterable<string>) => `${dependency}: ${[...users].toSorted().join(", ")}`;

function declared(): string[] {
  const users = new Map<string, Set<string>>();
  for (const path of trackedFiles()) {
    if (basename(path) !== "package.json") continue;
    const { name, dependencies = {}, devDependencies = {} } = JSON.parse(read(path)) as Manifest;
    for (const dependency of Object.keys({ ...dependencies, ...devDependencies })) {
      if (dependency.startsWith("@dp/")) continue;
      users.set(dependency, (users.get(dependency) ?? new Set()).add(name));
    }
  }
  return [...users].map(([dependency, names]) => line(dependency, names)).toSorted();
}

function documented(): string[] {
  const rows = read("docs/dependencies.md").matchAll(
    /^\| (?<dependency>\S+) \| (?<users>[^|]+) \| (?<why>[^|]+) \|$/gm,
  );
  return [...rows]
    .map(({ groups = {} }) => groups)
    .filter(({ dependency }) => dependency !== "dependency" && dependency !== "---")
    .map(({ dependency = "", users = "" }) => line(dependency, users.split(", ")))
    .toSorted();
}

test("docs/dependencies.md names every dependency, who has it, and why", () => {
  expect(documented()).toEqual(declared());
});

test("what users install is koffi and clipanion", () => {
  const published = ["sys", "bpf", "core", "netlink", "host", "proxy", "cli"].flatMap((name) =>
    Object.keys((JSON.parse(read(`packages/${name}/package.json`)) as Manifest).dependencies ?? {}),
  );
  expect(new Set(published.filter((name) => !name.startsWith("@dp/")))).toEqual(new Set(["koffi", "clipanion"]));
});
