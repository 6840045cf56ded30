/** Renders layouts as TypeScript. Pure. */
import { Buffer } from "node:buffer";
import type { ProgramDefinition } from "../program-definition.ts";
import { enumSource } from "./enum-source.ts";
import { indent } from "./indent.ts";
import type {
  FieldModel,
  InnerMapModel,
  LayoutModel,
  MapModel,
  StructModel,
  ValueModel,
  VariableModel,
} from "./layout-model.ts";
import { camelCase, constantName, readerName, refuseSame, typeName } from "./names.ts";
import { refuseOddNames } from "./plain-names.ts";
import { fieldAt, readExpression, typeOf, writeStatement } from "./shape-source.ts";
import type { Shape } from "./shape.ts";

export interface SourceOptions {
  /** Names of the files it comes from. */
  readonly inputs: readonly string[];
  readonly programs: readonly ProgramDefinition[];
  /** What it imports: this package's `layout` entry. */
  readonly runtime: string;
  /** The object itself, to be exported as `object()`. */
  readonly embed?: Uint8Array | undefined;
}

/** The module. Throws `ModelError` when two names of C would become one of TypeScript. */
export function renderLayouts(model: LayoutModel, { inputs, programs, runtime, embed }: SourceOptions): string {
  refuseOddNames(model, programs);
  const { enums, structs, maps, variables, skipped } = model;
  const types = [...enums, ...structs].map(({ name }) => name);
  refuseSame("types", [...types, ...enums.map(({ name }) => `${name}_names`)], typeName);
  const names = structs.map(({ name }) => constantName(name));
  refuseSame("constants", [...names, ...structs.map(({ name }) => readerName(name))], (name) => name);
  const parts = [
    `// Written by bpf2ts from ${oneLine(inputs.join(", "))}: do not edit.`,
    `import * as wire from ${JSON.stringify(runtime)};`,
    ...enums.map(enumSource),
    ...structs.map(structSource),
    `/** All structs, each after those it contains. */
     export const structLayouts = ${list(
       "[",
       structs.map(({ name }) => `${constantName(name)},`),
       "]",
     )} as const;`,
    `/** The maps, by their names in the kernel. */
     export const mapLayouts = ${list("{", maps.map(mapSource), "}")} as const;`,
    `/** The programs, by their names in C. */
     export const programLayouts = ${list("{", programs.map(programSource), "}")} as const;`,
    `${comment(["Global variables, by their names in C.", ...skipped.map((why) => `Left out: ${oneLine(why)}.`)])}
     export const variableLayouts = ${list("{", variables.map(variableSource), "}")} as const;`,
  ];
  if (embed !== undefined) {
    parts.push(
      `/** The object file itself. Every caller gets the same bytes. */
       export const object: () => Uint8Array = wire.embedded(\n"${Buffer.from(embed).toString("base64")}",\n);`,
    );
  }
  return `${indent(parts.join("\n\n"))}\n`;
}

/** What is put into a comment must not end it. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("*/", "* /");
}

function comment(lines: readonly string[]): string {
  return lines.length === 1 ? `/** ${lines[0]} */` : `/**\n${lines.map((line) => `* ${line}`).join("\n")}\n*/`;
}

function list(open: string, lines: readonly string[], close: string): string {
  return lines.length === 0 ? open + close : `${open}\n${lines.join("\n")}\n${close}`;
}

function structSource({ name, size, fields }: StructModel): string {
  const type = typeName(name);
  const written = fields.filter(({ shape }) => shape.kind !== "padding" && shape.kind !== "opaque");
  // An array's length says what its count says.
  const visible = written.filter(({ counts }) => counts === undefined);
  refuseSame(
    `struct ${name}`,
    visible.map((field) => field.name),
    camelCase,
  );
  const properties = visible.map((field) => `${camelCase(field.name)}: ${typeOf(field.shape)};`);
  const readers = visible.map(({ name: field, offset, shape }) => {
    return `${camelCase(field)}: ${readExpression(shape, fieldAt(offset))},`;
  });
  const writers = written.map(({ name: field, offset, shape, counts }) => {
    const value = counts === undefined ? `value.${camelCase(field)}` : `value.${camelCase(counts)}.length`;
    return writeStatement(shape, `${offset}`, value, `"${name}.${field}"`);
  });
  const [view, at, value] = visible.length === 0 ? ["_view", "_at", "_value"] : ["view", "at", "value"];
  return `/** struct ${name} */
    export interface ${type} ${list("{", properties, "}")}

    function ${readerName(name)}(${view}: DataView, ${at}: number): ${type} {
      return ${list("{", readers, "}")};
    }

    /** struct ${name}: ${size} bytes. */
    export const ${constantName(name)}: wire.StructLayout<${type}> = {
      name: "${name}",
      size: ${size},
      fields: ${list("[", fields.map(fieldSource), "]")},
      read(bytes) {
        return ${readerName(name)}(wire.viewOf(bytes, ${size}, "struct ${name}"), 0);
      },
      write(${value}) {
        const view = wire.blank(${size});
        ${[...writers, "return wire.bytesOf(view);"].join("\n")}
      },
    };`;
}

function fieldSource({ name, offset, size, type }: FieldModel): string {
  return `{ name: "${name}", offset: ${offset}, size: ${size}, type: "${type}" },`;
}

function mapSource({ name, inner, ...map }: MapModel): string {
  const parts = [`name: "${name}",`, ...mapParts(map, `map ${name}`)];
  if (inner !== undefined) parts.push(`inner: {\n${mapParts(inner, `map ${name}.inner`).join("\n")}\n},`);
  return `${name}: {\n${parts.join("\n")}\n} as const satisfies wire.${mapTypeOf(map, inner)},`;
}

function mapParts({ type, maxEntries, flags, key, value }: InnerMapModel, where: string): string[] {
  const parts = [`type: ${type},\nmaxEntries: ${maxEntries},\nflags: ${flags},`];
  if (key !== undefined) parts.push(`keyType: "${key.type}",\nkey: ${codecOf(key, `${where}: key`)},`);
  if (value !== undefined) parts.push(`valueType: "${value.type}",\nvalue: ${codecOf(value, `${where}: value`)},`);
  return parts;
}

function mapTypeOf({ key, value }: InnerMapModel, inner: InnerMapModel | undefined): string {
  if (value === undefined) return "BareMapLayout";
  if (key === undefined) return `ValueMapLayout<${typeOf(value.shape)}>`;
  if (inner?.key !== undefined && inner.value !== undefined) {
    return `MapOfMapsLayout<${[key, inner.key, inner.value].map(({ shape }) => typeOf(shape)).join(", ")}>`;
  }
  return `MapLayout<${typeOf(key.shape)}, ${typeOf(value.shape)}>`;
}

function programSource({ name, section }: ProgramDefinition): string {
  return `${name}: { name: "${name}", section: ${JSON.stringify(section)} } satisfies wire.ProgramLayout,`;
}

function variableSource({ name, section, type, size, shape }: VariableModel): string {
  const codec = codecOf({ type, size, shape }, name);
  const parts = [`name: "${name}"`, `section: "${section}"`, `type: "${type}"`, `codec: ${codec}`];
  const body = codec.includes("\n") ? `\n${parts.join(",\n")},\n` : ` ${parts.join(", ")} `;
  return `${name}: {${body}} satisfies wire.VariableLayout<${typeOf(shape)}>,`;
}

/** Those @dp/bpf/layout has ready. */
const READY: Partial<Record<Shape["kind"], string>> = {
  u8: "wire.u8",
  u16: "wire.u16",
  u32: "wire.u32",
  u64: "wire.u64",
  be16: "wire.be16",
  ipv4: "wire.be32",
};

function codecOf({ size, shape }: ValueModel, what: string): string {
  if (shape.kind === "struct") return constantName(shape.name);
  const ready = READY[shape.kind];
  if (ready !== undefined) return ready;
  const write = writeStatement(shape, "0", "value", `"${what}"`).replace(/;$/, "");
  const read = readExpression(shape, "0");
  const args = [size, `"${what}"`, `(view) => ${read}`, `(view, value) => ${write}`].map((arg) => `${arg},\n`);
  return `wire.codec<${typeOf(shape)}>(\n${args.join("")})`;
}
