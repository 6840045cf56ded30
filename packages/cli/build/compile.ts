/**
 * Compiles dist/dp: the command line, its libraries and the runtime in one executable file.
 *
 * koffi loads its native module through createRequire, which a bundler does not see. Its static.js is replaced by one
 * that names the module of the platform that is built for, so that it is embedded.
 */
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";
import packageJson from "../package.json" with { type: "json" };

const root = dirname(import.meta.dir);
const outfile = join(root, "dist", "dp");

/** Where koffi is found by those who import it; this package does not. */
const fromSys = createRequire(join(root, "..", "sys", "package.json"));
const koffi = fromSys.resolve("koffi");

const NATIVE: Partial<Record<NodeJS.Architecture, string>> = {
  x64: "@koromix/koffi-linux-x64/linux_x64/koffi.node",
  arm64: "@koromix/koffi-linux-arm64/linux_arm64/koffi.node",
  riscv64: "@koromix/koffi-linux-riscv64/linux_riscv64/koffi.node",
};

function nativeModule(): string {
  const name = NATIVE[process.arch];
  if (name === undefined) throw new Error(`koffi has no native module for ${process.arch}`);
  return createRequire(koffi).resolve(name);
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

mkdirSync(dirname(outfile), { recursive: true });
const result = await Bun.build({
  entrypoints: [join(root, "src", "main.ts")],
  compile: { outfile },
  target: "bun",
  minify: true,
  // Parsed now and not at every start: a third of what a command took.
  bytecode: true,
  format: "esm",
  conditions: ["bun"],
  define: { DP_VERSION: JSON.stringify(packageJson.version) },
  plugins: [embedKoffi],
});
for (const log of result.logs) console.error(String(log));
if (!result.success) process.exit(1);
console.log(`${outfile} ${packageJson.version}`);
