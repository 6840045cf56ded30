import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ARCHITECTURES, type Release } from "./architecture.ts";
import { copyright, exampleFiles, generated, REPOSITORY, unitFiles } from "./contents.ts";
import { type Entry, must, writeTree } from "./tree.ts";

const PACKAGE = "datapath";

/** Who answers for the package: a vendor who hands it out sets DEBFULLNAME and DEBEMAIL, as for Debian's own tools. */
const MAINTAINER = `${process.env["DEBFULLNAME"] ?? "datapath"} <${process.env["DEBEMAIL"] ?? "root@localhost.localdomain"}>`;

/** What the runtime, koffi's module and libbpf's functions take. A test compares it with the symbols they ask for. */
export const DEPENDS = ["libbpf1 (>= 1:1.1)", "libc6 (>= 2.25)", "libgcc-s1", "libstdc++6 (>= 7)"];

const template = (name: string) => readFileSync(join(import.meta.dirname, "debian", name), "utf8");

/**
 * Builds the Debian package, without root.
 *
 * @param level of xz
 * @returns the name of the file
 */
export function packDebian(release: Release, folder: string, level: number): string {
  const { date, arch } = release;
  const version = debianVersion(release.version);
  const name = `${PACKAGE}_${version}_${ARCHITECTURES[arch].debian}.deb`;
  const tree = join(folder, `${name}.tree`);
  const entries = debianFiles(release, version);
  writeTree(tree, [...entries, ...controlFiles(entries, release, version)]);
  const env = { SOURCE_DATE_EPOCH: String(date.getTime() / 1000), DPKG_DEB_THREADS_MAX: "2" };
  must(["dpkg-deb", "--root-owner-group", "-Zxz", `-z${level}`, "--build", tree, join(folder, name)], { env });
  rmSync(tree, { recursive: true });
  return name;
}

/** 1.0.0-beta.1 comes before 1.0.0, which Debian writes with a tilde. */
function debianVersion(version: string): string {
  return version.replace("-", "~");
}

function debianFiles(release: Release, version: string): Entry[] {
  const { bash, zsh, fish, manPage } = generated(release);
  const documents = `usr/share/doc/${PACKAGE}`;
  return [
    { path: "usr/bin/dp", content: { file: release.executable }, mode: 0o755 },
    { path: `etc/default/${PACKAGE}`, content: template("default") },
    ...unitFiles("usr/lib/systemd", "/usr/bin/dp"),
    { path: "usr/share/bash-completion/completions/dp", content: bash },
    { path: "usr/share/zsh/vendor-completions/_dp", content: zsh },
    { path: "usr/share/fish/vendor_completions.d/dp.fish", content: fish },
    { path: "usr/share/man/man1/dp.1.gz", content: compressed(manPage) },
    { path: `${documents}/copyright`, content: copyright() },
    { path: `${documents}/changelog.gz`, content: compressed(changelog(release, version)) },
    { path: `${documents}/README.md`, content: { file: join(REPOSITORY, "docs/install.md") } },
    ...exampleFiles(`${documents}/examples`),
    { path: `usr/share/lintian/overrides/${PACKAGE}`, content: template("lintian-overrides") },
  ];
}

function controlFiles(entries: readonly Entry[], release: Release, version: string): Entry[] {
  const units = entries.flatMap(({ path }) => /\/systemd\/system\/([^/]+\.service)$/.exec(path)?.[1] ?? []);
  const script = (name: string) => ({
    path: `DEBIAN/${name}`,
    content: template(name).replaceAll("@UNITS@", units.join(" ")),
    mode: 0o755,
  });
  return [
    { path: "DEBIAN/control", content: control(entries, release, version) },
    { path: "DEBIAN/conffiles", content: `/etc/default/${PACKAGE}\n` },
    { path: "DEBIAN/md5sums", content: md5sums(entries) },
    script("postinst"),
    script("prerm"),
    script("postrm"),
  ];
}

function control(entries: readonly Entry[], { arch }: Release, version: string): string {
  return `Package: ${PACKAGE}
Version: ${version}
Architecture: ${ARCHITECTURES[arch].debian}
Maintainer: ${MAINTAINER}
Installed-Size: ${Math.ceil(entries.reduce((sum, { content }) => sum + sizeOf(content), 0) / 1024)}
Depends: ${DEPENDS.join(", ")}
Section: net
Priority: optional
${template("description")}`;
}

function changelog({ version: upstream, date }: Release, version: string): string {
  // "Mon, 23 Nov 2026 16:00:00 +0000"
  const time = date.toUTCString().replace("GMT", "+0000");
  return `${PACKAGE} (${version}) unstable; urgency=medium\n\n  * dp ${upstream}.\n\n -- ${MAINTAINER}  ${time}\n`;
}

function bytesOf(content: Entry["content"]): string | Uint8Array {
  return typeof content === "string" || content instanceof Uint8Array ? content : readFileSync(content.file);
}

function sizeOf(content: Entry["content"]): number {
  return Buffer.byteLength(bytesOf(content));
}

/** For dpkg --verify. Not of configuration files, which dpkg keeps account of itself. */
function md5sums(entries: readonly Entry[]): string {
  return entries
    .filter(({ path }) => !path.startsWith("etc/"))
    .map(({ path, content }) => `${new Bun.CryptoHasher("md5").update(bytesOf(content)).digest("hex")}  ${path}\n`)
    .join("");
}

/** As `gzip -9n` does: neither time nor name. */
function compressed(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}
