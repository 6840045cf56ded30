/**
 * Makes the API reference from the docstrings: HTML, in docs/api (not committed). `tools/docs` runs it.
 */
import { join } from "node:path";
import { Application, type ProjectReflection, type TypeDocOptions } from "typedoc";
import { entryPoints } from "./surface.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Not for people: what generated modules import. */
const UNSEEN = new Set(["@dp/bpf/layout"]);
const packages = entryPoints().filter(({ module }) => !UNSEEN.has(module));

const OPTIONS: Partial<TypeDocOptions> = {
  name: "datapath",
  entryPoints: packages.map(({ file }) => file),
  tsconfig: join(import.meta.dirname, "reference.tsconfig.json"),
  readme: "none",
  out: join(ROOT, "docs/api"),
  disableSources: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  // The linter's business.
  skipErrorChecking: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // What a property is, its name and type may say.
  requiredToBeDocumented: ["Function", "Class", "Interface", "TypeAlias", "Variable", "Method", "Accessor"],
  packagesRequiringDocumentation: [...new Set(packages.map(({ module }) => module.split("/").slice(0, 2).join("/")))],
};

/** What `using` and `for` call says nothing of its own. */
const PROTOCOL = /\.\[(dispose|iterator)\] .* does not have any documentation/;

export interface Reference {
  readonly app: Application;
  readonly project: ProjectReflection;
  /** What the reference lacks or gets wrong. */
  readonly warnings: readonly string[];
}

/** Reads the docstrings, and writes nothing yet. Throws when there is no reference to be made of them. */
export async function readReference(options: Partial<TypeDocOptions> = {}): Promise<Reference> {
  const app = await Application.bootstrap({ ...OPTIONS, ...options });
  const warnings: string[] = [];
  app.logger.log = (message, level) => {
    if (level < 2 || PROTOCOL.test(message)) return;
    warnings.push(message.replaceAll(/\s*\n\s*/g, " "));
  };
  const project = await app.convert();
  if (project === undefined) throw new Error(`no reference: ${warnings.join("; ")}`);
  app.validate(project);
  return { app, project, warnings };
}

if (import.meta.main) {
  const { app, project, warnings } = await readReference();
  await app.generateOutputs(project);
  for (const warning of warnings) console.error(warning);
  if (warnings.length > 0) process.exitCode = 1;
}
