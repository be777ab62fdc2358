/** One partition in memory: a bounded channel whose messages are handled one after another, in order for each key. */
import * as E from 'fp-ts/lib/Either.js';
import { delayAfter, type RetryPolicy } from '../core/retry.js';
import { describeTagged } from '../core/fault.js';
import type { TakenMessage } from '../store/message-queue.js';
import { realTimers } from '../store/timers.js';
import { makeWake } from '../store/wake.js';
import type { Environment } from './environment.js';
import type { MessageFailure, MessageOutcome, Ran } from './message-delivery.js';
import type { MessageRunner } from './message-runner.js';
import type { WorkerHooks } from './worker-options.js';

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

interface Job {
  readonly message: TakenMessage;
  readonly answer: (answer: LocalAnswer) => void;
  attempt: number;
  /** By the clock of the timers. */
  dueAt: number;
}

export interface LocalPartitionState {
  readonly index: number;
  /** Messages in the channel, the one in hand included. */
  readonly depth: number;
  /** Senders that wait for room. */
  readonly senders: number;
  readonly inHand: { readonly id: string; readonly key: string; readonly attempt: number } | undefined;
  /** How long its oldest message has been there, in milliseconds; 0 where it has none. */
  readonly oldestMs: number;
}

export interface LocalChannel {
  /** Reserves room for one message; false where there is none. */
  readonly tryRoom: () => boolean;
  /** Reserves room when there is some, in the order of asking; false where the channel was stopped meanwhile. */
  readonly room: () => Promise<boolean>;
  /** Puts a message in; `hasRoom` where room was reserved for it. */
  readonly put: (
    message: TakenMessage,
    options: { readonly delayMs?: number | undefined; readonly hasRoom: boolean },
  ) => Promise<LocalAnswer>;
  readonly state: () => LocalPartitionState;
  readonly stop: () => void;
  readonly ended: Promise<void>;
}

export interface ChannelContext {
  readonly index: number;
  readonly capacity: number;
  readonly environment: Environment;
  readonly retry: RetryPolicy;
  readonly runner: MessageRunner;
  readonly hooks: WorkerHooks;
  /** What a handled message wants to be enqueued. */
  readonly onNext: (ran: Ran) => void;
  /** Something was handled or dropped. */
  readonly onChange: () => void;
}

const idleMs = 60_000;

const isOutage = ({ _tag }: MessageFailure): boolean =>
  _tag === 'StoreUnavailable' || _tag === 'OutcomeUnknown';

const keyOf = ({ tenant, key }: TakenMessage): string => `${tenant}\u0000${key}`;

/* eslint max-lines-per-function: ["error", { max: 130, skipBlankLines: true, skipComments: true }] --
   the channel's jobs, its waiting senders and its one loop belong together. */
export const localChannel = (context: ChannelContext): LocalChannel => {
  const { index, capacity, environment, retry, runner, hooks } = context;
  const { now } = environment.timers ?? realTimers;
  const wake = makeWake(environment.timers);
  const over = new AbortController();
  const kept = new Map<string, unknown>();
  const jobs: Job[] = [];
  const arrivals = new Map<Job, number>();
  const senders: Array<(isOpen: boolean) => void> = [];
  let inHand: Job | undefined;
  /** Senders that were let in and have not put their message yet. */
  let admitted = 0;

  const depth = (): number => jobs.length + (inHand === undefined ? 0 : 1);
  const isFull = (): boolean => depth() + admitted >= capacity;
  const admit = (): void => {
    while (senders.length > 0 && !isFull()) {
      admitted += 1;
      senders.shift()?.(true);
    }
  };

  const end = (job: Job, answer: LocalAnswer): void => {
    arrivals.delete(job);
    job.answer(answer);
    context.onChange();
  };

  /** The first job that is due and has none of its key before it that waits to be tried again. */
  const nextAt = (): { readonly at: number } | { readonly waitMs: number } => {
    const held = new Set<string>();
    // One look at the clock: a job that came due between two looks would be neither handled nor waited for.
    const time = now();
    let waitMs = idleMs;
    for (const [at, job] of jobs.entries()) {
      const key = keyOf(job.message);
      if (job.dueAt <= time && !held.has(key)) return { at };
      if (job.attempt > 1) held.add(key);
      if (job.dueAt > time) waitMs = Math.min(waitMs, Math.max(1, job.dueAt - time));
    }
    return { waitMs };
  };

  const fail = (job: Job, at: number, error: MessageFailure): void => {
    const message = { ...job.message, attempt: job.attempt };
    if (!isOutage(error) && job.attempt >= retry.attemptsMax) {
      const { id } = message;
      const words = `${id} was given up after ${job.attempt} attempts: ${describeTagged(error)}`;
      hooks.onParked?.({ message, error });
      return end(job, E.left({ _tag: 'MessageGivenUp', id, attempts: job.attempt, error, message: words }));
    }
    const retryInMs = delayAfter(retry, job.attempt, environment.random);
    hooks.onRetry?.({ message, error, retryInMs });
    // An outage is not the message's fault, but it waits as after a failure: hence held as one that has been tried.
    job.attempt += isOutage(error) && job.attempt > 1 ? 0 : 1;
    job.dueAt = now() + retryInMs;
    jobs.splice(at, 0, job);
  };

  const handle = async (job: Job, at: number): Promise<void> => {
    inHand = job;
    const began = now();
    const message = { ...job.message, attempt: job.attempt };
    const result = await runner.run([{ message, fence: undefined, kept }], over.signal);
    inHand = undefined;
    if (over.signal.aborted) return end(job, E.left({ _tag: 'PartitionsStopped', id: message.id }));
    if (E.isLeft(result)) return fail(job, at, result.left);
    const { outcome } = result.right;
    context.onNext(result.right);
    if (outcome._tag === 'Invalid') hooks.onInvalid?.({ message, problems: outcome.problems });
    hooks.onHandled?.({ message, outcome, durationMs: now() - began });
    end(job, E.right(outcome));
  };

  const loop = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const next = nextAt();
      if ('waitMs' in next) await wake.wait(next.waitMs, over.signal);
      else {
        const [job] = jobs.splice(next.at, 1);
        try {
          await handle(job as Job, next.at);
        } catch (thrown) {
          // A hook threw, which is a bug: the channel ends with it.
          end(job as Job, E.left({ _tag: 'PartitionsStopped', id: (job as Job).message.id }));
          throw thrown;
        }
        admit();
      }
    }
  };
  const drop = (): void => {
    over.abort();
    for (const job of jobs.splice(0)) end(job, E.left({ _tag: 'PartitionsStopped', id: job.message.id }));
    for (const sender of senders.splice(0)) sender(false);
  };
  const ended = loop().finally(drop);
  // Whoever stops the partitions hears of it; it must not end the process before.
  ended.catch(() => undefined);
  return {
    tryRoom: () => {
      if (isFull()) return false;
      admitted += 1;
      return true;
    },
    room: () => {
      if (over.signal.aborted) return Promise.resolve(false);
      return new Promise((resolve) => {
        senders.push(resolve);
        admit();
      });
    },
    put: (message, { delayMs = 0, hasRoom }) =>
      new Promise((resolve) => {
        if (hasRoom) admitted -= 1;
        const job: Job = { message, answer: resolve, attempt: 1, dueAt: now() + delayMs };
        if (over.signal.aborted) return resolve(E.left({ _tag: 'PartitionsStopped', id: message.id }));
        arrivals.set(job, now());
        jobs.push(job);
        wake.notify();
      }),
    state: () => ({
      index,
      depth: depth(),
      senders: senders.length,
      inHand:
        inHand === undefined
          ? undefined
          : { id: inHand.message.id, key: inHand.message.key, attempt: inHand.attempt },
      oldestMs: arrivals.size === 0 ? 0 : now() - Math.min(...arrivals.values()),
    }),
    stop: drop,
    ended,
  };
};
