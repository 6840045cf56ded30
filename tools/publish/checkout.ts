import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Failure } from "./failure.ts";
import { run } from "./run.ts";
import { publicPackages } from "./workspace.ts";

/** What is committed is what is published: nothing may be in the clone beside it. */
export function requireCleanTree(root: string): void {
  const changes = run(root, ["git", "status", "--porcelain"], "look at the clone").trimEnd();
  if (changes === "") return;
  const shown = changes.split("\n");
  const more = shown.length > 10 ? `\n... and ${shown.length - 10} more` : "";
  throw new Failure(
    `the tree is dirty:\n${shown.slice(0, 10).join("\n")}${more}`,
    "commit it, or put it aside with: git stash --include-untracked",
  );
}

/**
 * A checkout of HEAD of its own, in .cache/release/checkout. All work is done there: whatever happens to it, the clone
 * is as it was, and what is built is built from what is committed. One that was left by a release that was killed goes.
 */
export function freshCheckout(root: string): string {
  const checkout = join(root, ".cache/release/checkout");
  removeCheckout(root);
  mkdirSync(dirname(checkout), { recursive: true });
  run(root, ["git", "worktree", "add", "--detach", checkout, "HEAD"], "check out HEAD");
  // The clone's own dependencies: bun.lock is the same, and nothing has to be fetched.
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  for (const folder of readdirSync(join(checkout, "packages"))) {
    const installed = join(root, "packages", folder, "node_modules");
    if (!existsSync(installed)) continue;
    cpSync(installed, join(checkout, "packages", folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  }
  return checkout;
}

export function removeCheckout(root: string): void {
  rmSync(join(root, ".cache/release"), { recursive: true, force: true });
  run(root, ["git", "worktree", "prune"], "forget an earlier checkout");
}

const pendingChangesets = (checkout: string) =>
  readdirSync(join(checkout, ".changeset")).filter((name) => name.endsWith(".md") && name !== "README.md");

/** Turns the changesets there are into versions and changelogs, in one commit. Without any, HEAD stays what it is. */
export function commitVersions(checkout: string): void {
  const head = () => run(checkout, ["git", "rev-parse", "HEAD"], "look at the checkout").trim();
  if (pendingChangesets(checkout).length === 0) return;
  const before = new Map(publicPackages(checkout).map(({ name, version }) => [name, version]));
  // @changesets/cli wants a newer Node than dp does.
  run(checkout, ["bun", "--bun", "node_modules/.bin/changeset", "version"], "changeset version");
  lockVersions(checkout);
  run(
    checkout,
    ["oxfmt", ...publicPackages(checkout).map(({ directory }) => join(directory, "package.json"))],
    "format",
  );
  const moved = publicPackages(checkout).filter(({ name, version }) => before.get(name) !== version);
  const subject = `Release ${moved.map(({ name, version }) => `${name} ${version}`).join(", ")}`;
  run(checkout, ["git", "add", "packages", ".changeset", "bun.lock"], "commit the versions");
  const parent = head();
  run(checkout, ["git", "commit", "--quiet", "-m", subject], "commit the versions");
  if (head() === parent) throw new Failure("commit the versions: there is no commit");
}

/**
 * bun.lock has the versions too, and packing takes those of siblings from there. `bun install` would bring it up to
 * date, and write the address of the registry into it where that is not bun's own.
 */
function lockVersions(checkout: string): void {
  const file = join(checkout, "bun.lock");
  let text = readFileSync(file, "utf8");
  for (const { name, version, directory } of publicPackages(checkout)) {
    const entry = new RegExp(`("packages/${basename(directory)}": \\{\\s*"name": "${name}",\\s*"version": ")[^"]*"`);
    if (!entry.test(text)) throw new Failure(`bun.lock does not have ${name}`, "bun install, and commit bun.lock");
    text = text.replace(entry, `$1${version}"`);
  }
  writeFileSync(file, text);
}

/** Takes the release's commit over into the clone: one step, which happens or does not. */
export function takeOver(root: string, checkout: string): void {
  const commit = run(checkout, ["git", "rev-parse", "HEAD"], "look at the checkout").trim();
  run(root, ["git", "merge", "--quiet", "--ff-only", commit], "take the release's commit over");
}
