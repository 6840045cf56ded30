import { afterEach, beforeEach, expect } from "bun:test";
import { openKernelFds } from "./sandbox.ts";

/**
 * Makes these before each test of a file, and disposes of them after it, the last first: then no descriptor of a
 * program, a map or a namespace may be open.
 */
export function forEachTest(...made: readonly (() => Disposable)[]): void {
  const open: Disposable[] = [];
  beforeEach(() => {
    for (const make of made) open.push(make());
  });
  afterEach(() => {
    for (const each of open.splice(0).toReversed()) each[Symbol.dispose]();
    expect(openKernelFds()).toEqual([]);
  });
}
