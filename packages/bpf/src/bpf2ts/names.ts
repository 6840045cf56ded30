import { ModelError } from "./model-error.ts";

/** `dp_snat_target` → `dpSnatTarget`, `NOT_IP` → `notIp`; `maxSize` stays as it is. */
export function camelCase(name: string): string {
  const plain = /[a-z]/.test(name) ? name : name.toLowerCase();
  const joined = plain.replace(/^_+/, "").replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());
  return joined.slice(0, 1).toLowerCase() + joined.slice(1);
}

/** `dp_snat_target` → `DpSnatTarget`. */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.slice(0, 1).toUpperCase() + camel.slice(1);
}

/** Words of the language, globals that generated code uses, and its own. */
const TAKEN = new Set(
  (
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends " +
    "false finally for function if implements import in instanceof interface let new null package private protected " +
    "public return static super switch this throw true try typeof undefined var void while with yield " +
    "DataView Exclude Readonly Record Uint8Array at bytes mapLayouts object structLayouts value variableLayouts view wire"
  ).split(" "),
);

/** The constant for a type: `dpSnatTarget`; `class_` for `class`. */
export function constantName(name: string): string {
  return free(camelCase(name));
}

/** The function that reads a struct: `readDpSnatTarget`. */
export function readerName(name: string): string {
  return `read${pascalCase(name)}`;
}

/** The TypeScript type for a C type: `DpSnatTarget`. */
export function typeName(name: string): string {
  return free(pascalCase(name));
}

function free(name: string): string {
  return TAKEN.has(name) || /^(i|element|what)\d+$/.test(name) ? `${name}_` : name;
}

/** Throws {@link ModelError} when two names of C become one of TypeScript. */
export function refuseSame(where: string, names: readonly string[], rename: (name: string) => string): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const renamed = rename(name);
    const other = seen.get(renamed);
    if (other !== undefined) {
      throw new ModelError(`${where}: ${other} and ${name} would both be ${renamed}`, "rename one of them");
    }
    if (!/^[A-Za-z$]/.test(renamed)) throw new ModelError(`${where}: ${name} makes no name`, "rename it");
    seen.set(renamed, name);
  }
}
