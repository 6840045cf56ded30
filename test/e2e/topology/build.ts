/**
 * Other builds of `dp`: this repository's own sources with changes, built as a release is, elsewhere. What another
 * version of datapath is on a host, that is what it is in a test.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { must } from "@dp/test-kit/program.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");

/** Path in the repository → what is replaced in that file; each has to be there exactly once. */
export type Changes = Readonly<Record<string, readonly (readonly [from: string, to: string])[]>>;

/** A build of its own, gone when it is disposed of. */
export class Build implements Disposable {
  /** The executable. */
  readonly dp: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.dp = join(folder, "packages/cli/dist/dp");
  }

  static async create(changes: Changes): Promise<Build> {
    const folder = mkdtempSync(join(tmpdir(), "build-"));
    try {
      copySources(folder);
      for (const [file, edits] of Object.entries(changes)) change(join(folder, file), edits);
      for (const step of ["bpf/build/generate.ts", "bpf/build/objects.ts", "cli/build/compile.ts"]) {
        await must(["bun", join(folder, "packages", step)]);
      }
      return new Build(folder);
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** All that a build reads. What is installed is the repository's own. */
function copySources(folder: string): void {
  const built = /\/(dist|test|\.turbo)$/;
  cpSync(join(REPOSITORY, "bpf"), join(folder, "bpf"), { recursive: true });
  mkdirSync(join(folder, "packages"));
  cpSync(join(REPOSITORY, "packages"), join(folder, "packages"), {
    recursive: true,
    // As they are: they lead from one package to the next.
    verbatimSymlinks: true,
    filter: (path) => !built.test(`/${relative(REPOSITORY, path)}`),
  });
  for (const file of ["package.json", "tsconfig.base.json"]) cpSync(join(REPOSITORY, file), join(folder, file));
  symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
}

function change(path: string, edits: Changes[string] = []): void {
  let text = readFileSync(path, "utf8");
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`${path} does not have this once: ${from}`);
    text = text.replace(from, () => to);
  }
  writeFileSync(path, text);
}
