/** A clock that a test moves: it stands still until everything that can go on has gone on. */
import type { Timers } from '../../src/store/timers.js';
import { virtualTime } from '../../src/testing/simulation/virtual-time.js';

const stepsMax = 100_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const virtualClock = () => {
  const time = virtualTime();
  const timers: Timers = { now: time.now, after: time.after, soon: (run) => void setImmediate(run) };
  const environment = {
    timers,
    random: () => 0.5,
    sleep: (ms: number) => new Promise<void>((resolve) => time.after(ms, resolve)),
  };
  return {
    now: time.now,
    environment,
    sleep: environment.sleep,
    /** Moves the clock until the promise has settled. */
    until: async <A>(promise: Promise<A>): Promise<A> => {
      let isOver = false;
      const noted = promise.finally(() => {
        isOver = true;
      });
      noted.catch(() => undefined);
      for (let step = 0; step < stepsMax; step += 1) {
        // Several turns: what was woken may wake others.
        for (let more = 0; more < 4; more += 1) await turn();
        if (isOver) return noted;
        if (!time.step()) throw new Error(`nothing is due any more at ${time.now()} ms`);
      }
      throw new Error(`not over after ${stepsMax} steps, at ${time.now()} ms`);
    },
  };
};
