import { check, libc } from "./libc.ts";

/** open(2) flags. */
export const O_RDONLY = 0;
/** Fails for a file that is not a directory (open(2)). */
export const O_DIRECTORY = 0o200000;
const O_CLOEXEC = 0o2000000;

/**
 * An owned file descriptor. It is closed once: by `close()`, or at the end of the scope of a `using` declaration.
 */
export class Fd implements Disposable {
  #number: number;

  /** Takes ownership of an open descriptor. */
  constructor(number: number) {
    this.#number = number;
  }

  /** The descriptor's number. Throws when it has been closed: a reused number would be another file. */
  get number(): number {
    if (this.#number < 0) throw new Error("the file descriptor is closed");
    return this.#number;
  }

  /** Whether it has been closed, or given up. */
  get closed(): boolean {
    return this.#number < 0;
  }

  /** Closes it; does nothing when it is closed already. Throws nothing. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    // close(2) frees the descriptor even when it reports an error, so there is nothing to retry.
    libc.close(number);
  }

  /** Gives the descriptor up without closing it. Throws when it is closed. */
  release(): number {
    const number = this.number;
    this.#number = -1;
    return number;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** open(2), always with O_CLOEXEC. Throws `SyscallError`. */
export function open(path: string, flags: number, op = `open ${path}`): Fd {
  return new Fd(check(libc.open(path, flags | O_CLOEXEC, 0), op, "open", path));
}
