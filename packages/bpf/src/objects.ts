import { Buffer } from "node:buffer";
import { encodedObjects } from "./objects.gen.ts";

/** The program families: each is one C file of `bpf/`, compiled to one object. */
export type ObjectName = keyof typeof encodedObjects;

const decoded = new Map<ObjectName, Uint8Array>();

function decode(name: ObjectName): Uint8Array {
  let bytes = decoded.get(name);
  if (bytes === undefined) {
    bytes = new Uint8Array(Buffer.from(encodedObjects[name], "base64"));
    decoded.set(name, bytes);
  }
  return bytes;
}

/**
 * The compiled BPF objects (ELF files, with BTF), each decoded when it is first asked for: `objects.dnat()`. They are
 * for little-endian hosts. Treat the bytes as read-only: every caller gets the same array.
 */
export const objects = Object.fromEntries(
  (Object.keys(encodedObjects) as ObjectName[]).map((name) => [name, () => decode(name)]),
) as { readonly [Name in ObjectName]: () => Uint8Array };
