/** Writes of a group, one after another; one that the store cannot take now is tried again until the group ends. */
import { taggedOf } from '../../core/fault.js';
import { defaultRetry, delayAfter, type RetryPolicy } from '../../core/retry.js';
import { makeWake } from '../../store/wake.js';
import type { ServerContext } from '../context.js';

type Write = () => Promise<void>;

export interface Writer {
  /** Runs the write when those before it are done; `plainly` where the store refuses it for good. */
  readonly write: (write: Write, plainly?: Write) => void;
  /** Nothing more is to be written. */
  readonly giveUp: () => void;
  /** Resolves when nothing is left to write. */
  readonly done: () => Promise<void>;
}

/** Waits between attempts: short at first, never longer than two seconds. */
export const patience: RetryPolicy = { ...defaultRetry, delayMs: 20, delayMaxMs: 2_000, jitter: 0 };

/** Attempts at a write once the group has ended: who ends it waits. */
const lastAttemptsMax = 3;

/** What the store may take later on. Any other refusal stays one, however often it is asked. */
const passing: ReadonlySet<string | undefined> = new Set(['StoreUnavailable', 'OutcomeUnknown']);

export interface WriterTerms {
  /** Aborted when the group ends. */
  readonly signal: AbortSignal;
  /** Nothing more can be written: the lease is another server's, or the store refuses. */
  readonly onLost: () => void;
}

export const openWriter = (
  { timers, onError }: Pick<ServerContext, 'timers' | 'onError'>,
  { signal, onLost }: WriterTerms,
): Writer => {
  const wake = makeWake(timers);
  let isLost = false;
  let last: Promise<void> = Promise.resolve();

  const lose = (): void => {
    isLost = true;
    onLost();
  };
  const insist = async (write: Write, plainly: Write | undefined): Promise<void> => {
    // Ended by success, by a refusal that stays, by the loss of the lease, by the store's end, or soon after the group's.
    for (let attempt = 1; !isLost; attempt += 1)
      try {
        return await write();
      } catch (thrown) {
        const tag = taggedOf(thrown)?._tag;
        if (tag === 'StoreClosed') return;
        if (tag === 'LeaseLost') return lose();
        onError(thrown);
        if (!passing.has(tag)) return plainly === undefined ? lose() : await insist(plainly, undefined);
        if (signal.aborted && attempt >= lastAttemptsMax) return;
        await wake.wait(
          delayAfter(patience, attempt, () => 1),
          signal,
        );
      }
  };
  return {
    write: (write, plainly) => {
      last = last.then(() => insist(write, plainly));
    },
    giveUp: () => {
      isLost = true;
    },
    done: () => last,
  };
};
