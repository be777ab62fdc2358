/** How the loops of the runtime take it that the store is away: no message is at fault, and they ask again until it is back. */
import { taggedOf } from '../core/fault.js';
import { delayAfter, type RetryPolicy } from '../core/retry.js';
import type { OutcomeUnknown } from '../store/event-store.js';
import type { StoreUnavailable } from '../store/store-errors.js';
import { makeWake } from '../store/wake.js';
import type { Environment } from './environment.js';

export type Outage = StoreUnavailable | OutcomeUnknown;

export interface OutageNotice {
  readonly error: Outage;
  /** When the store is asked again, in milliseconds. */
  readonly retryInMs: number;
}

/** The store could not be reached, or was lost before it answered. */
export const isOutage = (error: { readonly _tag: string }): error is Outage =>
  error._tag === 'StoreUnavailable' || error._tag === 'OutcomeUnknown';

/** The outage that was thrown, if it was one. */
export const outageOf = (thrown: unknown): Outage | undefined => {
  const error = taggedOf(thrown);
  return error !== undefined && isOutage(error) ? error : undefined;
};

/** From 50 to 100 ms after the first failure in a row, then twice as long each time, 10 s at most. */
const pauses: RetryPolicy = {
  attemptsMax: Infinity,
  delayMs: 100,
  delayMaxMs: 10_000,
  multiplier: 2,
  jitter: 0.5,
};

export interface Patience {
  /**
   * Does `work` until no outage keeps it from being done; what else it throws is thrown. Work that is repeated must bear it. Once
   * the signal is aborted the outage itself is thrown.
   */
  readonly through: <A>(work: () => Promise<A>) => Promise<A>;
  /** The store has answered. */
  readonly back: () => void;
}

export interface PatienceOptions {
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly onOutage: ((notice: OutageNotice) => void) | undefined;
  /** Told when the store answers again. */
  readonly onBack: () => void;
}

/** Shared by all who use one store in one loop: whoever meets an outage while others wait for its end waits with them. */
export const patience = ({ environment, signal, onOutage, onBack }: PatienceOptions): Patience => {
  const wake = makeWake(environment.timers);
  let outages = 0;
  let pause: Promise<void> | undefined;
  const wait = async (error: Outage): Promise<void> => {
    outages += 1;
    const retryInMs = delayAfter(pauses, outages, environment.random);
    try {
      onOutage?.({ error, retryInMs });
      await wake.wait(retryInMs, signal);
    } finally {
      pause = undefined;
    }
  };
  const back = (): void => {
    if (outages === 0) return;
    outages = 0;
    onBack();
  };
  return {
    back,
    through: async (work) => {
      // Ends: when the store is back, or with the signal.
      for (;;) {
        try {
          const done = await work();
          back();
          return done;
        } catch (thrown) {
          const error = outageOf(thrown);
          if (error === undefined || signal.aborted) throw thrown;
          pause ??= wait(error);
          await pause;
          if (signal.aborted) throw thrown;
        }
      }
    },
  };
};
