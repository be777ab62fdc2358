/** Wakes those who wait for news, early; who is never woken looks again after its own time. */
import { realTimers, type Timers } from './timers.js';

export interface Wake {
  /** Resolves at the next `notify`, after `ms` milliseconds, or when the signal aborts, whichever is first. */
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly notify: () => void;
}

export const makeWake = (timers: Timers = realTimers): Wake => {
  const waiting = new Set<() => void>();
  let isDue = false;
  return {
    // Once a turn of the event loop: who wakes finds a burst of news as one page, and not a page for each.
    notify: () => {
      if (isDue || waiting.size === 0) return;
      isDue = true;
      timers.soon(() => {
        isDue = false;
        for (const resolve of [...waiting]) resolve();
      });
    },
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const done = (): void => {
          callOff();
          waiting.delete(done);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const callOff = timers.after(ms, done);
        waiting.add(done);
        signal?.addEventListener('abort', done, { once: true });
      }),
  };
};
