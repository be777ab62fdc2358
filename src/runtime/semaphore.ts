/** At most so many at once, first come first served. */

export interface Semaphore {
  readonly use: <A>(work: () => Promise<A>) => Promise<A>;
}

export const semaphore = (permits: number): Semaphore => {
  let free = permits;
  const waiting: Array<() => void> = [];
  return {
    use: async (work) => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
};
