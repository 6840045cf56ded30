import { type Btf, BtfError, type BtfMember, type BtfType } from "./btf.ts";

/** A map as the C source declares it, without a name: what a map of maps holds. */
export interface InnerMapDefinition {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
  /** undefined where the map has none: a queue's, a ring buffer's. */
  readonly key: MapPart | undefined;
  /** undefined where the map has none: a ring buffer's. */
  readonly value: MapPart | undefined;
}

/** A map as the C source declares it (`SEC(".maps")`). */
export interface MapDefinition extends InnerMapDefinition {
  readonly name: string;
  /** The maps that a map of maps holds (`__array(values, struct ...)`); undefined for other maps. */
  readonly inner: InnerMapDefinition | undefined;
}

/** A map's key or value: a type in BTF (`__type(key, T)`), or just a number of bytes (`__uint(key_size, N)`). */
export type MapPart = { readonly type: number } | { readonly size: number };

/** As C writes it: `__be32`; `8 bytes` for one that has no type. Throws `BtfError` for a type BTF has not. */
export function describePart(btf: Btf, part: MapPart): string {
  return "type" in part ? btf.describe(part.type) : `${part.size} bytes`;
}

/**
 * The maps an object declares, in the order of its `.maps` section; none if it has no such section.
 *
 * libbpf's macros hide everything in types, since that is all BTF keeps of a variable: `__uint(name, N)` is a pointer
 * to an array of N ints, `__type(name, T)` a pointer to T.
 *
 * Throws {@link BtfError} for a `.maps` section that was not made with these macros.
 */
export function mapDefinitions(btf: Btf): MapDefinition[] {
  const section = btf.find("datasec", ".maps");
  if (section === undefined) return [];
  return section.variables.map((id) => {
    const variable = btf.type(id);
    if (variable.kind !== "var") throw new BtfError(`.maps holds a ${variable.kind}, not a variable`);
    const { name } = variable;
    const definition = btf.resolve(variable.type);
    if (definition.kind !== "struct") throw new BtfError(`map ${name} is a ${definition.kind}, not a struct`);
    return { name, ...definitionOf(btf, definition, name), inner: innerOf(btf, definition, name) };
  });
}

type BtfStruct = Extract<BtfType, { kind: "struct" }>;

/** The maps that `__array(values, T)` declares; undefined where T is no map, but a program. */
function innerOf(btf: Btf, outer: BtfStruct, name: string): InnerMapDefinition | undefined {
  const values = memberOf(outer, "values");
  if (values === undefined) return undefined;
  const array = btf.resolve(values.type);
  if (array.kind !== "array") throw new BtfError(`map ${name}: values is not an array`);
  const pointer = btf.resolve(array.type);
  if (pointer.kind !== "ptr") throw new BtfError(`map ${name}: values is not an array of pointers`);
  const inner = btf.resolve(pointer.type);
  return inner.kind === "struct" ? definitionOf(btf, inner, `${name}.inner`) : undefined;
}

function definitionOf(btf: Btf, definition: BtfStruct, name: string): InnerMapDefinition {
  const pointee = (attribute: string): number | undefined => {
    const member = memberOf(definition, attribute);
    if (member === undefined) return undefined;
    const pointer = btf.resolve(member.type);
    if (pointer.kind !== "ptr") throw new BtfError(`map ${name}: ${attribute} is not a pointer`);
    return pointer.type;
  };
  const numberOf = (attribute: string): number | undefined => {
    const id = pointee(attribute);
    if (id === undefined) return undefined;
    const array = btf.resolve(id);
    if (array.kind !== "array") throw new BtfError(`map ${name}: ${attribute} is not an __uint`);
    return array.length;
  };
  const partOf = (attribute: string): MapPart | undefined => {
    const type = pointee(attribute);
    if (type !== undefined) return { type };
    const size = numberOf(`${attribute}_size`);
    if (size !== undefined) return { size };
    // __array(values, T), of maps and of programs: set by descriptor and read as id, which are __u32.
    return attribute === "value" && memberOf(definition, "values") !== undefined ? { size: 4 } : undefined;
  };
  const type = numberOf("type");
  if (type === undefined) throw new BtfError(`map ${name} has no __uint(type, ...)`);
  return {
    type,
    maxEntries: numberOf("max_entries") ?? 0,
    flags: numberOf("map_flags") ?? 0,
    key: partOf("key"),
    value: partOf("value"),
  };
}

function memberOf(definition: BtfStruct, name: string): BtfMember | undefined {
  return definition.members.find((member) => member.name === name);
}
