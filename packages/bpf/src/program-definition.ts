import { ElfError, elfSections, textAt } from "./elf.ts";

/** A program of an object file. */
export interface ProgramDefinition {
  /** The C function's name. */
  readonly name: string;
  /** What `SEC()` says, and so its type: `tc`, `cgroup/connect4`. */
  readonly section: string;
}

const SHT_SYMTAB = 2;
const SHF_EXECINSTR = 4;
const SYMBOL_SIZE = 24;
const STB_GLOBAL = 1;
const STT_FUNC = 2;

/**
 * The programs of an object file, by name: the global functions outside of `.text`, which has those that programs call.
 * Throws {@link ElfError} for a damaged file.
 */
export function programDefinitions(file: Uint8Array): ProgramDefinition[] {
  const sections = elfSections(file);
  const programs: ProgramDefinition[] = [];
  for (const { type, link, bytes } of sections) {
    if (type !== SHT_SYMTAB) continue;
    const names = sections[link]?.bytes;
    if (names === undefined)
      throw new ElfError(`the names of the symbols are in section ${link} of ${sections.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + SYMBOL_SIZE <= bytes.byteLength; at += SYMBOL_SIZE) {
      const info = view.getUint8(at + 4);
      const section = sections[view.getUint16(at + 6, true)];
      if (info !== ((STB_GLOBAL << 4) | STT_FUNC) || section === undefined || section.name === ".text") continue;
      if ((section.flags & SHF_EXECINSTR) === 0) continue;
      programs.push({ name: textAt(names, view.getUint32(at, true)), section: section.name });
    }
  }
  return programs.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}
