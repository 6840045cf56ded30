/** What tools/package makes: unpacked, installed by dpkg, run, and looked at by lintian. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute, must } from "@dp/test-kit/program.ts";
import type { Release } from "../build/package/architecture.ts";
import { DEPENDS, packDebian } from "../build/package/debian.ts";
import { packTarball } from "../build/package/tarball.ts";
import packageJson from "../package.json" with { type: "json" };
import { EXECUTABLE, HostNamespace, requireExecutable } from "./support/host-namespace.ts";
import { InstalledRoot } from "./support/installed-root.ts";
import { dp } from "./support/terminal.ts";

requireExecutable();
/** Compression and emulated processors take minutes. */
const PACKAGING_MS = 300_000;
setDefaultTimeout(PACKAGING_MS);

const { version } = packageJson;
const TOOLS = join(import.meta.dirname, "../../../tools");
const ARCH = process.arch;
const OTHER = ARCH === "x64" ? "arm64" : "x64";
const DEBIAN = { x64: "amd64", arm64: "arm64" }[ARCH as "x64" | "arm64"];

let folder: string;
const NAME = `datapath-${version}-linux-${ARCH}`;
/** What is in the tarball. */
let tree: string;
/** What tar says of it. */
let listing: string[];
const debian = () => join(folder, `datapath_${version}_${DEBIAN}.deb`);

/** Runs a program that must succeed. */
const run = (...command: string[]) => must(command, { timeoutMs: PACKAGING_MS });

// For this machine's architecture: to pack the other one's as well takes twice as long, and does the same again.
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "package-"));
  tree = join(folder, NAME);
  const env = { DEBFULLNAME: "A Packager", DEBEMAIL: "packager@lists.debian.org" };
  const options = ["--arch", ARCH, "--level", "0", "--output", folder];
  const { code, stderr } = await execute([join(TOOLS, "package"), ...options], { env, timeoutMs: PACKAGING_MS });
  expect(code).toBe(0);
  const steps = [`compile dp for ${ARCH}`, `pack the tarball for ${ARCH}`, `pack the Debian package for ${ARCH}`];
  // The libraries are built before, which is a line of its own when it takes long.
  expect(stderr).toEndWith(steps.map((step) => `package: ${step}\n`).join(""));
  const verbose = ["--verbose", "--verbose", "--numeric-owner"];
  const list = await run("tar", ...verbose, "-C", folder, "-xf", join(folder, `${NAME}.tar.xz`));
  listing = list.trim().split("\n");
});

afterAll(() => rmSync(folder, { recursive: true }));

const UNITS = ["datapath-proxy.service", "datapath-agent.service", "datapath.service", "datapath.slice"];
const SERVICES = UNITS.filter((name) => name.endsWith(".service"));
const EXAMPLES = readdirSync(join(TOOLS, "../examples"), { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ name }) => name)
  .concat("systemd/README.md");

/** The files below a folder. */
function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}

describe("the tarball", () => {
  test("has its checksum in a file beside it, and contains the checksums of its files", async () => {
    await run("sh", "-c", `cd ${folder} && sha256sum --check --strict --quiet SHA256SUMS`);
    const packed = readFileSync(join(folder, "SHA256SUMS"), "utf8").trim().split("\n");
    expect(packed.map((line) => join(folder, line.slice(66)))).toEqual([join(folder, `${NAME}.tar.xz`), debian()]);

    await run("sh", "-c", `cd ${tree} && sha256sum --check --strict --quiet SHA256SUMS`);
    const summed = readFileSync(join(tree, "SHA256SUMS"), "utf8").trim().split("\n");
    expect([...summed.map((line) => line.slice(66)), "SHA256SUMS"].toSorted()).toEqual(filesOf(tree));
  });

  test("has all files of dp, in the layout of /usr/local", () => {
    expect(filesOf(tree)).toEqual(
      [
        "LICENSE",
        "README.md",
        "SHA256SUMS",
        "bin/dp",
        "lib/systemd/network/10-datapath.link",
        ...UNITS.map((name) => `lib/systemd/system/${name}`),
        "share/bash-completion/completions/dp",
        "share/doc/datapath/copyright",
        ...EXAMPLES.map((name) => `share/doc/datapath/examples/${name}`),
        "share/fish/vendor_completions.d/dp.fish",
        "share/man/man1/dp.1",
        "share/zsh/site-functions/_dp",
      ].toSorted(),
    );
    const unit = readFileSync(join(tree, "lib/systemd/system/datapath.service"), "utf8");
    expect(unit).toContain("ExecStart=/usr/local/bin/dp load ");
    expect(readFileSync(join(tree, "share/doc/datapath/copyright"), "utf8")).toContain("AFFERO GENERAL PUBLIC LICENSE");
  });

  test("is owned by root, and only dp is executable", () => {
    expect(listing.filter((line) => !/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) 0\/0 /.test(line))).toEqual([]);
    expect(listing.filter((line) => line.startsWith("-rwx")).map((line) => line.split("/").at(-1))).toEqual(["dp"]);
  });

  test("has the same executable as all other tests", () => {
    expect(readFileSync(join(tree, "bin/dp")).equals(readFileSync(EXECUTABLE))).toBe(true);
  });
});

/** Who looks for a completion, or the page, finds it. */
async function isFound(root: InstalledRoot): Promise<void> {
  // As a session has it, and without which fish does not look below /usr/local.
  const env = { XDG_DATA_DIRS: "/usr/local/share:/usr/share", PATH: "/usr/local/bin:/usr/bin:/bin" };
  expect((await root.run(["fish", "-c", 'complete -C "dp unl"'], env)).stdout).toStartWith("unload\t");
  expect((await root.run(["zsh", "-fc", "print -l $^fpath/_dp(N)"])).stdout.trim().split("\n")).toHaveLength(1);
  expect((await root.run(["man", "--pager=cat", "dp"])).stdout).toContain("add-server");
}

test("the tarball's folders, copied to /usr/local, are found", async () => {
  await using root = await InstalledRoot.make();
  await run("sh", "-c", `cd ${tree} && cp -r bin lib share ${root.path}/usr/local/`);
  await isFound(root);
  expect((await root.run(["dp", "--version"])).stdout).toBe(`${version}\n`);
  for (const unit of SERVICES) expect((await root.run(["systemctl", "is-enabled", unit])).stdout).toBe("disabled\n");
});

describe("the executable", () => {
  test("needs no newer libraries than the package depends on", async () => {
    const native = join(
      Bun.resolveSync("koffi", join(import.meta.dirname, "../../sys")),
      `../../@koromix/koffi-linux-${ARCH}/linux_${ARCH}/koffi.node`,
    );
    const asked = await run("llvm-readelf", "--version-info", EXECUTABLE, native);
    const newest = (prefix: string) =>
      [...asked.matchAll(new RegExp(`Name: ${prefix}_([0-9.]+)`, "g"))]
        .map(([, number = ""]) => number)
        .toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }))
        .at(-1);
    expect(DEPENDS).toContain(`libc6 (>= ${newest("GLIBC")})`);
    // The last ones of GCC 7.
    expect(DEPENDS).toContain("libstdc++6 (>= 7)");
    expect(Number(newest("GLIBCXX")?.split(".")[2])).toBeLessThanOrEqual(24);
    expect(Number(newest("CXXABI")?.split(".")[2])).toBeLessThanOrEqual(11);
  });

  test("is compiled for the other architecture as well", async () => {
    const modules = (await run(join(TOOLS, "package"), "--fetch")).trim();
    const foreign = join(folder, OTHER);
    const options = ["--arch", OTHER, "--modules", modules, "--outfile", foreign];
    await run(process.execPath, join(import.meta.dirname, "../build/compile.ts"), ...options);
    const header = await run("llvm-readelf", "--file-header", foreign);
    expect(header).toMatch({ x64: /Machine: .*X86-64/, arm64: /Machine: .*AArch64/ }[OTHER]);
    if (OTHER !== "arm64") return;

    // The emulator runs it as that machine would, but knows no bpf(2).
    const emulated = (...args: string[]) =>
      execute([join(TOOLS, "arm64"), foreign, ...args], { timeoutMs: PACKAGING_MS });
    expect(await emulated("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect(await emulated("add-server", "--help")).toEqual(await dp(["add-server", "--help"]));
    // That takes the native module, and this libbpf.
    expect(await emulated("list")).toMatchObject({ code: 3, stdout: "" });
    const { checks } = JSON.parse((await emulated("doctor", "--json")).stdout) as { checks: unknown[] };
    expect(checks).toContainEqual(expect.objectContaining({ name: "libbpf", ok: true }));
  });
});

test("the same release gives the same packages, in any folder and at any time", async () => {
  const executable = join(folder, "small");
  writeFileSync(executable, "not quite dp");
  const release: Release = { version: "1.2.3-rc.1", date: new Date("2026-11-23T16:00:00Z"), arch: "arm64", executable };
  const packed = [];
  for (const name of ["one", "other"]) {
    const place = join(folder, name);
    mkdirSync(place);
    const files = [packTarball(release, place, 0), packDebian(release, place, 0)];
    // In Debian's order, ~ comes first: a release candidate is older than its release.
    expect(files).toEqual(["datapath-1.2.3-rc.1-linux-arm64.tar.xz", "datapath_1.2.3~rc.1_arm64.deb"]);
    packed.push(files.map((file) => Bun.SHA256.hash(readFileSync(join(place, file)), "hex")));
    // What is made has no other time than that of the release: the file system has, to the second.
    await Bun.sleep(1100);
  }
  expect(packed[0]).toEqual(packed[1] as string[]);
});

describe("the Debian package", () => {
  test("has the fields of a Debian package", async () => {
    const fields = await run("dpkg-deb", "--field", debian());
    expect(fields).toContain(`Package: datapath\nVersion: ${version}\nArchitecture: ${DEBIAN}\n`);
    expect(fields).toContain("Maintainer: A Packager <packager@lists.debian.org>\n");
    expect(fields).toContain("Depends: libbpf1 (>= 1:1.1), ");
  });

  test("passes lintian", async () => {
    const flags = ["--allow-root", "--no-cfg", "--fail-on=error,warning"];
    const { code, stdout } = await execute(["lintian", ...flags, debian()], { timeoutMs: PACKAGING_MS });
    expect([code, stdout]).toEqual([0, ""]);
  });

  test("can be installed, used, removed and purged; the loaded programs stay after the removal", async () => {
    using host = new HostNamespace();
    // Mounts the pin root: before the mounts are copied.
    expect(await host.dp(["load"])).toMatchObject({ code: 0 });
    await using root = await InstalledRoot.make();
    const works = async (command: string[]) => {
      const { code, stdout, stderr } = await root.run(command);
      if (code !== 0) throw new Error(`${command.join(" ")}: ${code}\n${stdout}${stderr}`);
      return stdout;
    };
    const installed = (...args: string[]) =>
      root.runInside(host.inside, ["/usr/bin/dp", ...args], { DP_PIN_ROOT: host.pinRoot });

    await works(["dpkg", "--install", root.put(debian())]);
    expect(await works(["dpkg", "--verify", "datapath"])).toBe("");
    expect(await works(["dp", "--version"])).toBe(`${version}\n`);

    // systemd finds nothing wrong with the units, and none is enabled.
    const paths = UNITS.map((name) => `/usr/lib/systemd/system/${name}`);
    expect(await root.run(["systemd-analyze", "verify", ...paths])).toEqual({ code: 0, stdout: "", stderr: "" });
    for (const unit of SERVICES) expect((await root.run(["systemctl", "is-enabled", unit])).stdout).toBe("disabled\n");
    await works(["systemctl", "enable", ...SERVICES]);

    for (const [shell, file] of [
      ["bash", "bash-completion/completions/dp"],
      ["zsh", "zsh/vendor-completions/_dp"],
      ["fish", "fish/vendor_completions.d/dp.fish"],
    ] as const) {
      expect(await works(["dp", "completion", shell])).toBe(await works(["cat", `/usr/share/${file}`]));
    }
    await isFound(root);

    const container = host.container();
    expect(await installed("load")).toMatchObject({ code: 0, stderr: "" });
    expect(await installed("add-server", "--port", "25570", "--netns", container)).toMatchObject({
      code: 0,
      stderr: "",
    });

    const links = () => readdirSync(join(root.path, "etc/systemd/system/multi-user.target.wants"));
    await works(["dpkg", "--remove", "datapath"]);
    expect(existsSync(join(root.path, "usr/bin/dp"))).toBe(false);
    expect(links()).toContain("datapath.service");
    expect(JSON.parse((await host.dp(["list", "--json"])).stdout)).toMatchObject([
      { forwards: [{ port: 25570 }], state: "active" },
    ]);

    await works(["dpkg", "--purge", "datapath"]);
    expect(existsSync(join(root.path, "etc/default/datapath"))).toBe(false);
    expect(links().filter((name) => SERVICES.includes(name))).toEqual([]);
    expect(await host.dp(["unload", "--force"])).toMatchObject({ code: 0 });
  });
});
