/** Runs what the owner of a partition has in hand: in order, so many at once, and each to an answer that the queue is told. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import { fenceOf } from '../../store/leases.js';
import { doneTeller, type InHand, type PartitionShared, tellFailed } from './partition-hand.js';
import { nextBatch } from './message-batch.js';
import type { MessageFailure } from './message-delivery.js';
import type { MessageRunner, RunResult } from './message-runner.js';
import { isOutage } from '../outage.js';

export interface Hung {
  readonly hand: InHand;
  readonly error: MessageFailure;
}

export interface PartitionRun {
  /** In the order of the queue. */
  readonly waiting: InHand[];
  /** Messages whose time was up; told to the queue under the next token only, since until then their handlers might still write. */
  readonly hung: Hung[];
  /** Calls that are running; a batch is one. */
  readonly running: () => number;
  /** Starts those who wait, as many as may run. */
  readonly start: () => void;
}

/** Runs messages to an answer that is not an outage. */
const runToAnswer = async (
  shared: PartitionShared,
  runner: MessageRunner,
  hands: ReadonlyArray<InHand>,
): Promise<RunResult> => {
  const { kept, over } = shared;
  const { environment } = shared.context;
  const fence = fenceOf(shared.lease);
  const deliveries = hands.map(({ message }) => ({ message, fence, kept }));
  for (let outage = 1; ; outage += 1) {
    const result = await runner.run(deliveries, over.signal);
    if (over.signal.aborted || E.isRight(result) || !isOutage(result.left)) return result;
    // The same attempt: its message is not at fault. Ends when the store is back, or the lease has run out.
    await environment.sleep(Math.min(2_000, 50 * 2 ** outage) * (0.5 + environment.random() / 2));
    if (over.signal.aborted) return result;
  }
};

/** The next in order, with those of its type right behind it where they are handled together; only first attempts. */
const nextOf = (waiting: InHand[], { batchMaxOf }: MessageRunner): ReadonlyArray<InHand> =>
  waiting.splice(0, nextBatch(waiting, batchMaxOf, ({ message }) => message.attempt === 1).length);

const usedUp = (attempt: number): MessageFailure => ({
  _tag: 'AttemptsUsedUp',
  attempts: attempt - 1,
  message: `handling it has begun ${attempt - 1} times and never ended: its process stopped, or lost the partition`,
});

export const partitionRun = (shared: PartitionShared, runner: MessageRunner): PartitionRun => {
  const { context, over } = shared;
  const waiting: InHand[] = [];
  const hung: Hung[] = [];
  const done = doneTeller(shared);
  let running = 0;

  const failed = async (hands: ReadonlyArray<InHand>, error: MessageFailure): Promise<void> => {
    if (error._tag === 'LeaseLost' && error.lease === shared.lease.name) return shared.lose();
    if (error._tag === 'StoreClosed') {
      context.onBug(taggedError(error));
      return shared.lose();
    }
    for (const hand of hands) hand.phase = 'ends';
    if (error._tag === 'HandlerTimedOut') hung.push(...hands.map((hand) => ({ hand, error })));
    else for (const hand of hands) await tellFailed(shared, hand, error);
  };

  const handle = async (hands: ReadonlyArray<InHand>): Promise<void> => {
    for (const hand of hands) hand.phase = 'runs';
    const result = await runToAnswer(shared, runner, hands);
    if (over.signal.aborted) return;
    if (E.isRight(result))
      for (const hand of hands) {
        hand.phase = 'ends';
        done({ hand, outcome: result.right.outcome });
      }
    else if (hands.length > 1 && result.left._tag !== 'HandlerTimedOut')
      // One of the batch is at fault: each by itself.
      for (const hand of hands) await handle([hand]);
    else await failed(hands, result.left);
  };

  const begin = (work: Promise<void>): void => {
    running += 1;
    void work.catch(context.onBug).finally(() => {
      running -= 1;
      shared.wake();
    });
  };
  return {
    waiting,
    hung,
    running: () => running,
    start: () => {
      while (running < context.concurrency && waiting.length > 0) {
        const hands = nextOf(waiting, runner);
        const { attempt } = (hands[0] as InHand).message;
        begin(attempt > context.retry.attemptsMax ? failed(hands, usedUp(attempt)) : handle(hands));
      }
    },
  };
};
