import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { examplesOf } from "../docs/examples.ts";
import { ROOT } from "./clone.ts";

export type Installer = "npm" | "bun";

const HOST = [join(ROOT, "tools/sandbox"), join(ROOT, "test/docs/example-host")] as const;

/** What a user of the packages has: a folder with nothing in it, and a registry. */
export class EmptyProject {
  readonly folder: string;
  readonly #home: string;

  constructor(folder: string, home: string) {
    this.folder = folder;
    this.#home = home;
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  }

  install(installer: Installer, name: string, ...options: readonly string[]): void {
    this.#run(installer, installer === "npm" ? "install" : "add", name, ...options);
  }

  /**
   * Runs the examples of a package's README from its published copy, with its published types: Bun as they stand, Node
   * what the compiler makes of them. Each on a host of its own.
   */
  runExamples(installer: Installer, name: string): void {
    const readme = readFileSync(join(this.folder, "node_modules/@dp", name, "README.md"), "utf8");
    const programs = examplesOf(readme, `packages/${name}/README.md`);
    expect(programs.length).toBeGreaterThan(0);
    for (const [index, { source, files }] of programs.entries()) {
      for (const { name: file, text, command } of files) {
        writeFileSync(join(this.folder, file), text);
        this.#run("bash", "-euc", command);
      }
      writeFileSync(join(this.folder, `example${index}.ts`), source);
    }
    const compilerOptions = {
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      strict: true,
      // Globals of Node: what a project has from @types/node.
      typeRoots: [join(ROOT, "node_modules")],
      types: ["bun-types"],
    };
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    this.#run(join(ROOT, "node_modules/.bin/tsc"), "-p", ".");
    for (const index of programs.keys()) {
      const program = installer === "npm" ? ["node", `example${index}.js`] : ["bun", `example${index}.ts`];
      this.#run(...HOST, ...program);
    }
  }

  #run(program: string, ...args: readonly string[]): void {
    succeed(this.folder, [program, ...args], { ...process.env, HOME: this.#home });
  }
}

/** Runs the session that @dp/cli's README shows, with another dp, on a host of its own: it prints what stands there. */
export function runSession(folder: string, dp: string): void {
  const readme = readFileSync(join(ROOT, "packages/cli/README.md"), "utf8");
  const session = /^```console\n(.*?)^```/ms.exec(readme)?.[1] ?? "";
  const commands = [...session.matchAll(/^# dp (.*)$/gm)].map(([, args]) => args as string);
  expect(commands.map((args) => args.split(" ")[0])).toEqual(["load", "add-server", "list", "del-server", "unload"]);
  const script = commands.map((args) => `echo '# dp ${args}'\n${dp} ${args}\n`).join("");
  const stdout = succeed(folder, [...HOST, "bash", "-euc", script], process.env);
  // Seconds pass, and columns are as wide as what is in them.
  const withoutTime = (text: string) => text.replaceAll(/\b\d+s\b/g, "TIME").replaceAll(/ +/g, " ");
  expect(withoutTime(stdout)).toBe(withoutTime(session));
}

function succeed(cwd: string, [program, ...args]: readonly string[], env: NodeJS.ProcessEnv): string {
  const ran = spawnSync(program as string, args, { cwd, env, encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${ran.status}\n${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}
