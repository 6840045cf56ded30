import { closeSync, copyFileSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const SYMLINK = 0o120000;

/**
 * Writes an archive as the kernel wants its initramfs: cpio's "newc" format, described in the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst. Archives may follow one another in a file.
 */
export class Cpio implements Disposable {
  readonly #file: number;
  readonly #known = new Set<string>();
  #size: number;

  /** @param base an archive this one goes on from; it ends where this begins */
  constructor(path: string, base?: string) {
    if (base !== undefined) copyFileSync(base, path);
    this.#file = openSync(path, base === undefined ? "w" : "a");
    this.#size = fstatSync(this.#file).size;
  }

  /** A folder, after those it is in. Folders that are there already are left alone. */
  folder(path: string): void {
    const parts = path.split("/").filter((part) => part !== "");
    for (let depth = 1; depth <= parts.length; depth++) {
      const each = parts.slice(0, depth).join("/");
      if (!this.#known.has(each)) this.#entry(each, DIRECTORY | 0o755, 0);
    }
  }

  symlink(path: string, target: string): void {
    this.#add(path, SYMLINK | 0o777, new TextEncoder().encode(target));
  }

  file(path: string, content: Uint8Array | string, mode = 0o644): void {
    this.#add(path, REGULAR | mode, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** A file of this machine, whatever its size. */
  copy(path: string, source: string, mode = 0o644): void {
    const from = openSync(source, "r");
    try {
      let left = fstatSync(from).size;
      this.#parents(path);
      this.#entry(path, REGULAR | mode, left);
      const chunk = new Uint8Array(1 << 20);
      while (left > 0) {
        const length = readSync(from, chunk, 0, Math.min(chunk.length, left), null);
        if (length === 0) throw new Error(`${source} became shorter while it was read`);
        this.#write(chunk.subarray(0, length));
        left -= length;
      }
      this.#pad();
    } finally {
      closeSync(from);
    }
  }

  has(path: string): boolean {
    return this.#known.has(trimmed(path));
  }

  #add(path: string, mode: number, content: Uint8Array): void {
    this.#parents(path);
    this.#entry(path, mode, content.length);
    this.#write(content);
    this.#pad();
  }

  #parents(path: string): void {
    this.folder(path.split("/").slice(0, -1).join("/"));
  }

  #entry(path: string, mode: number, size: number): void {
    const name = trimmed(path);
    this.#known.add(name);
    // Inode 0 and one link: no file is the same as another. Owner, time and devices: 0.
    const fields = [0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
    const header = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
    this.#write(new TextEncoder().encode(`070701${header}${name}\0`));
    this.#pad();
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file, bytes, done);
    this.#size += bytes.length;
  }

  /** Headers and contents start at multiples of four. */
  #pad(): void {
    this.#write(new Uint8Array(-this.#size & 3));
  }

  [Symbol.dispose](): void {
    this.#entry("TRAILER!!!", 0, 0);
    closeSync(this.#file);
  }
}

function trimmed(path: string): string {
  return path.replace(/^\/+/, "");
}
