/** How long something took, as a distribution in little memory: how many, the middle, the slow end, the slowest. */

/** Each bucket is so much wider than the one before; a quantile is wrong by half of that at most. */
const growth = 1.1;
const smallestMs = 0.01;

export interface SpreadRead {
  readonly count: number;
  /** Half of them took no longer, in milliseconds, within 5 %; 0 where there are none. */
  readonly p50Ms: number;
  /** All but one in a hundred took no longer, in milliseconds, within 5 %. */
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly totalMs: number;
}

export interface Spread {
  readonly add: (ms: number) => void;
  readonly read: () => SpreadRead;
}

export const spread = (): Spread => {
  const buckets = new Map<number, number>();
  let count = 0;
  let maxMs = 0;
  let totalMs = 0;
  const quantile = (share: number): number => {
    let left = Math.ceil(count * share);
    for (const [bucket, size] of [...buckets].sort(([a], [b]) => a - b)) {
      left -= size;
      // The middle of the bucket, which never lies beyond the slowest.
      if (left <= 0) return bucket === 0 ? 0 : Math.min(maxMs, smallestMs * growth ** (bucket - 0.5));
    }
    return maxMs;
  };
  return {
    add: (ms) => {
      if (!(ms >= 0) || ms === Infinity) return;
      count += 1;
      totalMs += ms;
      maxMs = Math.max(maxMs, ms);
      const bucket = ms <= smallestMs ? 0 : Math.ceil(Math.log(ms / smallestMs) / Math.log(growth));
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    },
    read: () => ({ count, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs, totalMs }),
  };
};
