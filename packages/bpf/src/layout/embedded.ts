import { Buffer } from "node:buffer";

/**
 * A BPF object written into a module in base64, decoded when it is first asked for. Treat the bytes as read-only: every
 * caller gets the same array.
 */
export function embedded(base64: string): () => Uint8Array {
  let decoded: Uint8Array | undefined;
  return () => (decoded ??= new Uint8Array(Buffer.from(base64, "base64")));
}
