const clock = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread for so many milliseconds; 0 or less returns at once. It throws nothing. */
export function sleepSync(milliseconds: number): void {
  if (milliseconds > 0) Atomics.wait(clock, 0, 0, milliseconds);
}
