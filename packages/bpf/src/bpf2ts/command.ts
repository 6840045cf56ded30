/** `bpf2ts`, but for the process it runs in. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, isAbsolute, relative } from "node:path";
import { Btf, BtfError } from "../btf.ts";
import { ElfError } from "../elf.ts";
import { type ProgramDefinition, programDefinitions } from "../program-definition.ts";
import { BuildError, compile, findToolchain, type Toolchain } from "./clang.ts";
import { layoutsOf } from "./layout-model.ts";
import { renderLayouts } from "./layout-source.ts";
import { ModelError } from "./model-error.ts";
import { isSource, type Options, parseOptions, USAGE, UsageError } from "./options.ts";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

/** The exit code: 0 done, 1 failed or not up to date, 2 called wrongly. */
export function run(args: readonly string[], terminal: Terminal): number {
  try {
    const options = parseOptions(args);
    if (options === "help") terminal.out(USAGE);
    else if (options === "version") terminal.out(`${version()}\n`);
    else return write(options, terminal);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`bpf2ts: ${error.message}\nhint: bpf2ts --help\n`);
      return 2;
    }
    if (!isExpected(error)) throw error;
    terminal.err(`bpf2ts: ${error.message}\n${error.hint === undefined ? "" : `hint: ${error.hint}\n`}`);
    return 1;
  }
}

/** Something about the input, the tools or the files, said so that no stack trace is needed. */
class InputError extends Error {
  override readonly name = "InputError";
  readonly hint: string | undefined;

  constructor(input: string, cause: unknown) {
    super(`${input}: ${cause instanceof Error ? cause.message : String(cause)}`);
    this.hint = isExpected(cause) ? cause.hint : undefined;
  }
}

function isExpected(error: unknown): error is Error & { readonly hint: string | undefined } {
  return [BuildError, ModelError, ElfError, BtfError, InputError].some((type) => error instanceof type);
}

function write(options: Options, terminal: Terminal): number {
  const { inputs, output, check } = options;
  const objects = objectsOf(options, terminal);
  const types = objects.map((object, index) => about(inputs[index] as string, () => Btf.fromObject(object)));
  const source = about(inputs.join(", "), () =>
    renderLayouts(layoutsOf(types, options), {
      inputs: inputs.map((input) => basename(input)),
      programs: programsOf(objects),
      runtime: options.runtime,
      embed: options.embed ? objects[0] : undefined,
    }),
  );
  if (output === undefined) terminal.out(source);
  else if (check) return compare(output, source, terminal);
  else {
    about(output, () => {
      mkdirSync(dirname(output), { recursive: true });
      writeFileSync(output, source);
    });
  }
  return 0;
}

/** The programs of all objects, each once: an object may be given in two builds. */
function programsOf(objects: readonly Uint8Array[]): ProgramDefinition[] {
  const programs = new Map(objects.flatMap(programDefinitions).map((program) => [program.name, program]));
  return [...programs.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function objectsOf(options: Options, terminal: Terminal): Uint8Array[] {
  let toolchain: Toolchain | undefined;
  return options.inputs.map((input) => {
    if (!isSource(input)) return about(input, () => new Uint8Array(readFileSync(input)));
    about(input, () => readFileSync(input));
    toolchain ??= findToolchain();
    // What is compiled names its sources, for verifier logs: relative names are the same on every machine.
    const source = isAbsolute(input) ? relative(process.cwd(), input) : input;
    const { object, warnings } = compile(toolchain, source, { flags: options.clang });
    terminal.err(warnings);
    const kept = options.object;
    if (kept !== undefined && !options.check) about(kept, () => writeFileSync(kept, object));
    return object;
  });
}

function compare(output: string, source: string, terminal: Terminal): number {
  let there = "";
  try {
    there = readFileSync(output, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new InputError(output, readable(error));
  }
  if (there === source) return 0;
  const diff = spawnSync("diff", ["-u", "--label", output, "--label", `${output}, as it should be`, output, "-"], {
    encoding: "utf8",
    input: source,
  });
  terminal.err(diff.stdout ?? "");
  terminal.err(`bpf2ts: ${output}: not what its input says\nhint: run the same command without --check\n`);
  return 1;
}

/** Runs `body`; what it throws that is expected names the file it is about. */
function about<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (isExpected(error)) throw new InputError(file, error);
    const plain = readable(error);
    if (plain === undefined) throw error;
    throw new InputError(file, plain);
  }
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EROFS: "the file system is read-only",
};

function readable(error: unknown): Error | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? undefined : new Error(FILE_ERRORS[code] ?? code);
}

function version(): string {
  const manifest = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
