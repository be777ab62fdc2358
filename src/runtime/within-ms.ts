/** Waits for a promise, and not for ever. */
import type { Timers } from '../store/timers.js';

/** Rejects after `ms` milliseconds; the work itself goes on, and what it comes to is dropped. */
export const withinMs = <A>(timers: Timers, ms: number, work: () => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    const callOff = timers.after(ms, () => reject(new Error(`not done within ${ms} ms`)));
    work().then(resolve, reject).finally(callOff);
  });
