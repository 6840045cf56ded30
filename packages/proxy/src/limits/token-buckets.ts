/** How many seconds' worth may come at once after a quiet time. */
const BURST_SECONDS = 10;

interface Bucket {
  tokens: number;
  at: number;
}

/** How often each container may do something: so many times a second, and ten seconds' worth at once. */
export class Rates {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Whether it may be done now; if so, it is counted. */
  take(address: string): boolean {
    const now = this.#now();
    const bucket = this.#buckets.get(address) ?? { tokens: this.#most, at: now };
    bucket.tokens = this.#tokens(bucket, now);
    bucket.at = now;
    this.#buckets.set(address, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Forgets who has been quiet. To be called now and then. */
  forget(): void {
    const now = this.#now();
    for (const [address, bucket] of this.#buckets) {
      if (this.#tokens(bucket, now) >= this.#most) this.#buckets.delete(address);
    }
  }

  /** How many are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  get #most(): number {
    return this.#perSecond * BURST_SECONDS;
  }

  #tokens({ tokens, at }: Bucket, now: number): number {
    return Math.min(this.#most, tokens + ((now - at) / 1000) * this.#perSecond);
  }
}
