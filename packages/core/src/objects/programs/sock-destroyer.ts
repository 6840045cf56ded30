/** Destroying the sockets of a network namespace, by BPF iterators over them. */
import { objects as images } from "@dp/bpf";
import { DatapathError, Errno, type Fd, SyscallError, UnsupportedError, withNetns } from "@dp/sys";
import { type Codec, u32, u64 } from "../../libbpf/codec.ts";
import { hasKernelBtf } from "../../libbpf/feature.ts";
import { attachIter, runIter } from "../../libbpf/iter.ts";
import { BpfObject } from "../../libbpf/object.ts";
import { VerifierError } from "../../libbpf/verifier-error.ts";

/** Whose sockets. */
export interface DestroyOptions {
  /** The network namespace. Default: the calling thread's. */
  netns?: Fd;
}

export type Protocol = "tcp" | "udp";

/** struct dp_sock_counts of sock.bpf.c: its only global variable that can change. */
interface Counts {
  destroyed: bigint;
  refused: bigint;
}

const COUNTS: Codec<Counts> = {
  size: 16,
  read: (bytes) => ({ destroyed: u64.read(bytes.subarray(0, 8)), refused: u64.read(bytes.subarray(8)) }),
  write: () => {
    throw new RangeError("only the kernel counts");
  },
};

/** A connect(2) that was already under way may bring one more; more rounds than that mean somebody makes new ones. */
const MAX_ROUNDS = 16;

/** The two iterators, loaded. */
export class SockDestroyer implements Disposable {
  readonly #object: BpfObject;

  private constructor(object: BpfObject) {
    this.#object = object;
  }

  /** Throws `UnsupportedError` on a kernel that cannot destroy sockets this way. */
  static load(image: Uint8Array = images.sock()): SockDestroyer {
    using open = BpfObject.open(image, { name: "sock" });
    for (const program of open.programs()) program.setAutoload(program.section.startsWith("iter/"));
    try {
      return new SockDestroyer(open.load());
    } catch (error) {
      throw explain(error);
    }
  }

  /** @returns how many were destroyed */
  destroy(protocol: Protocol, { netns }: DestroyOptions): number {
    // The kernel takes the namespace of the thread that makes the iterator's file.
    return netns === undefined ? this.#destroy(protocol) : withNetns(netns, () => this.#destroy(protocol));
  }

  #destroy(protocol: Protocol): number {
    using link = attachIter({ program: this.#object.program(`dp_destroy_${protocol}`) });
    const first = this.#counts();
    let before = first;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      runIter(link);
      const now = this.#counts();
      if (now.refused > before.refused) {
        const left = now.refused - before.refused;
        const op = `destroy ${protocol.toUpperCase()} sockets`;
        throw new DatapathError("FAILED", op, `the kernel refused to destroy ${left} of them`);
      }
      if (now.destroyed === before.destroyed) break;
      before = now;
    }
    return Number(before.destroyed - first.destroyed);
  }

  #counts(): Counts {
    using map = this.#object.map("sock.bss", u32, COUNTS);
    return map.get(0) ?? { destroyed: 0n, refused: 0n };
  }

  [Symbol.dispose](): void {
    this.#object.close();
  }
}

const OP = "destroy sockets";

function explain(error: unknown): unknown {
  if (!hasKernelBtf()) {
    return new UnsupportedError("kernel BTF", "boot a kernel built with CONFIG_DEBUG_INFO_BTF", {
      op: OP,
      reason: "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
      cause: error,
    });
  }
  // libbpf leaves a call of what the kernel does not have as number 0; the verifier stumbles over it or what follows.
  const noKfunc = error instanceof VerifierError && /\bcall [\w-]*#0\b|kernel function/.test(error.log);
  // libbpf's word for a kernel that has no such iterator.
  const noIterator = error instanceof SyscallError && error.errno === Errno.ESRCH;
  if (!noKfunc && !noIterator) return error;
  return new UnsupportedError("bpf_sock_destroy", "boot Linux 6.5 or newer", {
    op: OP,
    reason: "this kernel has no bpf_sock_destroy: BPF programs cannot destroy sockets",
    cause: error,
  });
}
