import type { DpName } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { type BpfMap, MapFullError } from "../../libbpf/map.ts";

/** No group: such a server reaches no other. */
const NO_GROUP = 0;

/**
 * The numbers of groups, which the programs compare (dp_groups). It is a hash table with open addressing: a name's
 * number is its hash, or the next free number. So no two names share a number, and finding one usually takes one
 * look-up. An error of the kernel throws `SyscallError`, a full map `MapFullError`.
 */
export class Groups {
  readonly #names: BpfMap<number, DpName>;
  readonly #used: () => ReadonlySet<string>;

  /** @param used the names of the groups that servers are in */
  constructor(names: BpfMap<number, DpName>, used: () => ReadonlySet<string>) {
    this.#names = names;
    this.#used = used;
  }

  /** The number a group has; undefined for one that has none yet. "" is no group. */
  find(name: string): number | undefined {
    const id = this.#slotOf(name);
    return id === NO_GROUP || this.#names.get(id) !== undefined ? id : undefined;
  }

  /** The number of a group, which it gets now if it has none. "" is no group. */
  of(name: string): number {
    const found = this.find(name);
    if (found !== undefined) return found;
    try {
      return this.#add(name);
    } catch (error) {
      if (!(error instanceof MapFullError)) throw error;
      this.forgetUnused();
      return this.#add(name);
    }
  }

  #add(name: string): number {
    const id = this.#slotOf(name);
    this.#names.set(id, { text: name }, "create");
    return id;
  }

  /** The slot that has a name, or the free slot for it. */
  #slotOf(name: string): number {
    if (name === "") return NO_GROUP;
    let id = firstSlot(name);
    for (let steps = 0; steps <= this.#names.info.maxEntries; steps++) {
      const found = this.#names.get(id);
      if (found === undefined || found.text === name) return id;
      id = nextSlot(id);
    }
    throw new DatapathError("FAILED", `number the group ${name}`, "no number is left");
  }

  /**
   * Deletes groups without servers, which removing a server leaves. A group whose next slot is used stays: the search
   * for the name there begins here.
   */
  forgetUnused(): void {
    const used = this.#used();
    const unused = [...this.#names].filter(([, { text }]) => !used.has(text)).map(([id]) => id);
    for (const id of unused) if (this.#names.get(nextSlot(id)) === undefined) this.#names.delete(id);
  }
}

/** FNV-1a over UTF-8, 32 bits. */
function firstSlot(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0 === NO_GROUP ? 1 : hash >>> 0;
}

function nextSlot(id: number): number {
  return id === 0xffffffff ? 1 : id + 1;
}
