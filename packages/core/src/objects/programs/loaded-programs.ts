import { DatapathError } from "@dp/sys";
import { openPin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import type { PinRoot } from "./pin-root.ts";
import { functionName, PINNED_PROGRAMS, type PinnedProgram } from "./program-table.ts";

/** A program that is loaded and pinned. */
export interface LoadedProgram {
  program: PinnedProgram;
  /** The kernel's id, unique while the host is up. */
  id: number;
  /** A hash of its instructions: the same for the same code. */
  tag: string;
}

/** The programs that are pinned under a root, opened. */
export class LoadedPrograms implements Disposable {
  readonly #programs = new Map<PinnedProgram, Program>();

  private constructor() {}

  /** Opens those that are pinned. Throws `SyscallError` without the privileges. */
  static open(root: PinRoot): LoadedPrograms {
    const loaded = new LoadedPrograms();
    try {
      for (const { name } of PINNED_PROGRAMS) {
        const fd = openPin(root.program(name), "program");
        if (fd !== undefined) loaded.#programs.set(name, new Program(fd, functionName(name)));
      }
      return loaded;
    } catch (error) {
      loaded[Symbol.dispose]();
      throw error;
    }
  }

  /** Throws `DatapathError` NOT_LOADED when it is not pinned. */
  get(name: PinnedProgram): Program {
    const program = this.#programs.get(name);
    if (program !== undefined) return program;
    throw new DatapathError("NOT_LOADED", `attach ${functionName(name)}`, "it is not loaded", {
      hint: "run `dp load`",
    });
  }

  /** Those that are pinned. */
  list(): LoadedProgram[] {
    return PINNED_PROGRAMS.flatMap(({ name }) => {
      const info = this.#programs.get(name)?.info();
      return info === undefined ? [] : [{ program: name, id: info.id, tag: info.tag }];
    });
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program.close();
  }
}
