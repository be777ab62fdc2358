/** A map that keeps what is busy, and lets go of what is not when it is full. */

/** Shed at once, so that looking through all of them is rare. */
const shareShed = 0.1;

export interface Busiest<A> {
  readonly get: (key: string) => A | undefined;
  /** Puts the value in its place; where there is no room for a new key, the least busy tenth goes. */
  readonly set: (key: string, value: A, nowMs: number) => void;
  readonly entries: () => IterableIterator<[string, A]>;
  readonly size: () => number;
}

/** At most `max` keys. `busyness` says how much a value's key is in use now. */
export const busiest = <A>(max: number, busyness: (value: A, nowMs: number) => number): Busiest<A> => {
  const all = new Map<string, A>();
  const shed = (nowMs: number): void => {
    const byUse = [...all]
      .map(([key, value]): [string, number] => [key, busyness(value, nowMs)])
      .sort(([, a], [, b]) => a - b);
    for (const [key] of byUse.slice(0, Math.max(1, Math.floor(max * shareShed)))) all.delete(key);
  };
  return {
    get: (key) => all.get(key),
    set: (key, value, nowMs) => {
      if (!all.has(key) && all.size >= max) shed(nowMs);
      all.set(key, value);
    },
    entries: () => all.entries(),
    size: () => all.size,
  };
};
