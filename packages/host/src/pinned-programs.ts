import { join } from "node:path";
import { functionName, PROGRAMS } from "@dp/core";
import { Program, pinOver } from "@dp/core/libbpf";

/**
 * The programs pinned under a root, held open: a load that fails later puts them back where they were.
 */
export class PinnedPrograms implements Disposable {
  readonly #programs: { program: Program; path: string }[] = [];

  static open(pinRoot: string): PinnedPrograms {
    const pinned = new PinnedPrograms();
    try {
      for (const program of PROGRAMS) {
        const path = join(pinRoot, "progs", functionName(program));
        pinned.#programs.push({ program: Program.fromPin(path), path });
      }
      return pinned;
    } catch (error) {
      pinned[Symbol.dispose]();
      throw error;
    }
  }

  restore(): void {
    for (const { program, path } of this.#programs) pinOver(program.fd, path);
  }

  [Symbol.dispose](): void {
    for (const { program } of this.#programs) program.close();
  }
}
