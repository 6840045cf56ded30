/** Points in time: nanoseconds since 1970-01-01 UTC in maps, dates of whole milliseconds here. */
const NANOSECONDS = 1_000_000n;

export function encodeTime(time: Date): bigint {
  return BigInt(time.getTime()) * NANOSECONDS;
}

export function decodeTime(nanoseconds: bigint): Date {
  return new Date(Number(nanoseconds / NANOSECONDS));
}
