import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** A module's file and its contents, as insmod takes them. */
export interface Module {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The modules of these names and all they need, in the order to load them. What the kernel has built in is left out.
 *
 * A package holds no modules.dep, which is made when it is installed; but every module says itself what it needs.
 *
 * @param folder as /lib/modules/RELEASE is
 */
export function modulesFor(folder: string, names: readonly string[]): Module[] {
  const files = new Map(
    readdirSync(join(folder, "kernel"), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.ko(\.xz)?$/.test(file))
      .map((file) => [nameOf(file), join(folder, "kernel", file)]),
  );
  const builtin = new Set(readFileSync(join(folder, "modules.builtin"), "utf8").split("\n").map(nameOf));
  const ordered = new Map<string, Module>();
  const add = (name: string) => {
    if (ordered.has(name) || builtin.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new Error(`${folder} has no module ${name}`);
    const bytes = read(file);
    for (const needed of dependencies(bytes)) add(needed);
    ordered.set(name, { name, bytes });
  };
  for (const name of names) add(name);
  return [...ordered.values()];
}

/** The kernel takes "-" and "_" for the same. */
function nameOf(file: string): string {
  return basename(file)
    .replace(/\.ko(\.xz)?$/, "")
    .replaceAll("-", "_");
}

function read(file: string): Uint8Array {
  if (!file.endsWith(".xz")) return readFileSync(file);
  const { exitCode, stdout, stderr } = Bun.spawnSync(["xz", "--decompress", "--stdout", file]);
  if (exitCode !== 0) throw new Error(`xz --decompress ${file}: ${stderr}`);
  return stdout;
}

/** The section .modinfo is text, "key=value" after "key=value", each with a NUL after it. */
function dependencies(module: Uint8Array): string[] {
  const key = "\0depends=";
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  const at = bytes.indexOf(key);
  if (at < 0) return [];
  const start = at + key.length;
  const list = bytes.toString("latin1", start, bytes.indexOf(0, start));
  return list === "" ? [] : list.split(",").map(nameOf);
}
