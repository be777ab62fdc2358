/** Writes of a group, one after another; one that the store cannot take now is tried again until the group ends. */
import { taggedOf } from '../../core/fault.js';
import { defaultRetry, delayAfter, type RetryPolicy } from '../../core/retry.js';
import { makeWake } from '../../store/wake.js';
import type { ServerContext } from '../context.js';

export interface Writer {
  /** Runs the write when those before it are done. */
  readonly write: (write: () => Promise<void>) => void;
  /** Resolves when nothing is left to write. */
  readonly done: () => Promise<void>;
}

/** Waits between attempts: short at first, never longer than two seconds. */
export const patience: RetryPolicy = { ...defaultRetry, delayMs: 20, delayMaxMs: 2_000, jitter: 0 };

/** Attempts at a write once the group has ended: who ends it waits. */
const lastAttemptsMax = 3;

export interface WriterTerms {
  /** Aborted when the group ends. */
  readonly signal: AbortSignal;
  /** Nothing more can be written: the lease is another server's. */
  readonly onLost: () => void;
}

export const openWriter = (
  { timers, onError }: Pick<ServerContext, 'timers' | 'onError'>,
  { signal, onLost }: WriterTerms,
): Writer => {
  const wake = makeWake(timers);
  let isLost = false;
  let last: Promise<void> = Promise.resolve();

  const insist = async (write: () => Promise<void>): Promise<void> => {
    // Ended by success, by the loss of the lease, by the store's end, or soon after the group's.
    for (let attempt = 1; !isLost; attempt += 1)
      try {
        return await write();
      } catch (thrown) {
        const tag = taggedOf(thrown)?._tag;
        if (tag === 'StoreClosed') return;
        if (tag === 'LeaseLost') {
          isLost = true;
          return onLost();
        }
        onError(thrown);
        if (signal.aborted && attempt >= lastAttemptsMax) return;
        await wake.wait(
          delayAfter(patience, attempt, () => 1),
          signal,
        );
      }
  };
  return {
    write: (write) => {
      last = last.then(() => insist(write));
    },
    done: () => last,
  };
};
