/** One partition in memory: a bounded channel whose messages are handled one after another, in order for each key. */
import * as E from 'fp-ts/lib/Either.js';
import { delayAfter, type RetryPolicy } from '../../core/retry.js';
import { describeTagged } from '../../core/fault.js';
import type { TakenMessage } from '../../store/message-queue.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { Environment } from '../environment.js';
import { type Job, type LocalAnswer, takeNext } from './local-jobs.js';
import type { MessageFailure, Ran } from './message-delivery.js';
import type { MessageRunner } from './message-runner.js';
import { isOutage } from '../outage.js';
import type { WorkerHooks } from './worker-options.js';

export interface LocalPartitionState {
  readonly index: number;
  /** Messages in the channel, those in hand included. */
  readonly depth: number;
  /** Senders that wait for room. */
  readonly senders: number;
  /** Of a batch, the first. */
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

const stopped = ({ message: { id } }: Job): LocalAnswer => E.left({ _tag: 'PartitionsStopped', id });

/* eslint max-lines-per-function: ["error", { max: 130, skipBlankLines: true, skipComments: true }] --
   the channel's jobs, its waiting senders and its one loop belong together. */
export const localChannel = (context: ChannelContext): LocalChannel => {
  const { index, capacity, environment, retry, runner, hooks } = context;
  const { now } = environment.timers ?? realTimers;
  const wake = makeWake(environment.timers);
  const over = new AbortController();
  const kept = new Map<string, unknown>();
  const jobs: Job[] = [];
  const senders: Array<(isOpen: boolean) => void> = [];
  let inHand: ReadonlyArray<Job> = [];
  /** Senders that were let in and have not put their message yet. */
  let admitted = 0;

  const depth = (): number => jobs.length + inHand.length;
  const isFull = (): boolean => depth() + admitted >= capacity;
  const admit = (): void => {
    while (senders.length > 0 && !isFull()) {
      admitted += 1;
      senders.shift()?.(true);
    }
  };

  const end = (job: Job, answer: LocalAnswer): void => {
    job.answer(answer);
    context.onChange();
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

  const succeed = ({ outcome }: Ran, job: Job, began: number): void => {
    const message = { ...job.message, attempt: job.attempt };
    if (outcome._tag === 'Invalid') hooks.onInvalid?.({ message, problems: outcome.problems });
    hooks.onHandled?.({ message, outcome, durationMs: now() - began });
    end(job, E.right(outcome));
  };

  const handle = async (together: ReadonlyArray<Job>, at: number): Promise<void> => {
    const began = now();
    const deliveries = together.map(({ message, attempt }) => ({
      message: { ...message, attempt },
      fence: undefined,
      kept,
    }));
    const result = await runner.run(deliveries, over.signal);
    inHand = [];
    if (over.signal.aborted) for (const job of together) end(job, stopped(job));
    else if (E.isRight(result)) {
      context.onNext(result.right);
      for (const job of together) succeed(result.right, job, began);
    } else if (together.length > 1 && result.left._tag !== 'HandlerTimedOut') {
      // One of the batch is at fault: each by itself.
      for (const job of together) job.isAlone = true;
      jobs.splice(at, 0, ...together);
    }
    // Of a batch all are at their first attempt: all are tried again or none, so that each gets its place back.
    else for (const [index, job] of together.entries()) fail(job, at + index, result.left);
  };

  const loop = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const next = takeNext(jobs, now(), runner.batchMaxOf);
      if (next._tag === 'Wait') await wake.wait(next.ms, over.signal);
      else {
        inHand = next.jobs;
        try {
          await handle(next.jobs, next.at);
        } catch (thrown) {
          // A hook threw, which is a bug: the channel ends with it.
          for (const job of next.jobs) end(job, stopped(job));
          throw thrown;
        }
        admit();
      }
    }
  };
  const drop = (): void => {
    over.abort();
    for (const job of jobs.splice(0)) end(job, stopped(job));
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
        const arrivedAt = now();
        const times = { arrivedAt, dueAt: arrivedAt + delayMs };
        const job: Job = { message, answer: resolve, ...times, attempt: 1, isAlone: false };
        if (over.signal.aborted) return resolve(stopped(job));
        jobs.push(job);
        wake.notify();
      }),
    state: () => ({
      index,
      depth: depth(),
      senders: senders.length,
      inHand: inHand[0] && {
        id: inHand[0].message.id,
        key: inHand[0].message.key,
        attempt: inHand[0].attempt,
      },
      oldestMs:
        now() - [...inHand, ...jobs].reduce((least, { arrivedAt }) => Math.min(least, arrivedAt), now()),
    }),
    stop: drop,
    ended,
  };
};
