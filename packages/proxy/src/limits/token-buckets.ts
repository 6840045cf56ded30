/** The size of a bucket, in seconds of its rate. */
const BURST_SECONDS = 10;

interface Bucket {
  tokens: number;
  /** When `tokens` was computed. */
  at: number;
}

/** Limits how often each container may do something: a rate per second, and ten seconds' worth at once. */
export class TokenBuckets {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Takes a token from the bucket of this address. False when it is empty. */
  take(address: string): boolean {
    const now = this.#now();
    const bucket = this.#buckets.get(address) ?? { tokens: this.#capacity, at: now };
    bucket.tokens = this.#tokensAt(bucket, now);
    bucket.at = now;
    this.#buckets.set(address, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Removes the buckets that are full again. */
  removeFull(): void {
    const now = this.#now();
    for (const [address, bucket] of this.#buckets) {
      if (this.#tokensAt(bucket, now) >= this.#capacity) this.#buckets.delete(address);
    }
  }

  /** The number of buckets in memory. */
  get size(): number {
    return this.#buckets.size;
  }

  get #capacity(): number {
    return this.#perSecond * BURST_SECONDS;
  }

  #tokensAt({ tokens, at }: Bucket, now: number): number {
    return Math.min(this.#capacity, tokens + ((now - at) / 1000) * this.#perSecond);
  }
}
