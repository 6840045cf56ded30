import type { ProgramDefinition } from "../program-definition.ts";
import type { LayoutModel } from "./layout-model.ts";
import { ModelError } from "./model-error.ts";

/**
 * Refuses names that C does not allow: an object file is not trusted, and its names become code here. The kernel
 * refuses such BTF too. Throws {@link ModelError}.
 */
export function refuseOddNames(
  { enums, structs, maps, variables }: LayoutModel,
  programs: readonly ProgramDefinition[],
): void {
  const names = [...enums, ...structs, ...maps, ...variables, ...programs].map(({ name }) => name);
  const members = [...enums.flatMap(({ values }) => values), ...structs.flatMap(({ fields }) => fields)];
  for (const name of [...names, ...members.map((member) => member.name)]) {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw odd(name);
  }
  for (const { section } of variables) if (!/^[\w.]+$/.test(section)) throw odd(section);
  const values = maps
    .flatMap((map) => [map, map.inner])
    .flatMap((map) => [map?.key, map?.value])
    .filter((part) => part !== undefined);
  for (const { type } of [...structs.flatMap(({ fields }) => fields), ...values, ...variables]) {
    if (!/^[\w ()[\]]+$/.test(type)) throw odd(type);
  }
}

function odd(name: string): ModelError {
  return new ModelError(`${JSON.stringify(name)} is not a name in C`, "the object is damaged, or not to be trusted");
}
