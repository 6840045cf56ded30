import { embedded } from "./layout/embedded.ts";
import { encodedObjects } from "./objects.gen.ts";

/** The program families: each is one C file of `bpf/`, compiled to one object. */
export type ObjectName = keyof typeof encodedObjects;

/**
 * The compiled BPF objects (ELF files, with BTF), each decoded when it is first asked for: `objects.dnat()`. They are
 * for little-endian hosts. Treat the bytes as read-only: every caller gets the same array.
 */
export const objects = Object.fromEntries(
  Object.entries(encodedObjects).map(([name, base64]) => [name, embedded(base64)]),
) as { readonly [Name in ObjectName]: () => Uint8Array };
