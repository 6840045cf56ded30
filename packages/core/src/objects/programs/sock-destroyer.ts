/** Destroying the sockets of a network namespace, by BPF iterators over them. */
import { DatapathError, type Fd, withNetns } from "@dp/sys";
import { type Codec, u32, u64 } from "../../libbpf/codec.ts";
import { attachIter, runIter } from "../../libbpf/iter.ts";
import type { BpfObject } from "../../libbpf/object.ts";
import { loadObject } from "./load-object.ts";
import { functionName, ITERATOR_PROGRAMS, programRow } from "./program-table.ts";

/** Whose sockets. */
export interface DestroyOptions {
  /** The network namespace. Default: the calling thread's. */
  netns?: Fd;
}

export type Protocol = "tcp" | "udp";

/** struct dp_sock_counts of freeze.bpf.c: its only global variable that can change. */
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

/** A connect(2) that was under way may add one more socket; after more rounds than this, new ones are being made. */
const MAX_ROUNDS = 16;

const OBJECT = programRow("destroy_tcp").object;

/** The two iterators, loaded. */
export class SockDestroyer implements Disposable {
  readonly #object: BpfObject;

  private constructor(object: BpfObject) {
    this.#object = object;
  }

  /** Throws `UnsupportedError` on a kernel that cannot destroy sockets this way. */
  static load(image?: Uint8Array): SockDestroyer {
    return new SockDestroyer(loadObject(OBJECT, { image, programs: ITERATOR_PROGRAMS.map(({ name }) => name) }));
  }

  /** @returns how many were destroyed */
  destroy(protocol: Protocol, { netns }: DestroyOptions): number {
    // The kernel takes the namespace of the thread that makes the iterator's file.
    return netns === undefined ? this.#destroy(protocol) : withNetns(netns, () => this.#destroy(protocol));
  }

  #destroy(protocol: Protocol): number {
    using link = attachIter({ program: this.#object.program(functionName(`destroy_${protocol}`)) });
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
    using map = this.#object.map(`${OBJECT}.bss`, u32, COUNTS);
    return map.get(0) ?? { destroyed: 0n, refused: 0n };
  }

  [Symbol.dispose](): void {
    this.#object.close();
  }
}
