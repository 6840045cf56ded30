import { type Btf, BtfError } from "./btf.ts";

/** A map as the C source declares it (`SEC(".maps")`). */
export interface MapDefinition {
  readonly name: string;
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

    const pointee = (attribute: string): number | undefined => {
      const member = definition.members.find((candidate) => candidate.name === attribute);
      if (member === undefined) return undefined;
      const pointer = btf.resolve(member.type);
      if (pointer.kind !== "ptr") throw new BtfError(`map ${name}: ${attribute} is not a pointer`);
      return pointer.type;
    };
    const partOf = (attribute: string): MapPart | undefined => {
      const type = pointee(attribute);
      if (type !== undefined) return { type };
      const size = numberOf(`${attribute}_size`);
      if (size !== undefined) return { size };
      // __array(values, T), of maps and of programs: they go in by descriptor and come out by id, which are __u32.
      const held = attribute === "value" && definition.members.some((candidate) => candidate.name === "values");
      return held ? { size: 4 } : undefined;
    };
    const numberOf = (attribute: string): number | undefined => {
      const id = pointee(attribute);
      if (id === undefined) return undefined;
      const array = btf.resolve(id);
      if (array.kind !== "array") throw new BtfError(`map ${name}: ${attribute} is not an __uint`);
      return array.length;
    };
    const type = numberOf("type");
    if (type === undefined) throw new BtfError(`map ${name} has no __uint(type, ...)`);
    return {
      name,
      type,
      maxEntries: numberOf("max_entries") ?? 0,
      flags: numberOf("map_flags") ?? 0,
      key: partOf("key"),
      value: partOf("value"),
    };
  });
}
