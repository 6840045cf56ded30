import type { Fd } from "@dp/sys";

/**
 * A kernel object held through a descriptor: a map, a program, a link.
 *
 * One that came from a {@link BpfObject} is *borrowed*: the object owns the descriptor, closing this does nothing, and
 * using it after the object was closed throws. Any other owns its descriptor, and closes it once.
 */
export abstract class Resource implements Disposable {
  readonly #fd: Fd;
  readonly #borrowed: boolean;

  protected constructor(fd: Fd, borrowed: boolean) {
    this.#fd = fd;
    this.#borrowed = borrowed;
  }

  /** The descriptor's number; throws once it is closed. */
  get fd(): number {
    return this.#fd.number;
  }

  /** Whether it has been closed. */
  get closed(): boolean {
    return this.#fd.closed;
  }

  /** Closes the descriptor. Pinned things stay; an unpinned link detaches. */
  close(): void {
    if (!this.#borrowed) this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
