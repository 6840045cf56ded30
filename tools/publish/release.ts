/** `tools/release`: see there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commitVersions, freshCheckout, removeCheckout, requireCleanTree, takeOver } from "./checkout.ts";
import { problemsOf } from "./contents.ts";
import { Failure } from "./failure.ts";
import { importEverything } from "./imports.ts";
import { Registry } from "./registry.ts";
import { parseRequest } from "./request.ts";
import { run } from "./run.ts";
import { pack, type Tarball } from "./tarball.ts";
import { publicPackages } from "./workspace.ts";

const say = (line: string) => console.log(line);

async function release(root: string): Promise<void> {
  const { registry: url, dryRun } = parseRequest(process.argv.slice(2));
  requireCleanTree(root);
  const registry = new Registry(url, root);
  if (!dryRun) say(`publishing to ${url} as ${await registry.user()}`);
  try {
    const checkout = freshCheckout(root);
    commitVersions(checkout);
    const tarballs = build(checkout);
    const missing = await missingFrom(registry, tarballs);
    for (const tarball of tarballs) say(describe(tarball, missing.includes(tarball), dryRun));
    if (dryRun) return say("dry run: nothing was committed or published");
    takeOver(root, checkout);
    const access = (JSON.parse(readFileSync(join(checkout, ".changeset/config.json"), "utf8")) as { access: string })
      .access;
    await publish(registry, missing, access);
    const nothing = "nothing to publish: write a changeset first, with: bun run changeset";
    say(missing.length === 0 ? nothing : "done; the commit is yours to push");
  } finally {
    removeCheckout(root);
  }
}

/** Builds and packs all packages, and looks at what comes out: as files, then as modules. */
function build(checkout: string): Tarball[] {
  const packages = publicPackages(checkout);
  const never = packages.filter(({ version }) => version === "0.0.0").map(({ name }) => name);
  if (never.length > 0) {
    throw new Failure(`no changesets, and no version yet: ${never.join(", ")}`, "write one, with: bun run changeset");
  }
  run(checkout, ["turbo", "run", "build", "--filter=./packages/*", "--output-logs=errors-only"], "build");
  const work = join(checkout, "../packed");
  const tarballs = packages.map((each) => pack(each, work));
  const problems = packages.flatMap((each, index) => problemsOf(each, tarballs[index] as Tarball, packages));
  if (problems.length > 0) throw new Failure(`not fit to be published:\n${problems.join("\n")}`);
  importEverything(packages, tarballs, join(checkout, "../installed"));
  return tarballs;
}

async function missingFrom(registry: Registry, tarballs: readonly Tarball[]): Promise<Tarball[]> {
  const there = await Promise.all(tarballs.map((tarball) => registry.has(tarball)));
  return tarballs.filter((_, index) => !there[index]);
}

function describe({ manifest, size, files }: Tarball, missing: boolean, dryRun: boolean): string {
  const what = missing ? (dryRun ? "would be published" : "to be published") : "is there already";
  const facts = `${files.length} files, ${Math.ceil(size / 1024)} KiB`;
  return `${`${manifest.name} ${manifest.version}`.padEnd(24)} ${facts.padEnd(20)} ${what}`;
}

/** In order, so that what is there can be installed at any time. */
async function publish(registry: Registry, missing: readonly Tarball[], access: string): Promise<void> {
  for (const [index, tarball] of missing.entries()) {
    try {
      await registry.publish(tarball, access);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const left = missing.slice(index).map(({ manifest }) => `${manifest.name} ${manifest.version}`);
      throw new Failure(
        `${error.message}\nnot published: ${left.join(", ")}`,
        [error.hint, "run this again to go on"].filter(Boolean).join("; "),
      );
    }
    say(`published ${tarball.manifest.name} ${tarball.manifest.version}`);
  }
}

try {
  await release(join(import.meta.dirname, "../.."));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`release: ${error.message}`);
  if (error.hint !== undefined) console.error(`hint: ${error.hint}`);
  process.exitCode = 1;
}
