/** The files of this repository: those that git has, and those that it would add. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** Runs git in the repository. Throws an `Error` with git's message when it fails. */
export function git(...args: string[]): string {
  // Root may look at another user's clone.
  const { status, stdout, stderr } = spawnSync("git", ["-c", "safe.directory=*", ...args], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr.trim()}`);
  return stdout;
}

/** @param patterns as for `git ls-files`; none: all files */
export function trackedFiles(...patterns: string[]): string[] {
  return git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...patterns)
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

/** @param path from the root of the repository */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
