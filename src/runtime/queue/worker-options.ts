/** What a queue worker is given and what it tells, with its defaults. */
import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { RetryPolicy } from '../../core/retry.js';
import { defaultRetry } from '../../core/retry.js';
import type { EventStore } from '../../store/event-store.js';
import { newId } from '../../store/ids.js';
import type { Partition, TakenMessage } from '../../store/message-queue.js';
import type { Snapshots } from '../../store/snapshots.js';
import type { AggregateHooks } from '../aggregate/aggregate-context.js';
import { type Environment, realEnvironment } from '../environment.js';
import type { HandlerContext, MessageFailure, MessageOutcome } from './message-delivery.js';
import type { MessageHandlers } from './message-handlers.js';
import type { OutageNotice } from '../outage.js';
import type { SagaContext } from '../saga/saga-context.js';
import { timeLimit } from '../saga/time-limit.js';

/** For those who want to watch. A hook that throws is a bug: it ends the worker, and `done` rejects with what it threw. */
export interface WorkerHooks {
  /** The message is over, and will not be delivered again. */
  readonly onHandled?: (notice: {
    readonly message: TakenMessage;
    readonly outcome: MessageOutcome;
    readonly durationMs: number;
  }) => void;
  readonly onInvalid?: (notice: {
    readonly message: TakenMessage;
    readonly problems: ReadonlyArray<string>;
  }) => void;
  /** The attempt failed; it is tried again after `retryInMs`. */
  readonly onRetry?: (notice: {
    readonly message: TakenMessage;
    readonly error: MessageFailure;
    readonly retryInMs: number;
  }) => void;
  readonly onParked?: (notice: { readonly message: TakenMessage; readonly error: MessageFailure }) => void;
  readonly onPartitionTaken?: (notice: { readonly partition: Partition; readonly token: number }) => void;
  /** `givenBack`: finished and released. `lost`: another has it, or it could not be renewed; what was in hand is dropped. */
  readonly onPartitionLost?: (notice: {
    readonly partition: Partition;
    readonly token: number;
    readonly reason: 'givenBack' | 'lost';
  }) => void;
  /**
   * The worker could not look for partitions, since the store is away. It looks again after `retryInMs`, until it is stopped.
   * Partitions that cannot be renewed meanwhile are lost, and taken again when the store is back.
   */
  readonly onOutage?: (notice: OutageNotice) => void;
}

/** What handlers run with, in a worker and in local partitions. */
export interface HandlingOptions {
  /** Attempts at a message, and the waits in between. Default: 5 attempts, 100 ms to 30 s, times 3, half of it jitter. */
  readonly retry?: Partial<RetryPolicy>;
  /** How a lost append is tried again within one attempt. Default: `defaultRetry`. */
  readonly conflictRetry?: Partial<RetryPolicy>;
  /** How long one attempt may take, waiting for a lock included, in milliseconds, 1 or more, or `Infinity`. Default 30,000. */
  readonly handlerTimeMaxMs?: number;
  readonly snapshots?: Snapshots;
  readonly environment?: Environment;
  readonly aggregateHooks?: AggregateHooks;
  /** For the runtimes of sagas: their hooks, and how many are kept folded. */
  readonly saga?: Omit<SagaContext, 'store' | 'tenant' | 'environment'>;
}

export interface QueueWorkerOptions extends HandlingOptions {
  readonly store: EventStore;
  readonly handlers: MessageHandlers;
  readonly queue: string;
  /** How many partitions the queue has, the same for all its workers, 1 to 1,024. Default 16. */
  readonly partitions?: number;
  /** Messages of a partition that are handled at once, each of another key, 1 to 256. Default 1: strictly in order. */
  readonly concurrency?: number;
  /**
   * Messages of a partition in hand at most, those that wait for their turn included, 1 to 1,024. All are counted as begun: a
   * process that dies costs each an attempt. Default: as many as are handled at once, or twice the largest batch.
   */
  readonly prefetch?: number;
  /** How long a partition stays another's after its process died, in milliseconds, 100 or more. Renewed at a third of it. Default 15,000. */
  readonly ttlMs?: number;
  /** How often an empty partition is looked at, in milliseconds, 1 or more. Default 100. */
  readonly pollMs?: number;
  /** This worker among those of the queue; 1 to 200 letters, digits, `_`, `.`, `-` and `:`. Default: host, process and a new id. */
  readonly workerId?: string;
  readonly hooks?: WorkerHooks;
}

/** The options with their defaults filled in. */
export interface WorkerContext {
  readonly store: EventStore;
  readonly queue: string;
  readonly partitions: number;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly workerId: string;
  readonly retry: RetryPolicy;
  readonly environment: Environment;
  readonly hooks: WorkerHooks;
  /** Something that cannot be went wrong: ends the worker. */
  readonly onBug: (thrown: unknown) => void;
}

export const defaultMessageRetry: RetryPolicy = {
  attemptsMax: 5,
  delayMs: 100,
  delayMaxMs: 30_000,
  multiplier: 3,
  jitter: 0.5,
};

const check = (field: string, value: number, min: number, max: number): number => {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new TypeError(`${field} must be a whole number from ${min} to ${max}, found ${value}`);
  return value;
};

export const retryOf = (retry: Partial<RetryPolicy> | undefined): RetryPolicy => {
  const policy = { ...defaultMessageRetry, ...retry };
  check('retry.attemptsMax', policy.attemptsMax, 1, Number.MAX_SAFE_INTEGER);
  return policy;
};

export const handlerContext = (
  options: HandlingOptions,
  store: EventStore,
  rest: Pick<HandlerContext, 'holder' | 'enqueues'>,
): HandlerContext => {
  const { handlerTimeMaxMs = 30_000, snapshots, conflictRetry } = options;
  if (!(handlerTimeMaxMs >= 1))
    throw new TypeError(`handlerTimeMaxMs must be 1 or more, found ${handlerTimeMaxMs}`);
  // The watch over what never pauses costs about 0.1 ms a call, which is much beside a store in memory.
  const isWatched = store.capabilities.durable && handlerTimeMaxMs !== Infinity;
  return {
    store,
    environment: options.environment ?? realEnvironment,
    conflictRetry: { ...defaultRetry, ...conflictRetry },
    limit: isWatched ? timeLimit(Math.ceil(handlerTimeMaxMs)) : undefined,
    handlerTimeMaxMs,
    aggregateHooks: options.aggregateHooks ?? {},
    saga: options.saga ?? {},
    ...(snapshots !== undefined && { snapshots }),
    ...rest,
  };
};

/** Room for a batch that runs and for the next one. */
const twoBatches = ({ handlers }: MessageHandlers): number =>
  Object.values(handlers).reduce(
    (most, { batchMax }) => (batchMax === 1 ? most : Math.max(most, Math.min(1_024, 2 * batchMax))),
    1,
  );

export const workerContext = (options: QueueWorkerOptions, onBug: WorkerContext['onBug']): WorkerContext => {
  const {
    store,
    queue,
    partitions = 16,
    concurrency = 1,
    ttlMs = 15_000,
    pollMs = 100,
    hooks = {},
  } = options;
  const { workerId = `${hostname()}:${pid}:${newId()}` } = options;
  if (!/^[\w.:-]{1,200}$/.test(workerId))
    throw new TypeError(`workerId must be 1 to 200 letters, digits, _, ., - and :, found ${workerId}`);
  check('concurrency', concurrency, 1, 256);
  const prefetch = options.prefetch ?? Math.max(concurrency, twoBatches(options.handlers));
  return {
    store,
    queue,
    partitions: check('partitions', partitions, 1, 1_024),
    concurrency,
    prefetch: Math.max(concurrency, check('prefetch', prefetch, 1, 1_024)),
    ttlMs: check('ttlMs', ttlMs, 100, 86_400_000),
    pollMs: check('pollMs', pollMs, 1, 86_400_000),
    workerId,
    retry: retryOf(options.retry),
    environment: options.environment ?? realEnvironment,
    hooks,
    onBug,
  };
};
