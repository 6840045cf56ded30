/**
 * What the packages export, by their `exports`: the names and what they are, in the order of the alphabet.
 *
 *   bun run generate    writes it into surface.txt: a change of it is a change of the API
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGES = ["sys", "bpf", "core", "netlink", "host", "proxy", "cli"] as const;
export const SURFACE = join(import.meta.dirname, "surface.txt");

interface Manifest {
  name: string;
  exports: Record<string, { bun: string }>;
}

/** Every way into a package: "@dp/core/libbpf" and its source file. */
export function entryPoints(): { module: string; file: string }[] {
  return PACKAGES.flatMap((folder) => {
    const path = join(ROOT, "packages", folder);
    const { name, exports } = JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest;
    return Object.entries(exports).map(([subpath, { bun }]) => ({
      module: join(name, subpath),
      file: join(path, bun),
    }));
  });
}

function kindOf(symbol: ts.Symbol): string {
  if (symbol.flags & ts.SymbolFlags.Class) return "class";
  if (symbol.flags & ts.SymbolFlags.Function) return "function";
  const isValue = (symbol.flags & ts.SymbolFlags.Variable) !== 0;
  const isType = (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) !== 0;
  return isValue && isType ? "const, type" : isValue ? "const" : "type";
}

export function surface(): string {
  const entries = entryPoints();
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      customConditions: ["bun"],
      allowImportingTsExtensions: true,
      noEmit: true,
      types: [],
    },
  );
  const checker = program.getTypeChecker();
  const sections = entries.map(({ module, file }) => {
    const source = program.getSourceFile(file);
    const symbol = source && checker.getSymbolAtLocation(source);
    if (symbol === undefined) throw new Error(`${file} is no module`);
    const names = checker.getExportsOfModule(symbol).map((exported) => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      return `  ${exported.name} (${kindOf(target)})\n`;
    });
    return `${module}\n${names.toSorted().join("")}`;
  });
  return sections.join("\n");
}

if (import.meta.main) writeFileSync(SURFACE, surface());
