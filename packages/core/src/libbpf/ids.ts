/** Lists all objects of one kind in the kernel, also those of other programs. */
import { Errno } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { check } from "./errors.ts";

/**
 * The ids of all programs, ascending: for {@link Program.fromId}. Programs that are loaded or unloaded meanwhile may be
 * missed. Throws `SyscallError` without the privileges.
 */
export function programIds(): Generator<number, void, undefined> {
  return walk("programs", "bpf_prog_get_next_id", libbpf.programNextId);
}

/** The ids of all maps; see {@link programIds}. Throws as that. */
export function mapIds(): Generator<number, void, undefined> {
  return walk("maps", "bpf_map_get_next_id", libbpf.mapNextId);
}

/** The ids of all links; see {@link programIds}. Throws as that. */
export function linkIds(): Generator<number, void, undefined> {
  return walk("links", "bpf_link_get_next_id", libbpf.linkNextId);
}

function* walk(
  what: string,
  call: string,
  next: (id: number, next: Uint8Array) => number,
): Generator<number, void, undefined> {
  const id = new Uint32Array(1);
  for (;;) {
    // SAFETY: libbpf writes the next id into `id` during the call only.
    const result = next(id[0] as number, new Uint8Array(id.buffer));
    if (result === -Errno.ENOENT) return;
    check(result, { op: `list ${what}`, call });
    yield id[0] as number;
  }
}
