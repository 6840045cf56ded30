/** Programs that choose the socket of a connection or datagram, on a network namespace (Linux 5.9+). */
import { currentNetns, Fd } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { BPF_SK_LOOKUP } from "./attach-type.ts";
import { check } from "./errors.ts";
import { Link } from "./link.ts";
import type { Program } from "./program.ts";

/**
 * Attaches a program, SEC("sk_lookup"), to the calling thread's network namespace (BPF_LINK_CREATE). Those that are
 * attached already stay and run, too: one that refuses decides, unless another one chose a socket.
 *
 * Throws `SyscallError`: E2BIG when the namespace has as many as there may be (64), EINVAL for a program of another
 * type.
 */
export function attachSkLookup(program: Program): Link {
  using netns = currentNetns();
  beforeChange("attach to", "the network namespace");
  // SAFETY: no pointers but NULL; the kernel takes its own reference to the program.
  const result = libbpf.linkCreate(program.fd, netns.number, BPF_SK_LOOKUP, null);
  return new Link(
    new Fd(check(result, { op: `attach ${program.name} to the network namespace`, call: "bpf_link_create" })),
  );
}
