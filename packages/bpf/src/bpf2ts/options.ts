import { parseArgs } from "node:util";
import type { CountedArray } from "./layout-model.ts";

/** What a `bpf2ts` was asked for. */
export interface Options {
  readonly inputs: readonly string[];
  /** undefined: standard output. */
  readonly output: string | undefined;
  readonly check: boolean;
  readonly embed: boolean;
  /** Where to keep the object that was compiled. */
  readonly object: string | undefined;
  readonly structs: readonly string[];
  readonly enums: readonly string[];
  readonly addresses: readonly string[];
  readonly counted: readonly CountedArray[];
  readonly explicitPadding: boolean;
  readonly runtime: string;
  readonly clang: readonly string[];
}

/** The command was called wrongly. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const USAGE = `bpf2ts: TypeScript layouts of a BPF object's maps, structs, enums and global variables

usage: bpf2ts INPUT... [options] [-- CLANG-FLAG...]

  INPUT                   a BPF object compiled with -g, or a C file, which clang then compiles
                          (with -O2 -g -mcpu=v3 -Wall, and the flags after --)
  -o, --output FILE       writes the module there, and not to standard output
      --check             writes nothing: exits with 1, and says why, unless FILE is what would be written
      --embed             puts the object into the module, as object(): one INPUT only
      --object FILE       keeps the object that clang made: one INPUT only
      --struct NAME       also this struct, such as a ring buffer's record; may have *, may be repeated
      --enum NAME         also this enum
      --address STRUCT    this struct of 16 bytes is an IP address: IPv6, or IPv4 as ::ffff:a.b.c.d; may be repeated
      --counted STRUCT.ARRAY=COUNT
                          field COUNT says how many elements of ARRAY are in use: TypeScript has those alone, and
                          their number in place of COUNT; may be repeated
      --explicit-padding  refuses padding the compiler adds, in all structs (in keys it always does)
      --import MODULE     what the module imports, default @dp/bpf/layout
  -h, --help
      --version

bpf2ts count.bpf.c --embed -o src/count.gen.ts
bpf2ts count.o -o src/count.gen.ts --struct event --check
`;

/** Throws {@link UsageError}. */
export function parseOptions(args: readonly string[]): Options | "help" | "version" {
  const end = args.indexOf("--");
  const { values, positionals } = parse(end < 0 ? args : args.slice(0, end));
  if (values.help === true) return "help";
  if (values.version === true) return "version";
  const clang = end < 0 ? [] : args.slice(end + 1);
  if (positionals.length === 0) throw new UsageError("no object and no C file is given");
  const { output, check = false, embed = false, object } = values;
  if (check && output === undefined) throw new UsageError("--check needs --output FILE, to compare with");
  for (const [flag, given] of [
    ["--embed", embed],
    ["--object", object !== undefined],
  ] as const) {
    if (given && positionals.length > 1) throw new UsageError(`${flag} takes one INPUT, not ${positionals.length}`);
  }
  if (object !== undefined && !isSource(positionals[0] as string)) {
    throw new UsageError("--object keeps what clang makes of a C file: this INPUT is an object already");
  }
  return {
    inputs: positionals,
    output,
    check,
    embed,
    object,
    structs: values.struct ?? [],
    enums: values.enum ?? [],
    addresses: values.address ?? [],
    counted: (values.counted ?? []).map(countedArray),
    explicitPadding: values["explicit-padding"] ?? false,
    runtime: values.import ?? "@dp/bpf/layout",
    clang,
  };
}

function countedArray(text: string): CountedArray {
  const [, struct, array, count] = /^(\w+)\.(\w+)=(\w+)$/.exec(text) ?? [];
  if (struct !== undefined && array !== undefined && count !== undefined) return { struct, array, count };
  throw new UsageError(`--counted takes STRUCT.ARRAY=COUNT, not ${text}`);
}

/** Whether clang has to compile it first. */
export function isSource(input: string): boolean {
  return input.endsWith(".c");
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: "string", short: "o" },
        check: { type: "boolean" },
        embed: { type: "boolean" },
        object: { type: "string" },
        struct: { type: "string", multiple: true },
        enum: { type: "string", multiple: true },
        address: { type: "string", multiple: true },
        counted: { type: "string", multiple: true },
        "explicit-padding": { type: "boolean" },
        import: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
