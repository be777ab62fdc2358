/** Feeds cases to a saga by a pool of workers: messages of a case that lie close in time at once, the rest in order. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { escapeForDisplay } from '../../core/stream.js';
import { delayAfter, type RetryPolicy } from '../../core/retry.js';
import { type Environment, realEnvironment } from '../environment.js';
import { dice, shuffled } from '../dice.js';
import type { Case, TimedMessage } from './program.js';
import type { Handled, HandleError } from './saga-context.js';
import type { SagaRuntime } from './saga-runtime.js';
import { semaphore } from '../semaphore.js';

export interface RunOptions {
  /** Messages handled at once, 1 or more. */
  readonly workers: number;
  /** Messages of a case within this many milliseconds of the first of them are handed out at once. */
  readonly windowMs: number;
  /** Decides the order in which they are handed out. */
  readonly seed: number;
  /** Only every so many-th message of each case, beginning with this one: `{ part: 1, of: 2 }` is one half. Default: all. */
  readonly share?: { readonly part: number; readonly of: number };
  readonly environment?: Environment;
  readonly onProgress?: (progress: RunProgress) => void;
  /** Ends the run early, between two messages. */
  readonly signal?: AbortSignal;
}

export interface RunProgress {
  cases: number;
  messages: number;
  duplicates: number;
  /** Messages that wait behind a parked saga: not handled, to be delivered again. */
  waiting: number;
}

/** A saga was named twice in the input. Cases before it are done. Give each case a name of its own. */
export interface DuplicateCase {
  readonly _tag: 'DuplicateCase';
  readonly sagaId: string;
  readonly message: string;
}

/** Cases in work at once for each worker: enough that no worker waits for the one slow message of a case. */
const casesPerWorker = 2;

const redelivery: RetryPolicy = {
  attemptsMax: 6,
  delayMs: 50,
  delayMaxMs: 2_000,
  multiplier: 3,
  jitter: 0.5,
};
/** After these the very same message may be delivered again. */
const redelivered: ReadonlySet<HandleError['_tag']> = new Set([
  'StoreUnavailable',
  'OutcomeUnknown',
  'ConcurrencyConflict',
  'VersionConflict',
]);

/** Runs of messages that lie within the window of their first. */
export const groupsWithin = (
  messages: ReadonlyArray<TimedMessage>,
  windowMs: number,
): ReadonlyArray<ReadonlyArray<TimedMessage>> => {
  const groups: TimedMessage[][] = [];
  let firstMs = Number.NEGATIVE_INFINITY;
  for (const message of messages) {
    const group = groups[groups.length - 1];
    if (group !== undefined && message.atMs - firstMs <= windowMs && message.atMs >= firstMs)
      group.push(message);
    else {
      groups.push([message]);
      firstMs = message.atMs;
    }
  }
  return groups;
};

const yieldToOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const shareOf = (
  messages: ReadonlyArray<TimedMessage>,
  share: RunOptions['share'],
): ReadonlyArray<TimedMessage> =>
  share === undefined ? messages : messages.filter((_, index) => index % share.of === share.part - 1);

/** Runs all cases. Rejects with the tagged error of the first message that cannot be handled; what is in work is finished first. */
export const runCases = async <S, M extends AnyEvent>(
  runtime: SagaRuntime<S, M>,
  cases: AsyncIterable<Case>,
  options: RunOptions,
): Promise<RunProgress> => {
  const { workers, windowMs, signal, environment = realEnvironment } = options;
  const random = dice(options.seed);
  const pool = semaphore(workers);
  const open = semaphore(workers * casesPerWorker);
  const progress: RunProgress = { cases: 0, messages: 0, duplicates: 0, waiting: 0 };
  let failure: unknown;
  const isOver = (): boolean => failure !== undefined || signal?.aborted === true;

  const deliver = async ({ message }: TimedMessage): Promise<Handled | undefined> => {
    for (let attempt = 1; ; attempt += 1) {
      const handled = await runtime.handle(message as never)();
      if (E.isRight(handled)) return handled.right;
      if (handled.left._tag === 'SagaParked') return undefined;
      if (!redelivered.has(handled.left._tag) || attempt >= redelivery.attemptsMax)
        throw taggedError(handled.left);
      await environment.sleep(delayAfter(redelivery, attempt, environment.random));
    }
  };
  const work = async (message: TimedMessage, turns: number): Promise<void> => {
    if (isOver()) return;
    // A few turns of delay, by the seed: another interleaving for each seed, also on a store that answers at once.
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    const handled = await deliver(message);
    progress.messages += 1;
    if (handled === undefined) progress.waiting += 1;
    if (handled?._tag === 'Duplicate') progress.duplicates += 1;
    options.onProgress?.(progress);
  };
  const runCase = async (one: Case): Promise<void> => {
    for (const group of groupsWithin(shareOf(one.messages, options.share), windowMs)) {
      const order = shuffled(group, random);
      await Promise.all(order.map((message) => pool.use(() => work(message, Math.floor(random() * 4)))));
      if (isOver()) return;
    }
    progress.cases += 1;
    await yieldToOthers();
  };

  const running = new Set<Promise<void>>();
  /** Resolves when the case has begun, which is when there is room for the next one to be read. */
  const begin = (one: Case): Promise<void> =>
    new Promise((begun) => {
      const ended = open
        .use(() => {
          begun();
          return runCase(one);
        })
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => running.delete(ended));
      running.add(ended);
    });

  const seen = new Set<string>();
  for await (const one of cases) {
    if (isOver()) break;
    if (seen.has(one.sagaId)) {
      const message = `two cases are called ${escapeForDisplay(one.sagaId)}; each needs a name of its own`;
      failure = taggedError<DuplicateCase>({ _tag: 'DuplicateCase', sagaId: one.sagaId, message });
      break;
    }
    seen.add(one.sagaId);
    await begin(one);
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure;
  return progress;
};
