/** Renders layouts as TypeScript. Pure; the text is right but for its line breaks, which oxfmt puts in. */
import type { EnumModel, FieldModel, Layouts, MapModel, Shape, StructModel, ValueModel } from "./layout-model.ts";

/** `dp_snat_target` → `dpSnatTarget`. */
export function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `dp_snat_target` → `DpSnatTarget`. */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.slice(0, 1).toUpperCase() + camel.slice(1);
}

export function renderLayouts({ enums, structs, maps }: Layouts): string {
  const body = [
    ...enums.map(renderEnum),
    ...structs.map(renderStruct),
    `/** All structs, each after those it contains. */
     export const structLayouts = [${structs.map(({ name }) => camelCase(name)).join(", ")}] as const;`,
    `/** The maps, by their names in the kernel. */
     export const mapLayouts = { ${maps.map(renderMap).join(" ")} } as const;`,
  ].join("\n\n");
  const imports = WIRE.filter((name) => new RegExp(`\\b${name}\\b[(,]`).test(body));
  return [
    "// Written by build/generate.ts from the BTF of bpf/: do not edit, run `bun run generate`.",
    `import type { MapLayout, StructLayout } from "./layout.ts";
     import { ${imports.join(", ")} } from "./wire.ts";`,
    `${body}\n`,
  ].join("\n\n");
}

/** All that src/wire.ts has; a generated file imports what it uses. */
const WIRE = (
  "be32 blank bytesOf getIpv4 getMac getText getU64s " +
  "setBe16 setIpv4 setMac setS32 setText setU16 setU32 setU64 setU64s setU8 u32 viewOf"
).split(" ");

/** Enumerators lose the prefix they share: DP_DROP_NOT_IP of enum dp_drop is `notIp`. `*_MAX` counts, it names none. */
function renderEnum({ name, values }: EnumModel): string {
  const words = values.map((value) => value.name.split("_"));
  const first = words[0] ?? [];
  let shared = 0;
  while (shared < first.length - 1 && words.every((word) => word[shared] === first[shared])) shared++;
  const named = values.map(({ value }, index) => ({
    key: camelCase((words[index] ?? []).slice(shared).join("_")),
    value,
  }));
  const type = pascalCase(name);
  return `/** enum ${name} */
    export const ${type} = { ${named.map(({ key, value }) => `${key}: ${value},`).join("\n")} } as const;
    export type ${type} = (typeof ${type})[keyof typeof ${type}];

    /** The names of {@link ${type}}, by number. */
    export const ${camelCase(name)}Names: Readonly<Record<number, Exclude<keyof typeof ${type}, "max">>> = {
      ${named.flatMap(({ key, value }) => (key === "max" ? [] : [`${value}: "${key}",`])).join("\n")}
    };`;
}

function renderStruct({ name, size, fields }: StructModel): string {
  const type = pascalCase(name);
  const layout = camelCase(name);
  const visible = fields.filter(({ shape }) => shape.kind !== "padding" && shape.kind !== "opaque");
  const hasView = visible.some(({ shape }) => shape.kind !== "struct");
  return `/** struct ${name} */
    export interface ${type} {
      ${visible.map((field) => `${camelCase(field.name)}: ${typeScriptType(field.shape)};`).join("\n")}
    }

    /** struct ${name}: ${size} bytes. */
    export const ${layout}: StructLayout<${type}> = {
      name: "${name}",
      size: ${size},
      fields: [
        ${fields.map(renderField).join("\n")}
      ],
      read(bytes) {
        ${hasView ? "const view = " : ""}viewOf(bytes, ${size}, "struct ${name}");
        return {
          ${visible.map((field) => `${camelCase(field.name)}: ${readExpression(field)},`).join("\n")}
        };
      },
      write(value) {
        const view = blank(${size});
        ${visible.map((field) => writeStatement(name, field)).join("\n")}
        return bytesOf(view);
      },
    };`;
}

function renderField({ name, offset, size, type }: FieldModel): string {
  return `{ name: "${name}", offset: ${offset}, size: ${size}, type: "${type}" },`;
}

function typeScriptType(shape: Shape): string {
  switch (shape.kind) {
    case "ipv4":
    case "mac":
    case "text":
      return "string";
    case "u64":
      return "bigint";
    case "u64s":
      return "readonly bigint[]";
    case "struct":
    case "enum":
      return pascalCase(shape.name);
    default:
      return "number";
  }
}

function readExpression({ offset, size, shape }: FieldModel): string {
  switch (shape.kind) {
    case "u8":
      return `view.getUint8(${offset})`;
    case "u16":
      return `view.getUint16(${offset}, true)`;
    case "u32":
      return `view.getUint32(${offset}, true)`;
    case "s32":
      return `view.getInt32(${offset}, true)`;
    case "u64":
      return `view.getBigUint64(${offset}, true)`;
    case "be16":
      return `view.getUint16(${offset})`;
    case "ipv4":
      return `getIpv4(view, ${offset})`;
    case "mac":
      return `getMac(view, ${offset})`;
    case "text":
      return `getText(view, ${offset}, ${shape.length})`;
    case "u64s":
      return `getU64s(view, ${offset}, ${shape.length})`;
    case "enum":
      return `view.getUint32(${offset}, true) as ${pascalCase(shape.name)}`;
    case "struct":
      return `${camelCase(shape.name)}.read(bytes.subarray(${offset}, ${offset + size}))`;
    case "padding":
    case "opaque":
      throw new Error(`${shape.kind} is not read`);
  }
}

function writeStatement(struct: string, { name, offset, shape }: FieldModel): string {
  const value = `value.${camelCase(name)}`;
  const what = `"${struct}.${name}"`;
  switch (shape.kind) {
    case "u8":
      return `setU8(view, ${offset}, ${value}, ${what});`;
    case "u16":
      return `setU16(view, ${offset}, ${value}, ${what});`;
    case "u32":
    case "enum":
      return `setU32(view, ${offset}, ${value}, ${what});`;
    case "s32":
      return `setS32(view, ${offset}, ${value}, ${what});`;
    case "u64":
      return `setU64(view, ${offset}, ${value}, ${what});`;
    case "be16":
      return `setBe16(view, ${offset}, ${value}, ${what});`;
    case "ipv4":
      return `setIpv4(view, ${offset}, ${value}, ${what});`;
    case "mac":
      return `setMac(view, ${offset}, ${value}, ${what});`;
    case "text":
      return `setText(view, ${offset}, ${shape.length}, ${value}, ${what});`;
    case "u64s":
      return `setU64s(view, ${offset}, ${shape.length}, ${value}, ${what});`;
    case "struct":
      return `bytesOf(view).set(${camelCase(shape.name)}.write(${value}), ${offset});`;
    case "padding":
    case "opaque":
      throw new Error(`${shape.kind} is not written`);
  }
}

function renderMap({ name, type, maxEntries, flags, key, value }: MapModel): string {
  return `${name}: {
    name: "${name}",
    type: ${type},
    maxEntries: ${maxEntries},
    flags: ${flags},
    keyType: "${key.type}",
    key: ${codecOf(key)},
    valueType: "${value.type}",
    value: ${codecOf(value)},
  } satisfies MapLayout<${valueType(key)}, ${valueType(value)}>,`;
}

function codecOf({ shape }: ValueModel): string {
  switch (shape.kind) {
    case "struct":
      return camelCase(shape.name);
    case "ipv4":
      return "be32";
    default:
      return shape.kind;
  }
}

function valueType({ shape }: ValueModel): string {
  return typeScriptType(shape);
}
