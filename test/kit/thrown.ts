/** Returns what `body` throws, which must be of the class given. */
export function thrown<T extends Error>(type: new (...args: never[]) => T, body: () => unknown): T {
  let result: unknown;
  try {
    result = body();
  } catch (error) {
    if (error instanceof type) return error;
    throw error;
  }
  throw new Error(`expected ${type.name}, got the result ${String(result)}`);
}
