import { afterEach, beforeEach, expect } from "bun:test";
import { openBpfDescriptors } from "./open-descriptors.ts";

/**
 * Makes these before each test of a file, and disposes of them after it, the last first. Then checks that no descriptor
 * of a BPF object, a network namespace or a cgroup is left open.
 */
export function forEachTest(...make: readonly (() => Disposable)[]): void {
  const made: Disposable[] = [];
  beforeEach(() => {
    for (const each of make) made.push(each());
  });
  afterEach(() => {
    for (const each of made.splice(0).toReversed()) each[Symbol.dispose]();
    expect(openBpfDescriptors()).toEqual([]);
  });
}
