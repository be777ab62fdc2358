/** The clock and the dice that a runtime is given. */
import type { Timers } from '../store/timers.js';

/** What a runtime takes from outside, so that a test can hold all of it still. */
export interface Environment {
  /** A number from 0 up to 1. Default `Math.random`. */
  readonly random: () => number;
  /** Resolves after `ms` milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** What a follower waits with between its looks. Default: the machine's timers. */
  readonly timers?: Timers;
}

export const realEnvironment: Environment = {
  random: Math.random,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
