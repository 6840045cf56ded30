import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Release } from "./architecture.ts";
import { copyright, exampleFiles, generated, REPOSITORY, unitFiles } from "./contents.ts";
import { type Entry, must, writeTree } from "./tree.ts";

/**
 * Packs dp and what belongs to it as it is laid out under /usr/local: `cp -r bin lib share /usr/local` installs it.
 *
 * @param level of xz: 0 is fast, 6 is a seventh smaller and takes ten times as long
 * @returns the name of the file
 */
export function packTarball(release: Release, folder: string, level: number): string {
  const { version, arch, date } = release;
  const name = `datapath-${version}-linux-${arch}`;
  const tree = join(folder, name);
  const entries = tarballFiles(release);
  writeTree(tree, [...entries, { path: "SHA256SUMS", content: checksums(entries) }]);
  const archive = `${name}.tar`;
  const same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];
  must(["tar", ...same, `--mtime=@${date.getTime() / 1000}`, "-cf", archive, name], { cwd: folder });
  // Two threads whatever the machine has: with one the bytes are others.
  must(["xz", `-${level}`, "--threads=2", "--force", archive], { cwd: folder });
  rmSync(tree, { recursive: true });
  return `${archive}.xz`;
}

function tarballFiles(release: Release): Entry[] {
  const { bash, zsh, fish, manPage } = generated(release);
  return [
    { path: "LICENSE", content: { file: join(REPOSITORY, "LICENSE") } },
    { path: "README.md", content: { file: join(REPOSITORY, "docs/install.md") } },
    { path: "bin/dp", content: { file: release.executable }, mode: 0o755 },
    ...unitFiles("lib/systemd", "/usr/local/bin/dp"),
    { path: "share/bash-completion/completions/dp", content: bash },
    { path: "share/zsh/site-functions/_dp", content: zsh },
    { path: "share/fish/vendor_completions.d/dp.fish", content: fish },
    { path: "share/man/man1/dp.1", content: manPage },
    { path: "share/doc/datapath/copyright", content: copyright() },
    ...exampleFiles("share/doc/datapath/examples"),
  ];
}

/** As `sha256sum --check` reads them. */
export function checksums(entries: readonly Entry[]): string {
  return entries.map(({ path, content }) => `${sha256(content)}  ${path}\n`).join("");
}

function sha256(content: Entry["content"]): string {
  const bytes = typeof content === "string" || content instanceof Uint8Array ? content : readFileSync(content.file);
  return createHash("sha256").update(bytes).digest("hex");
}
