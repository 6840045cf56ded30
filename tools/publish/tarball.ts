import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Failure } from "./failure.ts";
import { run } from "./run.ts";
import { type Manifest, readManifest, type Package } from "./workspace.ts";

/** A package as it goes to a registry. */
export interface Tarball {
  readonly file: string;
  readonly size: number;
  /** As registries have it: sha512 in base64. */
  readonly integrity: string;
  /** Its content, unpacked. */
  readonly directory: string;
  /** Paths below `directory`, in order. */
  readonly files: readonly string[];
  readonly manifest: Manifest;
}

/** Packs a package, and unpacks it into `destination/NAME` to be looked at. */
export function pack(source: Package, destination: string): Tarball {
  const into = join(destination, "tarballs", source.name);
  mkdirSync(into, { recursive: true });
  run(
    source.directory,
    ["bun", "pm", "pack", "--quiet", "--ignore-scripts", "--destination", into],
    `pack ${source.name}`,
  );
  const [name, ...others] = readdirSync(into);
  if (name === undefined || others.length > 0) throw new Failure(`pack ${source.name}: not one tarball in ${into}`);
  const directory = join(destination, "unpacked", source.name);
  return unpack(join(into, name), directory);
}

function unpack(file: string, directory: string): Tarball {
  mkdirSync(directory, { recursive: true });
  run(directory, ["tar", "--no-same-owner", "--strip-components=1", "-xzf", file], `unpack ${file}`);
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
  const bytes = readFileSync(file);
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  return { file, size: bytes.byteLength, integrity, directory, files, manifest: readManifest(directory) };
}

/** The files that differ in a tarball that was packed elsewhere, for example by another version of Bun. */
export function differences(ours: Tarball, theirs: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), "published-"));
  try {
    const other = unpack(theirs, directory);
    const content = (tarball: Tarball, path: string) =>
      tarball.files.includes(path) ? readFileSync(join(tarball.directory, path)) : undefined;
    return [...new Set([...ours.files, ...other.files])].filter((path) => {
      const [mine, its] = [content(ours, path), content(other, path)];
      return mine === undefined || its === undefined || !mine.equals(its);
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
