/** What was used last, and no more than so much of it: whatever was not used for longest makes room. */

export interface UsedLast<A> {
  /** Does not count as a use. */
  readonly get: (key: string) => A | undefined;
  /** As the one used last. */
  readonly set: (key: string, value: A) => void;
  readonly delete: (key: string) => void;
}

/** Of `max` keys, 0 or more. */
export const usedLast = <A>(max: number): UsedLast<A> => {
  // A Map keeps the order of insertion: the first key is the one not used for longest.
  const all = new Map<string, A>();
  return {
    get: (key) => all.get(key),
    set: (key, value) => {
      all.delete(key);
      all.set(key, value);
      if (all.size > max) all.delete(all.keys().next().value as string);
    },
    delete: (key) => void all.delete(key),
  };
};
