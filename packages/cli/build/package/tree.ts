import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file of a package: what is in it, or where to copy it from. */
export interface Entry {
  path: string;
  content: string | Uint8Array | { file: string };
  /** The default is 0o644. */
  mode?: number;
}

/** Lays the files out in a folder. Folders are made as they are needed, all as anyone may read them. */
export function writeTree(folder: string, entries: readonly Entry[]): void {
  for (const { path, content, mode = 0o644 } of entries) {
    const target = join(folder, path);
    makeFolders(folder, dirname(path));
    if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(target, content);
    else copyFileSync(content.file, target);
    chmodSync(target, mode);
  }
}

/** Whatever the umask of who builds. */
function makeFolders(root: string, path: string): void {
  let folder = root;
  for (const part of path.split("/")) {
    folder = join(folder, part);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
  }
}

/** Runs a program to its end, and throws with what it said when it fails. Its standard output. */
export function must(
  command: readonly [string, ...string[]],
  options: { cwd?: string; env?: Record<string, string> } = {},
): string {
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: "C", ...options.env },
    maxBuffer: 2 ** 28,
  });
  if (error !== undefined) throw new Error(`${program}: ${error.message}`, { cause: error });
  if (status !== 0) throw new Error(`${command.join(" ")}: exit status ${status}\n${stdout}${stderr}`);
  return stdout;
}
