import { describe, expect, test } from "bun:test";
// What users of a package will notice is written down with the change. A change that they do not notice, a comment or a
// refactoring, has an empty changeset: `bun run changeset --empty`.
import { git, read, trackedFiles } from "./tracked-files.ts";

/** A changeset: the packages that it names. */
interface Changeset {
  path: string;
  packages: readonly string[];
}

function changesetOf(path: string, text: string): Changeset {
  const [, front] = /^---\n((?:.*\n)*?)---\n/.exec(text) ?? [];
  const lines = front?.split("\n").filter((line) => line !== "");
  const packages = lines?.map((line) => /^"(@dp\/[a-z]+)": (?:patch|minor|major)$/.exec(line)?.[1]);
  // One that cannot be read would count as an empty one.
  if (packages === undefined || packages.includes(undefined)) throw new Error(`${path}: not a changeset: ${front}`);
  return { path, packages: packages as string[] };
}

/** The packages whose source is among these files. */
function changedPackages(files: readonly string[]): string[] {
  const names = files.flatMap((path) => {
    const [, name] = /^packages\/([^/]+)\/src\//.exec(path) ?? [];
    if (name !== undefined) return [`@dp/${name}`];
    // The compiled programs are in @dp/bpf.
    return path.startsWith("bpf/") ? ["@dp/bpf"] : [];
  });
  return [...new Set(names)].sort();
}

/** The changed packages that no changeset names. An empty changeset stands for all. */
function withoutChangeset(changed: readonly string[], changesets: readonly Changeset[]): string[] {
  if (changesets.some(({ packages }) => packages.length === 0)) return [];
  return changed.filter((name) => !changesets.some(({ packages }) => packages.includes(name)));
}

const changesets = trackedFiles(".changeset/*.md")
  .filter((path) => path !== ".changeset/README.md")
  .map((path) => changesetOf(path, read(path)));

/** Files that were changed since a commit, in commits and in the work tree. */
function filesSince(commit: string): string[] {
  const committed = git("diff", "--name-only", commit).split("\n");
  return [...committed, ...git("ls-files", "--others", "--exclude-standard").split("\n")].filter((path) => path !== "");
}

/** The last release: the commit that last changed a changelog. Before the first one, everything is new. */
function lastRelease(): string {
  const [commit = ""] = git("log", "-1", "--format=%H", "--", "packages/*/CHANGELOG.md").split("\n");
  return commit === "" ? git("hash-object", "-t", "tree", "/dev/null").trim() : commit;
}

/** Where this branch left the main one; undefined on the main branch, or in a clone that does not have it. */
function branchPoint(): string | undefined {
  for (const main of ["main", "origin/main"]) {
    try {
      const base = git("merge-base", main, "HEAD").trim();
      return base === git("rev-parse", "HEAD").trim() ? undefined : base;
    } catch {
      // No such branch here.
    }
  }
  return undefined;
}

describe("every change of a package's source has a changeset", () => {
  test("since the last release", () => {
    const named = changesets.filter(({ packages }) => packages.length > 0);
    expect(named.length).toBeGreaterThan(0);
    expect(withoutChangeset(changedPackages(filesSince(lastRelease())), named)).toEqual([]);
  });

  test("on this branch", () => {
    const base = branchPoint();
    const files = base === undefined ? [] : filesSince(base);
    const here = changesets.filter(({ path }) => files.includes(path));
    expect(withoutChangeset(changedPackages(files), here)).toEqual([]);
  });

  const named = changesetOf("one.md", '---\n"@dp/core": minor\n"@dp/cli": patch\n---\n\nText.\n');
  const changed = changedPackages([
    "packages/core/src/index.ts",
    "packages/host/src/load.ts",
    "packages/sys/test/fd.test.ts",
  ]);

  test("a package without one is found", () => {
    expect(withoutChangeset(changed, [named])).toEqual(["@dp/host"]);
    expect(withoutChangeset(changedPackages(["bpf/lib/drop.h"]), [named])).toEqual(["@dp/bpf"]);
  });

  test("an empty changeset says that users notice nothing", () => {
    expect(withoutChangeset(changed, [changesetOf("empty.md", "---\n---\n")])).toEqual([]);
  });

  test.each(["Text.\n", '---\n"@dp/core": minor "@dp/cli": patch\n---\n', '---\n"@dp/core": big\n---\n'])(
    "%j is not a changeset",
    (text) => {
      expect(() => changesetOf("broken.md", text)).toThrow("broken.md: not a changeset");
    },
  );
});

test("changesets name packages that there are", () => {
  const packages = trackedFiles("packages/*/package.json").map((path) => `@dp/${path.split("/")[1]}`);
  const named = changesets.flatMap(({ packages: names }) => names);
  expect(named.filter((name) => !packages.includes(name))).toEqual([]);
});
