/** The messages that wait in one partition of this process, in order, and which of them may be handled now. */
import type * as E from 'fp-ts/lib/Either.js';
import type { TakenMessage } from '../../store/message-queue.js';
import { nextBatch, orderKeyOf } from './message-batch.js';
import type { MessageFailure, MessageOutcome } from './message-delivery.js';
import type { MessageRunner } from './message-runner.js';

/** All attempts at the message failed. Nothing of it was written, unless `error` says that this is unknown. Mend what `error` names and send it again under the same id; later messages of its key went on. */
export interface MessageGivenUp {
  readonly _tag: 'MessageGivenUp';
  readonly id: string;
  readonly attempts: number;
  readonly error: MessageFailure;
  readonly message: string;
}

/** The partitions were stopped before the message was handled. Nothing of it was written, unless it was in hand at that moment: send it again under the same id. */
export interface PartitionsStopped {
  readonly _tag: 'PartitionsStopped';
  readonly id: string;
}

export type LocalAnswer = E.Either<MessageGivenUp | PartitionsStopped, MessageOutcome>;

export interface Job {
  readonly message: TakenMessage;
  readonly answer: (answer: LocalAnswer) => void;
  /** When it came, by the clock of the timers, as is the next. */
  readonly arrivedAt: number;
  dueAt: number;
  attempt: number;
  /** Handled by itself: one of the batch that it was in is at fault. */
  isAlone: boolean;
}

/** The next to be handled, in one call, with the place of the first; or how long there is nothing to do. */
export type NextJobs =
  | { readonly _tag: 'Handle'; readonly jobs: ReadonlyArray<Job>; readonly at: number }
  | { readonly _tag: 'Wait'; readonly ms: number };

const idleMs = 60_000;

/** Those that are due and have none of their key before them that waits to be tried again. */
const readyAt = function* (jobs: ReadonlyArray<Job>, time: number): Generator<Job, void, void> {
  const held = new Set<string>();
  for (const job of jobs) {
    const key = orderKeyOf(job.message);
    if (job.dueAt <= time && !held.has(key)) yield job;
    if (job.attempt > 1) held.add(key);
  }
};

/** Takes them out of `jobs`. One look at the clock: a job that came due between two looks would be neither handled nor waited for. */
export const takeNext = (jobs: Job[], time: number, batchMaxOf: MessageRunner['batchMaxOf']): NextJobs => {
  const mayJoin = ({ attempt, isAlone }: Job): boolean => attempt === 1 && !isAlone;
  const next = nextBatch(readyAt(jobs, time), batchMaxOf, mayJoin);
  const [first] = next;
  if (first === undefined) {
    const waits = jobs.filter(({ dueAt }) => dueAt > time).map(({ dueAt }) => Math.max(1, dueAt - time));
    return { _tag: 'Wait', ms: waits.reduce((least, ms) => Math.min(least, ms), idleMs) };
  }
  const at = jobs.indexOf(first);
  for (const job of next) jobs.splice(jobs.indexOf(job, at), 1);
  return { _tag: 'Handle', jobs: next, at };
};
