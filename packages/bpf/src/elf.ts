/**
 * Finds sections in a little-endian 64-bit ELF file, such as clang writes for the BPF target (elf(5)).
 *
 * No offset in the file is trusted: each is checked against the file's length before it is followed.
 */

/** The bytes are not an ELF file for BPF, or are damaged. */
export class ElfError extends Error {
  override readonly name = "ElfError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

const COMPILE = "compile it with clang -target bpfel -O2 -g -c";

const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const EM_BPF = 247;
const SHT_NOBITS = 8;

/** A section of an object file. */
export interface ElfSection {
  readonly name: string;
  /** sh_type: 1 is PROGBITS, 8 is NOBITS (which has no bytes in the file). */
  readonly type: number;
  /** SHF_* flags: 4 is EXECINSTR. */
  readonly flags: number;
  /** sh_link: of a symbol table, the index of the section with its names. */
  readonly link: number;
  /** A view of the file's own bytes, not a copy. */
  readonly bytes: Uint8Array;
}

/** All sections of an ELF64 BPF object, in file order. Throws {@link ElfError}. */
export function elfSections(file: Uint8Array): ElfSection[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < EHDR_SIZE) throw new ElfError(`not an ELF file: only ${file.byteLength} bytes`);
  if (view.getUint32(0) !== 0x7f454c46) {
    throw new ElfError("not an ELF file: it does not begin with \\x7fELF", COMPILE);
  }
  if (view.getUint8(4) !== 2) throw new ElfError("not a 64-bit ELF file", COMPILE);
  if (view.getUint8(5) !== 1) throw new ElfError("not a little-endian ELF file", COMPILE);
  const machine = view.getUint16(18, true);
  if (machine !== EM_BPF) {
    throw new ElfError(`not a BPF object: machine ${machine}, expected ${EM_BPF}`, COMPILE);
  }

  const tableOffset = offsetOf(view.getBigUint64(40, true), file, "section header table");
  const entrySize = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (count === 0) return [];
  if (entrySize !== SHDR_SIZE) throw new ElfError(`section headers of ${entrySize} bytes, expected ${SHDR_SIZE}`);
  slice(file, tableOffset, count * SHDR_SIZE, "section header table");
  if (namesIndex >= count) throw new ElfError(`section names are in section ${namesIndex} of ${count}`);

  const headers = Array.from({ length: count }, (_, index) => {
    const at = tableOffset + index * SHDR_SIZE;
    const type = view.getUint32(at + 4, true);
    const what = `section ${index}`;
    const bytes =
      type === SHT_NOBITS
        ? file.subarray(0, 0)
        : slice(
            file,
            offsetOf(view.getBigUint64(at + 24, true), file, what),
            offsetOf(view.getBigUint64(at + 32, true), file, what),
            what,
          );
    const [flags, link] = [view.getUint32(at + 8, true), view.getUint32(at + 40, true)];
    return { nameOffset: view.getUint32(at, true), type, flags, link, bytes };
  });
  const names = (headers[namesIndex] as (typeof headers)[number]).bytes;
  return headers.map(({ nameOffset, ...header }) => ({ name: textAt(names, nameOffset), ...header }));
}

/** The bytes of the first section of that name, or undefined. Throws {@link ElfError} for a damaged file. */
export function elfSection(file: Uint8Array, name: string): Uint8Array | undefined {
  return elfSections(file).find((section) => section.name === name)?.bytes;
}

/** A 64-bit file offset or length as a number; one beyond the file is refused before it could lose precision. */
function offsetOf(value: bigint, file: Uint8Array, what: string): number {
  if (value > BigInt(file.byteLength)) throw new ElfError(`the ${what} lies beyond the end of the file`);
  return Number(value);
}

function slice(file: Uint8Array, offset: number, length: number, what: string): Uint8Array {
  if (offset + length > file.byteLength) throw new ElfError(`the ${what} is cut off by the end of the file`);
  return file.subarray(offset, offset + length);
}

/** The text at an offset of a table of NUL-terminated names. Throws {@link ElfError}. */
export function textAt(names: Uint8Array, offset: number): string {
  const end = names.indexOf(0, offset);
  if (offset >= names.byteLength || end < 0) throw new ElfError("a name lies beyond the name table");
  return new TextDecoder().decode(names.subarray(offset, end));
}
