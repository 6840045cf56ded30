import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountBpffs, unmount } from "@dp/sys";

/** A bpffs on a folder of its own. Disposing unmounts it, which removes every pin in it. */
export class Bpffs implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "dptest-"));

  constructor() {
    mountBpffs(this.path);
  }

  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** All pins, relative to the mount, sorted. */
  list(): string[] {
    return readdirSync(this.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".debug"))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.path.length + 1))
      .sort();
  }

  [Symbol.dispose](): void {
    unmount(this.path);
    rmdirSync(this.path);
  }
}
