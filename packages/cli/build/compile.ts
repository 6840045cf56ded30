/**
 * Compiles dist/dp: the command line, its libraries and the runtime in one executable file. To build for another
 * architecture, it needs that architecture's npm packages in a folder:
 *
 *     bun build/compile.ts [--outfile FILE] [--arch arm64 --modules FOLDER/node_modules]
 *
 * koffi loads its native module through createRequire, which a bundler does not see. Its static.js is replaced by one
 * that names the module of the platform that is built for, so that it is embedded.
 *
 * Each command is a process of its own, so its start has to be fast: nothing is parsed at run time, a command loads
 * only the chunks that it needs, and code that runs once is not compiled to machine code.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";
import packageJson from "../package.json" with { type: "json" };

const { values: options } = parseArgs({
  options: { outfile: { type: "string" }, arch: { type: "string" }, modules: { type: "string" } },
});
const root = dirname(import.meta.dir);
const outfile = resolve(options.outfile ?? join(root, "dist", "dp"));
const arch = options.arch ?? process.arch;
const modules = options.modules === undefined ? undefined : resolve(options.modules);

/** Resolves as @dp/sys does: koffi is a dependency of @dp/sys, not of this package. */
const fromSys = createRequire(join(root, "..", "sys", "package.json"));
const koffi = fromSys.resolve("koffi");

const NATIVE: Readonly<Record<string, string>> = {
  x64: "@koromix/koffi-linux-x64/linux_x64/koffi.node",
  arm64: "@koromix/koffi-linux-arm64/linux_arm64/koffi.node",
  riscv64: "@koromix/koffi-linux-riscv64/linux_riscv64/koffi.node",
};

function nativeModule(): string {
  const name = NATIVE[arch];
  if (name === undefined) throw new Error(`koffi has no native module for ${arch}`);
  return modules === undefined ? createRequire(koffi).resolve(name) : join(modules, name);
}

/** The runtime that is put into the executable: the one that runs this, unless it is for another architecture. */
function runtime(modules: string): Pick<Bun.CompileBuildOptions, "target" | "executablePath"> {
  const name = `linux-${arch === "arm64" ? "aarch64" : arch}`;
  return {
    target: `bun-${name}` as Bun.Build.CompileTarget,
    executablePath: join(modules, "@oven", `bun-${name}`, "bin/bun"),
  };
}

const embedKoffi: BunPlugin = {
  name: "embed koffi's native module",
  setup(build) {
    build.onLoad({ filter: /\/koffi\/src\/koffi\/src\/static\.js$/ }, () => ({
      loader: "js",
      contents: `import native from ${JSON.stringify(nativeModule())};\nexport const loadStatic = () => native;\n`,
    }));
  },
};

/**
 * clipanion opens the process's three streams while it is imported, for a default context that is not used here.
 * They and what they need (tty, net, stream) take 4 ms.
 */
const leaveStreamsAlone: BunPlugin = {
  name: "keep clipanion from opening the process's streams",
  setup(build) {
    build.onLoad({ filter: /\/clipanion\/lib\/advanced\/Cli\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source.replace(/^Cli\.defaultContext = \{[^}]*\};$/m, "");
      if (contents === source) throw new Error(`${path} has changed: it does not set Cli.defaultContext`);
      return { loader: "js", contents };
    });
    build.onLoad({ filter: /\/clipanion\/lib\/platform\/node\.js$/ }, ({ path }) => ({
      loader: "js",
      contents: readFileSync(path.replace(/node\.js$/, "browser.js"), "utf8"),
    }));
  },
};

/** Functions are compiled so many times later than usual, which no short command reaches. main.ts sets it back to 1. */
const JIT_POLICY = 30;

mkdirSync(dirname(outfile), { recursive: true });
// The names of the chunks depend on the working directory, and the same source has to give the same bytes.
process.chdir(root);
const result = await Bun.build({
  entrypoints: [join(root, "src", "main.ts")],
  compile: {
    outfile,
    jitPolicy: JIT_POLICY,
    // What lies in the folder that root happens to be in is not to be run, nor to set anything.
    autoloadBunfig: false,
    autoloadDotenv: false,
    autoloadTsconfig: false,
    autoloadPackageJson: false,
    ...(modules === undefined ? {} : runtime(modules)),
  },
  target: "bun",
  minify: true,
  bytecode: true,
  splitting: true,
  format: "esm",
  conditions: ["bun"],
  define: { DP_VERSION: JSON.stringify(packageJson.version) },
  plugins: [embedKoffi, leaveStreamsAlone],
});
for (const log of result.logs) console.error(String(log));
if (!result.success) process.exit(1);
console.log(`${outfile} ${packageJson.version}`);
