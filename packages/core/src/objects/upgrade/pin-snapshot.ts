import { statSync } from "node:fs";
import { basename } from "node:path";
import { openPin, pinOver, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { openRaw, type RawMap } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { PINNED_PROGRAMS } from "../programs/program-table.ts";
import { returnEntries } from "./carry.ts";
import { holdFlows } from "./hold-flows.ts";
import { changeBack, type MapName } from "./layout-change.ts";
import { openStamp, type Stamp } from "./stamp.ts";

type Pinned = Program | RawMap;

/** The programs and maps that are pinned under a root, kept open: a load that fails restores them. Not the links. */
export class PinSnapshot implements Disposable {
  readonly #root: PinRoot;
  readonly #programs = new Map<string, Pinned>();
  readonly #maps = new Map<string, Pinned>();
  readonly #replaced = new Map<string, Pinned>();
  #stamp: Stamp | undefined;

  private constructor(root: PinRoot) {
    this.#root = root;
  }

  /** Opens what is pinned there now. Throws `SyscallError` without the privileges. */
  static take(root: PinRoot): PinSnapshot {
    const snapshot = new PinSnapshot(root);
    try {
      for (const { name } of PINNED_PROGRAMS) {
        const path = root.program(name);
        keep(snapshot.#programs, path, openEither(path, "program"));
      }
      for (const path of root.pins().maps) keep(snapshot.#maps, path, openEither(path, "map"));
      for (const { path } of root.replaced()) keep(snapshot.#replaced, path, openEither(path, "map"));
      using stamp = openStamp(root);
      snapshot.#stamp = stamp?.get(0);
      return snapshot;
    } catch (error) {
      snapshot[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether nothing was pinned. */
  get empty(): boolean {
    return this.#programs.size === 0 && this.#maps.size === 0;
  }

  /**
   * Pins again what was pinned, and nothing else: programs first, then maps. What programs have written into maps of
   * another layout is copied back. The programs that were attached have to be attached again before. Throws
   * `SyscallError`.
   */
  restore(): void {
    for (const { name } of PINNED_PROGRAMS) restorePin(this.#root.program(name), "program", this.#programs);
    const replaced = this.#root.replaced();
    for (const path of new Set([...this.#root.pins().maps, ...this.#maps.keys()])) {
      this.#returnEntries(path);
      restorePin(path, "map", this.#maps);
    }
    if (this.#stamp !== undefined) {
      using stamp = openStamp(this.#root);
      stamp?.set(0, this.#stamp);
    }
    for (const { path } of replaced) restorePin(path, "map", this.#replaced);
    if (this.#replaced.size === 0) this.#root.removeReplacedFolder();
    if (replaced.length > 0) holdFlows(this.#root, false);
  }

  #returnEntries(path: string): void {
    const name = basename(path) as MapName;
    const before = this.#maps.get(path);
    using now = openEither(path, "map");
    if (before === undefined || now === undefined || idOf(now) === idOf(before)) return;
    const [from, to] = [now as RawMap, before as RawMap];
    returnEntries({ name, from, to, change: changeBack(to, name) });
  }

  [Symbol.dispose](): void {
    for (const pinned of [this.#programs, this.#maps, this.#replaced]) {
      for (const each of pinned.values()) each.close();
    }
  }
}

/** What is pinned there; undefined for nothing, and for a folder, which is no pin. */
function openEither(path: string, kind: "program" | "map"): Pinned | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  const fd = openPin(path, kind);
  if (fd === undefined) return undefined;
  return kind === "program" ? new Program(fd) : openRaw(fd);
}

function keep(pins: Map<string, Pinned>, path: string, pinned: Pinned | undefined): void {
  if (pinned !== undefined) pins.set(path, pinned);
}

function idOf(pinned: Pinned): number {
  return pinned instanceof Program ? pinned.id : pinned.info.id;
}

function restorePin(path: string, kind: "program" | "map", before: ReadonlyMap<string, Pinned>): void {
  const pinned = before.get(path);
  using now = openEither(path, kind);
  if (pinned === undefined) {
    if (now !== undefined) unpin(path);
  } else if (now === undefined || idOf(now) !== idOf(pinned)) pinOver(pinned.fd, path);
}
