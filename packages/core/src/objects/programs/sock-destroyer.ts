/** Destroying the sockets of a network namespace, by BPF iterators over them. */
import { type DpSockCounts, dpSockCounts, variableLayouts } from "@dp/bpf";
import { DatapathError, type Fd, withNetns } from "@dp/sys";
import { attachIter, runIter } from "../../libbpf/iter.ts";
import type { BpfObject } from "../../libbpf/object.ts";
import { loadObject } from "./load-object.ts";
import { functionName, ITERATOR_PROGRAMS, programRow } from "./program-table.ts";

/** Whose sockets. */
export interface DestroyOptions {
  /** The network namespace. Default: the calling thread's. */
  netns?: Fd;
  /** Only sockets that are connected to this address. Default: all. */
  remote?: string;
}

export type Protocol = "tcp" | "udp";

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
  destroy(protocol: Protocol, { netns, remote = "" }: DestroyOptions): number {
    this.#object.setVariable(variableLayouts.dp_remote, remote);
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

  #counts(): DpSockCounts {
    return this.#object.variable("dp_sock_counts", dpSockCounts);
  }

  [Symbol.dispose](): void {
    this.#object.close();
  }
}
