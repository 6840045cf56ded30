import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";
import type { Tarball } from "./tarball.ts";
import type { Package } from "./workspace.ts";

/** Not committed, and yet what the sources import. */
const GENERATED: Readonly<Record<string, readonly string[]>> = { "@dp/bpf": ["src/objects.gen.ts"] };

/** Packed, in KiB: about twice what it is. What goes over has something in it that should not be. */
const SIZE_LIMITS: Readonly<Record<string, number>> = {
  "@dp/bpf": 600,
  "@dp/cli": 150,
  "@dp/core": 400,
  "@dp/host": 400,
  "@dp/netlink": 150,
  "@dp/proxy": 150,
  "@dp/sys": 60,
};

/** Everything that is wrong with a package as it would be published; nothing, when it is as it should be. */
export function problemsOf(source: Package, tarball: Tarball, siblings: readonly Package[]): string[] {
  return [
    ...manifestProblems(source, tarball, siblings),
    ...targetProblems(tarball),
    ...fileProblems(source, tarball),
    ...licenceProblems(source, tarball),
    ...sizeProblems(tarball),
  ].map((problem) => `${source.name}: ${problem}`);
}

function manifestProblems(source: Package, { manifest }: Tarball, siblings: readonly Package[]): string[] {
  const problems: string[] = [];
  if (manifest.name !== source.name || manifest.version !== source.version) {
    problems.push(`it was packed as ${manifest.name} ${manifest.version}`);
  }
  // It would win over --registry.
  if (manifest.publishConfig !== undefined) problems.push("publishConfig: says where it is published; --registry does");
  for (const field of ["dependencies", "optionalDependencies", "peerDependencies"] as const) {
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      const sibling = siblings.find((each) => each.name === name);
      if (sibling !== undefined ? range !== sibling.version : !/^\d+\.\d+\.\d+$/.test(range)) {
        problems.push(`${field}: ${name} ${range}, not ${sibling?.version ?? "an exact version"}`);
      }
    }
  }
  return problems;
}

/** Where `exports` and `bin` point to. */
function targetProblems({ manifest, files, directory }: Tarball): string[] {
  const problems: string[] = [];
  const missing = (target: string) => !files.includes(target.replace(/^\.\//, ""));
  for (const [path, conditions] of Object.entries(manifest.exports ?? {})) {
    for (const condition of ["bun", "types", "default"]) {
      const target = conditions[condition];
      if (target === undefined) problems.push(`exports: ${path} has nothing for ${condition}`);
      else if (missing(target)) problems.push(`exports: ${path}: ${condition}: there is no ${target}`);
    }
  }
  if (manifest.exports === undefined) problems.push("exports: there are none");
  for (const [command, target] of Object.entries(manifest.bin ?? {})) {
    if (missing(target)) problems.push(`bin: ${command}: there is no ${target}`);
    else if (!readFileSync(join(directory, target), "utf8").startsWith("#!/usr/bin/env node\n")) {
      problems.push(`bin: ${command}: ${target} does not begin with #!/usr/bin/env node`);
    }
  }
  return problems;
}

/** What its `files` name and git has, what is generated, the JavaScript of src, a man page: these, and no others. */
function fileProblems({ name, directory, manifest }: Package, { files }: Tarball): string[] {
  const listed = manifest.files ?? [];
  const named = (path: string) => listed.some((entry) => path === entry || path.startsWith(`${entry}/`));
  const committed = run(directory, ["git", "ls-files", "-z"], "list the files").split("\0").filter(named);
  const sources = [...committed, ...(GENERATED[name] ?? [])];
  const built = sources
    .filter((path) => path.startsWith("src/") && path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map((path) => path.replace(/^src\/(.*)\.ts$/, "dist/$1"))
    .flatMap((stem) => [`${stem}.js`, `${stem}.d.ts`]);
  const man = manifest.man === undefined ? [] : [manifest.man];
  const expected = new Set(["package.json", "README.md", "LICENSE", "CHANGELOG.md", ...man, ...sources, ...built]);
  const optional = existsSync(join(directory, "CHANGELOG.md")) ? [] : ["CHANGELOG.md"];
  return [
    ...[...expected]
      .filter((path) => !files.includes(path) && !optional.includes(path))
      .map((path) => `there is no ${path}`),
    ...files.filter((path) => !expected.has(path)).map((path) => `${path} should not be in it`),
  ];
}

/** The project's licence, and a text for everything else that `license` names. */
function licenceProblems({ directory }: Package, { manifest, files, directory: unpacked }: Tarball): string[] {
  const identifiers = (manifest.license ?? "").split(/[() ]+|AND|OR/).filter((part) => part !== "");
  const own = readFileSync(join(directory, "../../LICENSE"), "utf8");
  const problems = identifiers.includes("AGPL-3.0-only") ? [] : [`license: ${manifest.license}, without AGPL-3.0-only`];
  if (files.includes("LICENSE") && readFileSync(join(unpacked, "LICENSE"), "utf8") !== own) {
    problems.push("LICENSE is not the project's");
  }
  for (const identifier of identifiers.filter((each) => each !== "AGPL-3.0-only")) {
    if (!files.includes(`LICENSES/${identifier}.txt`)) problems.push(`there is no LICENSES/${identifier}.txt`);
  }
  return problems;
}

function sizeProblems({ manifest, size }: Tarball): string[] {
  const limit = SIZE_LIMITS[manifest.name];
  if (limit === undefined) return ["size: there is no limit for it in tools/publish/contents.ts"];
  return size <= limit * 1024 ? [] : [`size: ${Math.ceil(size / 1024)} KiB, over its limit of ${limit} KiB`];
}
