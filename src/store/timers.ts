/** How stores and subscriptions wait: the machine's timers, or a clock that a test moves by hand. */

export interface Timers {
  /** Milliseconds on a clock that never goes back; only differences mean something. */
  readonly now: () => number;
  /** Runs `run` once after `ms` milliseconds; the answer calls it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Runs `run` once, when all that can move now has moved. */
  readonly soon: (run: () => void) => void;
}

export const realTimers: Timers = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};
