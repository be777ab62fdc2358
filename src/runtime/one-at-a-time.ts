/** Runs the work of one key one after another, and of different keys at once. */

export type OneAtATime = <A>(key: string, work: () => Promise<A>) => Promise<A>;

/** What waits is held as promises: callers bound how many there are. A failure goes to its own caller only. */
export const oneAtATime = (): OneAtATime => {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
};
