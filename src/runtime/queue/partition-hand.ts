/** What the owner of one partition has in hand, and what it tells the queue of it: done, failed, parked. */
import * as E from 'fp-ts/lib/Either.js';
import { describeTagged, taggedError } from '../../core/fault.js';
import { delayAfter } from '../../core/retry.js';
import { fenceOf, type Lease, type LeaseLost } from '../../store/leases.js';
import type { MessageQueue, TakenMessage } from '../../store/message-queue.js';
import type { BadRequest, Unreachable } from '../../store/store-errors.js';
import { realTimers } from '../../store/timers.js';
import type { MessageFailure, MessageOutcome } from './message-delivery.js';
import type { WorkerContext } from './worker-options.js';

/** A message in hand. */
export interface InHand {
  readonly message: TakenMessage;
  readonly takenAt: number;
  /** `waits` for its turn, `runs`, or `ends`: the queue is being told. */
  phase: 'waits' | 'runs' | 'ends';
}

/** What a call under the partition's lease came to: the store's answer, or that the work is over. */
export type Told<A> = { readonly _tag: 'Told'; readonly value: A } | { readonly _tag: 'Over' };

const unreachablePauseMs = 250;

/** What the parts of one partition's work share; the lease, and what is kept under it, changes when it is taken anew. */
export interface PartitionShared {
  readonly context: WorkerContext;
  readonly queue: MessageQueue;
  readonly inHand: Map<string, InHand>;
  readonly over: AbortController;
  lease: Lease;
  /** What handlers may remember of their streams. */
  kept: Map<string, unknown>;
  readonly wake: () => void;
  /** The partition is another's: everything in hand is dropped. */
  readonly lose: () => void;
}

export const handKey = ({ tenant, id }: Pick<TakenMessage, 'tenant' | 'id'>): string =>
  `${tenant}\u0000${id}`;

/** Calls the store until it answers, or the partition's lease has run out meanwhile: nothing is decided by an outage. */
export const persist = async <A>(
  shared: PartitionShared,
  call: () => Promise<E.Either<LeaseLost | BadRequest | Unreachable, A>>,
): Promise<Told<A>> => {
  const { context, over, lose } = shared;
  // Ends: an outage that outlasts the lease ends the partition's work.
  while (!over.signal.aborted) {
    const answer = await call();
    if (over.signal.aborted) break;
    if (E.isRight(answer)) return { _tag: 'Told', value: answer.right };
    if (answer.left._tag === 'LeaseLost') {
      lose();
      break;
    }
    if (answer.left._tag !== 'StoreUnavailable') {
      context.onBug(taggedError(answer.left));
      lose();
      break;
    }
    await context.environment.sleep(unreachablePauseMs * (0.5 + context.environment.random()));
  }
  return { _tag: 'Over' };
};

const safely = ({ context }: PartitionShared, tell: () => void): void => {
  try {
    tell();
  } catch (thrown) {
    context.onBug(thrown);
  }
};

interface Ended {
  readonly hand: InHand;
  readonly outcome: MessageOutcome;
}

/** Tells the queue what is done, all that has come together in one call. */
export const doneTeller = (shared: PartitionShared) => {
  const { context, queue, inHand, over } = shared;
  const { now } = context.environment.timers ?? realTimers;
  let pending: Ended[] = [];
  let isTelling = false;
  const tellAll = async (): Promise<void> => {
    // Ends: when nothing has come while the queue was told.
    while (pending.length > 0 && !over.signal.aborted) {
      const together = pending;
      pending = [];
      const messages = together.map(({ hand: { message } }) => message);
      const told = await persist(shared, () => queue.done(messages, fenceOf(shared.lease))());
      if (told._tag === 'Over') return;
      for (const { hand, outcome } of together) {
        inHand.delete(handKey(hand.message));
        const { message } = hand;
        safely(shared, () => {
          if (outcome._tag === 'Invalid') context.hooks.onInvalid?.({ message, problems: outcome.problems });
          context.hooks.onHandled?.({ message, outcome, durationMs: now() - hand.takenAt });
        });
      }
      shared.wake();
    }
  };
  const tell = async (): Promise<void> => {
    try {
      await tellAll();
    } catch (thrown) {
      context.onBug(thrown);
    } finally {
      isTelling = false;
      // What came between the last look and here.
      if (pending.length > 0) start();
    }
  };
  const start = (): void => {
    if (isTelling || over.signal.aborted) return;
    isTelling = true;
    void tell();
  };
  return (ended: Ended): void => {
    pending.push(ended);
    start();
  };
};

/** Tells the queue of a failed attempt: tried again after a wait, or parked where it was the last. */
export const tellFailed = async (
  shared: PartitionShared,
  { message }: InHand,
  error: MessageFailure,
): Promise<void> => {
  const { context, queue, inHand } = shared;
  const { retry, environment, hooks } = context;
  const isLast = message.attempt >= retry.attemptsMax;
  const retryInMs = Math.round(delayAfter(retry, message.attempt, environment.random));
  const then = isLast ? ('park' as const) : { retryInMs };
  const words = describeTagged(error);
  const told = await persist(shared, () =>
    queue.failed({ message, error: words, then, fence: fenceOf(shared.lease) })(),
  );
  if (told._tag === 'Over') return;
  inHand.delete(handKey(message));
  safely(shared, () =>
    isLast ? hooks.onParked?.({ message, error }) : hooks.onRetry?.({ message, error, retryInMs }),
  );
  shared.wake();
};
