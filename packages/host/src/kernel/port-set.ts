type Range = [first: number, last: number];

/** A set of ports, stored as ranges like the kernel writes it: ten thousand adjacent ports are one range. */
export class PortSet {
  /** Ascending; neither overlapping nor adjacent. */
  #ranges: Range[] = [];

  /** Parses "80,1000-1010". Parts that are not a port or range are skipped. */
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

  add(port: number): void {
    if (this.has(port)) return;
    this.#ranges = PortSet.parse(`${this.toString()},${port}`).#ranges;
  }

  /** Returns false when the set did not have the port. */
  delete(port: number): boolean {
    if (!this.has(port)) return false;
    this.#ranges = this.#ranges.flatMap(([first, last]): Range[] => {
      if (port < first || port > last) return [[first, last]];
      const halves: Range[] = [
        [first, port - 1],
        [port + 1, last],
      ];
      return halves.filter(([from, to]) => from <= to);
    });
    return true;
  }

  /** All ports, ascending. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (const [first, last] of this.#ranges) for (let port = first; port <= last; port++) yield port;
  }

  /** The format of the kernel: ascending, adjacent ports joined to ranges. */
  toString(): string {
    return this.#ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
  }
}
