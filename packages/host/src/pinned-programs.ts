import { join } from "node:path";
import { Program, pinOver } from "@dp/core/libbpf";

const NAMES = ["dp_dnat", "dp_snat", "dp_arp"] as const;

/**
 * The programs pinned under a root, held open: a load that fails later puts them back where they were.
 */
export class PinnedPrograms implements Disposable {
  readonly #programs: { program: Program; path: string }[] = [];

  static open(pinRoot: string): PinnedPrograms {
    const pinned = new PinnedPrograms();
    try {
      for (const name of NAMES) {
        const path = join(pinRoot, "progs", name);
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
