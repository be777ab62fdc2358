/** What handling one message is given and what it comes to: the words that handlers, queue workers and local partitions share. */
import { thrownMessage } from '../../core/fault.js';
import type { EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { DecodeFailed, EncodeFailed } from '../../core/codec.js';
import type { EventMetadata } from '../../core/event.js';
import type { Json } from '../../core/json.js';
import type { RetryPolicy } from '../../core/retry.js';
import type { StreamName, StreamVersion, Tenant } from '../../core/stream.js';
import type { AppendError, EventStore, ReadError } from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import type { QueuedMessage, QueueFull, TakenMessage } from '../../store/message-queue.js';
import type { Snapshots } from '../../store/snapshots.js';
import type { ConcurrencyConflict } from '../aggregate/concurrency-conflict.js';
import type { AggregateHooks } from '../aggregate/aggregate-context.js';
import type { Rejected } from '../aggregate/command-request.js';
import type { Environment } from '../environment.js';
import type { Handled, HandleError, SagaContext } from '../saga/saga-context.js';
import type { LoadError } from '../saga/saga-loader.js';
import type { TimeLimit } from '../saga/time-limit.js';

/** What a handler knows of its message besides the data. */
export interface MessageInfo {
  readonly id: string;
  readonly key: string;
  readonly tenant: Tenant;
  /** How often handling it has begun; 1 is the first. */
  readonly attempt: number;
  readonly metadata: EventMetadata;
  /** Aborted when the handler's time is up, or its partition belongs to another: stop then, nothing will be written. */
  readonly signal: AbortSignal;
}

/** A message that a handler wants to be enqueued, together with its events. */
export interface NextMessage {
  /** Default: the queue of the message in hand. */
  readonly queue?: string;
  /** Default: derived from the message in hand and the place in the answer, so that a repeat enqueues it once. */
  readonly id?: string;
  readonly key: string;
  readonly type: string;
  /** Default 1. */
  readonly schemaVersion?: number;
  readonly data: Json;
  readonly delayMs?: number;
}

/** What should happen. Nothing is done by the handler itself; all of it happens in one append, or nothing. */
export interface HandlerAnswer<Event = never> {
  readonly events?: ReadonlyArray<Event>;
  readonly enqueue?: ReadonlyArray<NextMessage>;
}

/** What became of a message. All of these end it: it is not delivered again. */
export type MessageOutcome =
  /** What a saga made of it; or, for an aggregate, `Appended`, `Duplicate` or `Nothing`. */
  | Handled
  /** `validate` found problems. The handler did not run, nothing was written. */
  | { readonly _tag: 'Invalid'; readonly problems: ReadonlyArray<string> }
  /** A handler without a stream ran; what it wanted is enqueued. */
  | { readonly _tag: 'Ran' }
  /** The aggregate refused the command. Nothing was written. */
  | Rejected<unknown>;

/** The queue has a message of a type that these handlers do not know. Nothing was written. Deploy a program that handles it, then retry the dead letter. */
export interface HandlerMissing {
  readonly _tag: 'HandlerMissing';
  readonly type: string;
  readonly message: string;
}

/** The handler threw. Nothing was written. It is tried again, then parked: mend the handler and retry the dead letter. */
export interface HandlerThrew {
  readonly _tag: 'HandlerThrew';
  readonly type: string;
  readonly message: string;
  readonly thrown: unknown;
}

/**
 * The handler took longer than `handlerTimeMaxMs`. It was told to stop, and nothing that it still comes to is written. It is
 * tried again, then parked: mend the handler, or raise the limit.
 */
export interface HandlerTimedOut {
  readonly _tag: 'HandlerTimedOut';
  readonly type: string;
  readonly timeMaxMs: number;
  readonly message: string;
}

/** The message asks for a stream that must be there, and it has no events. Nothing was written. It is tried again in case it comes later, then parked. */
export interface RequiredMissing {
  readonly _tag: 'RequiredMissing';
  readonly streamName: StreamName;
  readonly message: string;
}

/** Somebody else held the stream's lock all the time. The handler did not run, nothing was written. It is tried again: lock for shorter, wait longer, or partition. */
export interface LockTimeout {
  readonly _tag: 'LockTimeout';
  readonly streamName: StreamName;
  readonly holder: string;
  readonly waitedMs: number;
  readonly message: string;
}

/** The attempts of a message were used up without an answer: its process ended, or lost its partition, each time. It is parked; look at the logs of those times, then retry or discard the dead letter. */
export interface AttemptsUsedUp {
  readonly _tag: 'AttemptsUsedUp';
  readonly attempts: number;
  readonly message: string;
}

/** Why an attempt failed. */
export type MessageFailure =
  | HandlerMissing
  | HandlerThrew
  | HandlerTimedOut
  | RequiredMissing
  | LockTimeout
  | AttemptsUsedUp
  | ConcurrencyConflict
  | DecodeFailed
  | EventDecodeFailed
  | EncodeFailed
  | QueueFull
  | AppendError
  | ReadError
  | LoadError
  | HandleError;

/** What became of the message, and what is to be enqueued by the caller where no append has done so. */
export interface Ran {
  readonly outcome: MessageOutcome;
  readonly next: ReadonlyArray<QueuedMessage>;
}

/** One attempt at a message. */
export interface Delivery {
  readonly message: TakenMessage;
  /** The partition's lease. */
  readonly fence: Fence | undefined;
  readonly signal: AbortSignal;
  /** What the owner of a partition may remember of its streams from message to message. */
  readonly kept: Map<string, unknown>;
}

/** What handlers work with. */
export interface HandlerContext {
  readonly store: EventStore;
  readonly snapshots?: Snapshots;
  readonly environment: Environment;
  /** How often and after what waits a lost append is tried again within one attempt. */
  readonly conflictRetry: RetryPolicy;
  /** Breaks off what calculates for too long without a pause. */
  readonly limit: TimeLimit | undefined;
  readonly handlerTimeMaxMs: number;
  /** The name that locks are held under, for people. */
  readonly holder: string;
  /** Whether next messages ride in the append, or are handed to the caller. */
  readonly enqueues: 'withAppend' | 'byCaller';
  readonly aggregateHooks: AggregateHooks;
  readonly saga: Omit<SagaContext, 'store' | 'tenant' | 'environment'>;
}

export const appendedAt = (version: StreamVersion, attempts: number): Handled => ({
  _tag: 'Appended',
  version,
  fastForwards: 0,
  attempts,
});

export const handlerThrew = (type: string, thrown: unknown): HandlerThrew => ({
  _tag: 'HandlerThrew',
  type,
  message: `${type}: ${thrownMessage(thrown)}`,
  thrown,
});

export const timedOut = (type: string, timeMaxMs: number): HandlerTimedOut => ({
  _tag: 'HandlerTimedOut',
  type,
  timeMaxMs,
  message: `the handler of ${type} took longer than ${timeMaxMs} ms; nothing it still comes to is written`,
});
