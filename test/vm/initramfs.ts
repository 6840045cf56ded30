/** The machine's only filesystem: Debian's programs as this machine has them, and datapath as it was built here. */
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { compileBpf } from "@dp/test-kit/compile-bpf.ts";
import { Cpio } from "./cpio.ts";
import { ITERATORS } from "./guest/cases/walk-map.ts";
import type { Kernel } from "./kernel.ts";
import { libraryNamed, librariesOf } from "./libraries.ts";
import { modulesFor } from "./modules.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Where it is in the machine, with its files where they are here. */
const PROJECT = "/datapath";
const DP = "packages/cli/dist/dp";

/** What busybox has too, but less of it. Its shells would run its own `ip` and `tc`: these are others. */
const PROGRAMS = [
  "dash",
  "bash",
  "ip",
  "bridge",
  "ss",
  "tc",
  "nsenter",
  "unshare",
  "sysctl",
  "ethtool",
  "bpftool",
  "nft",
];

/** Opened at run time: by dp, and by the native module in it. */
const LIBRARIES = ["libbpf.so.1", "libstdc++.so.6", "libgcc_s.so.1"];

/** Beside dp: what the cases run. With packages' sources and koffi, scripts in there can import @dp/core. */
const SOURCES = [
  "test/vm/guest",
  "test/vm/node_modules",
  "test/e2e/node_modules/@dp",
  "test/kit",
  "test/e2e/topology",
  "test/e2e/traffic",
  "test/e2e/internet",
  "packages/sys",
  "packages/bpf",
  "packages/core",
];

/** What a kernel needs for the topologies, unless it has it built in. */
const MODULES = [
  "veth",
  "bridge",
  "8021q",
  "bonding",
  "dummy",
  "sch_ingress",
  "cls_bpf",
  "nf_tables",
  "tcp_diag",
  "udp_diag",
];

/** Writes what is the same for every kernel. */
export function writeBase(path: string): void {
  using cpio = new Cpio(path);
  for (const folder of ["proc", "sys", "run", "root", "tmp", "bin"]) cpio.folder(folder);
  cpio.symlink("sbin", "bin");
  cpio.copy("init", join(import.meta.dirname, "guest", "init"), 0o755);
  const files = PROGRAMS.map(programNamed);
  for (const file of files) cpio.copy(`bin/${basename(file)}`, file, 0o755);
  cpio.symlink("bin/sh", "dash");
  addBusybox(cpio);

  const dp = join(ROOT, DP);
  const opened = LIBRARIES.map(libraryNamed);
  for (const library of new Set([...librariesOf([...files, ...opened, dp]), ...opened])) {
    cpio.copy(library, library, 0o755);
  }
  cpio.copy(join(PROJECT, DP), dp, 0o755);
  cpio.symlink("bin/dp", join(PROJECT, DP));
  // The runtime that is in it.
  cpio.file("bin/bun", `#!/bin/sh\nBUN_BE_BUN=1 exec ${join(PROJECT, DP)} "$@"\n`, 0o755);
  for (const source of SOURCES) addTree(cpio, source);
  cpio.file(join(PROJECT, ITERATORS), compileBpf(join(ROOT, "packages/core/test/fixtures/iter.bpf.c")));
  for (const folder of koffiFolders()) addTree(cpio, folder);
}

/** Writes all a machine needs: the base, and its kernel's modules. */
export function writeInitramfs(path: string, base: string, kernel: Kernel): void {
  using cpio = new Cpio(path, base);
  const modules = kernel.modules === undefined ? [] : modulesFor(kernel.modules, MODULES);
  for (const { name, bytes } of modules) cpio.file(`modules/${name}.ko`, bytes);
  cpio.file("modules/order", modules.map(({ name }) => `${name}\n`).join(""));
}

function addBusybox(cpio: Cpio): void {
  const busybox = programNamed("busybox");
  cpio.copy("bin/busybox", busybox, 0o755);
  const applets = Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n");
  for (const applet of applets) if (!cpio.has(`bin/${applet}`)) cpio.symlink(`bin/${applet}`, "busybox");
}

function programNamed(name: string): string {
  const file = Bun.which(name, { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` });
  if (file === null) throw new Error(`${name} is not installed: run tools/bootstrap --tests`);
  return file;
}

/** A folder of the project with all in it, symbolic links as they are, what was built left out. */
function addTree(cpio: Cpio, folder: string): void {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const source = join(ROOT, folder, entry.name);
    const path = join(PROJECT, folder, entry.name);
    if (entry.isSymbolicLink()) cpio.symlink(path, readlinkSync(source));
    else if (entry.isFile()) cpio.copy(path, source, statSync(source).mode & 0o777);
    else if (entry.isDirectory() && !LEFT_OUT.has(entry.name)) addTree(cpio, relative(ROOT, source));
  }
}

const LEFT_OUT = new Set(["dist", "test", ".turbo"]);

/** Bun keeps packages in node_modules/.bun and links to them. */
function koffiFolders(): string[] {
  const store = "node_modules/.bun";
  return readdirSync(join(ROOT, store))
    .filter((name) => /^(koffi|@koromix\+koffi-linux-x64)@/.test(name))
    .map((name) => join(store, name));
}
