import type { EnumModel } from "./layout-model.ts";
import { camelCase, constantName, refuseSame, typeName } from "./names.ts";

/** Enumerators lose the prefix they share: DP_DROP_NOT_IP of enum dp_drop is `notIp`. `*_MAX` counts, it names none. */
export function enumSource({ name, values }: EnumModel): string {
  const words = values.map((value) => value.name.split("_"));
  const keyOf = (enumerator: string) => camelCase(enumerator.split("_").slice(shared).join("_"));
  let shared = sharedWords(words);
  // A name must not begin with a digit.
  while (shared > 0 && values.some((value) => !/^[A-Za-z]/.test(keyOf(value.name)))) shared--;
  refuseSame(
    `enum ${name}`,
    values.map((value) => value.name),
    keyOf,
  );

  const type = typeName(name);
  const numbers = values.map((value) => `${keyOf(value.name)}: ${value.value},`);
  // Of two names for one number the first is the one to print.
  const named = new Map<number, string>();
  for (const value of values) {
    const key = keyOf(value.name);
    if (key !== "max" && !named.has(value.value)) named.set(value.value, key);
  }
  const names = [...named].map(([value, key]) => `${value < 0 ? `[${value}]` : value}: "${key}",`);
  return `/** enum ${name} */
    export const ${type} = {\n${numbers.join("\n")}\n} as const;
    export type ${type} = (typeof ${type})[keyof typeof ${type}];

    /** The names of {@link ${type}}, by number. */
    export const ${constantName(`${name}_names`)}: Readonly<Record<number, Exclude<keyof typeof ${type}, "max">>> = {
      ${names.join("\n")}
    };`;
}

function sharedWords(words: readonly (readonly string[])[]): number {
  const first = words[0] ?? [];
  const most = Math.min(...words.map(({ length }) => length)) - 1;
  let shared = 0;
  while (shared < most && words.every((word) => word[shared] === first[shared])) shared++;
  return shared;
}
