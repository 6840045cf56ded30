import { cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./run.ts";
import type { Tarball } from "./tarball.ts";
import type { Package } from "./workspace.ts";

/**
 * Puts the packages side by side as an installation does, and imports all that they export, under Node, under Bun and
 * with the type checker, which reads their declarations (skipLibCheck is off). Throws `Failure`.
 */
export function importEverything(packages: readonly Package[], tarballs: readonly Tarball[], directory: string): void {
  const modules = join(directory, "node_modules");
  for (const [index, tarball] of tarballs.entries()) {
    cpSync(tarball.directory, join(modules, tarball.manifest.name), { recursive: true });
    const { dependencies = {} } = tarball.manifest;
    for (const name of Object.keys(dependencies).filter((each) => !packages.some((sibling) => sibling.name === each))) {
      link((packages[index] as Package).directory, name, modules);
    }
  }
  link(join((packages[0] as Package).directory, "../.."), "bun-types", modules);

  const paths = tarballs.flatMap(({ manifest }) =>
    Object.keys(manifest.exports ?? {}).map((path) => manifest.name + path.slice(1)),
  );
  writeFileSync(join(directory, "package.json"), `{ "type": "module" }\n`);
  const importing = paths.map((path) => `await import(${JSON.stringify(path)});\n`).join("");
  writeFileSync(join(directory, "every.mjs"), importing);
  const exporting = paths.map((path, index) => `export * as all${index} from ${JSON.stringify(path)};\n`).join("");
  writeFileSync(join(directory, "every.ts"), exporting);
  const options = {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    strict: true,
    noEmit: true,
    types: ["bun-types"],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["every.ts"] }));

  run(directory, ["node", "every.mjs"], "import every export under Node");
  run(directory, ["bun", "every.mjs"], "import every export under Bun");
  run(directory, ["tsc", "-p", "tsconfig.json"], "check the types of every export");
}

function link(from: string, name: string, modules: string): void {
  const target = join(modules, name);
  mkdirSync(dirname(target), { recursive: true });
  try {
    symlinkSync(realpathSync(join(from, "node_modules", name)), target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
