import koffi from "koffi";
import { libbpf } from "./libbpf.ts";
import { vsnprintf } from "./libc.ts";

const LIBBPF_INFO = 1;

let prototype: ReturnType<typeof koffi.pointer> | undefined;

/**
 * Runs `body` and collects libbpf's messages meanwhile (warnings and notes, one line each, without "libbpf: ") in the
 * array that `body` is given.
 *
 * The callback exists during one synchronous call only, so nothing else can run meanwhile, and no engine has to keep it
 * alive through a garbage collection.
 */
export function withLibbpfLog<T>(body: (messages: readonly string[]) => T): T {
  const messages: string[] = [];
  prototype ??= koffi.pointer(koffi.proto("int", ["int", "const void *", "void *"]));
  const callback = koffi.register((level: number, format: unknown, arguments_: unknown) => {
    if (level > LIBBPF_INFO) return 0;
    const line = new Uint8Array(4096);
    const length = Math.min(vsnprintf(line, format, arguments_), line.byteLength - 1);
    const message = new TextDecoder().decode(line.subarray(0, Math.max(length, 0)));
    messages.push(message.replace(/^libbpf: /, "").trimEnd());
    return 0;
  }, prototype);
  try {
    // SAFETY: libbpf keeps `callback` until the next set_print, which comes before it is unregistered.
    libbpf.setPrint(callback);
    return body(messages);
  } finally {
    libbpf.setPrint(null);
    koffi.unregister(callback);
  }
}
