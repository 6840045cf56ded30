type Range = [first: number, last: number];

/** A set of ports, kept as the kernel writes it: ranges, so that ten thousand neighbours are one. */
export class PortSet {
  /** Ascending; neither overlapping nor adjacent. */
  #ranges: Range[] = [];

  /** Parses "80,1000-1010". What is no port or range is left out. */
  static parse(text: string): PortSet {
    const set = new PortSet();
    const ranges = text.split(",").flatMap((part): Range[] => {
      const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
      if (first === undefined || Number(first) > Number(last)) return [];
      return [[Number(first), Math.min(Number(last), 65535)]];
    });
    for (const [first, last] of ranges.sort(([one], [other]) => one - other)) {
      const before = set.#ranges.at(-1);
      if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else set.#ranges.push([first, last]);
    }
    return set;
  }

  has(port: number): boolean {
    return this.#ranges.some(([first, last]) => port >= first && port <= last);
  }

  addMany(ports: readonly number[]): void {
    this.#ranges = PortSet.parse([...this.#ranges.map((range) => range.join("-")), ...ports].join(",")).#ranges;
  }

  /** Those that are not in it are ignored. */
  deleteMany(ports: readonly number[]): void {
    const gone = new Set(ports);
    const left = [...this].filter((port) => !gone.has(port));
    this.#ranges = PortSet.parse(left.join(",")).#ranges;
  }

  /** Ascending. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (const [first, last] of this.#ranges) for (let port = first; port <= last; port++) yield port;
  }

  /** The kernel's own way of writing it: ascending, neighbours joined to ranges. */
  toString(): string {
    return this.#ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
  }
}
