/**
 * The port: what every store promises. Adapters implement it, the contract suite checks it, and nothing else in the
 * project knows which store it talks to.
 */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { EventData, RecordedEvent } from '../core/event.js';
import type {
  ExpectedVersion,
  InvalidExpectedVersion,
  Position,
  StreamName,
  StreamVersion,
  Tenant,
} from '../core/stream.js';
import type { AppendCondition, ConditionFailed, MatchingPage, ReadMatchingRequest } from './conditions.js';
import type { Completion, IdempotencyLost, IdempotencyStore } from './idempotency.js';
import type { Fence, LeaseLost, Leases } from './leases.js';
import type { MessageQueue, QueuedMessage } from './message-queue.js';
import type { BadRequest, LimitExceeded, Unreachable } from './store-errors.js';

export type {
  InvalidRequest,
  LimitExceeded,
  MigrationMissing,
  StoreClosed,
  StoreUnavailable,
} from './store-errors.js';

/** Another writer was first. Nothing was written. Read from `expected` on (or take `tail`), decide again, retry or merge. */
export interface VersionConflict {
  readonly _tag: 'VersionConflict';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly expected: ExpectedVersion;
  /** Where the stream stood just after the refusal; it may have moved on since. */
  readonly actual: StreamVersion;
  /**
   * The events after the expected version up to `actual`, oldest first, where the writer asked for them with
   * `tailMax`; at most that many. `undefined` where it did not ask.
   */
  readonly tail: ReadonlyArray<RecordedEvent> | undefined;
  /**
   * Ids of the batch that the stream holds already although the batch as a whole was not written before: either the
   * batch was put together wrongly, or part of it came by another way. Empty in an ordinary conflict.
   */
  readonly alreadyRecorded: ReadonlyArray<string>;
}

/** The stream is archived, hence read-only. Nothing was written. Mark it `open` to write again. */
export interface StreamArchived {
  readonly _tag: 'StreamArchived';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

/** The stream is tombstoned: its events are gone for readers and its name is used up. Nothing was written. Use another name. */
export interface StreamTombstoned {
  readonly _tag: 'StreamTombstoned';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

/** An event that cannot be stored and read back equal. Nothing of the batch was written. Mend the event at `index`. */
export interface InvalidEvent {
  readonly _tag: 'InvalidEvent';
  /** Which event of the batch, from 0. */
  readonly index: number;
  readonly type: string;
  /** Where in the event, as `data.items[2].price` or `eventId`. */
  readonly path: string;
  readonly reason: string;
}

/**
 * The connection was lost while the answer was on its way and the store could not be asked again within its patience.
 * The append may or may not be written. Repeat the very same append, with the same event ids: it is recognised.
 */
export interface OutcomeUnknown {
  readonly _tag: 'OutcomeUnknown';
  readonly streamName: StreamName;
  readonly eventIds: ReadonlyArray<string>;
  readonly message: string;
}

/** A checkpoint, or a condition's `after`, was taken in another epoch of the store (it was restored elsewhere). Nothing was delivered or written. Start over from the beginning. */
export interface EpochChanged {
  readonly _tag: 'EpochChanged';
  readonly checkpointEpoch: string;
  readonly storeEpoch: string;
}

/** The store cannot do this at all; `capabilities` says so beforehand. Nothing was written. */
export interface NotSupported {
  readonly _tag: 'NotSupported';
  readonly capability: keyof Capabilities;
}

type StreamClosed = StreamArchived | StreamTombstoned;

export type AppendError =
  | VersionConflict
  | ConditionFailed
  | EpochChanged
  | LeaseLost
  | IdempotencyLost
  | StreamClosed
  | InvalidEvent
  | InvalidExpectedVersion
  | LimitExceeded
  | BadRequest
  | Unreachable
  | OutcomeUnknown;
export type AppendManyError = AppendError | NotSupported;
export type ReadError = StreamClosed | BadRequest | Unreachable;
export type ReadAllError = BadRequest | Unreachable;
export type ReadMatchingError = ReadAllError | NotSupported;
export type SubscribeError = ReadAllError | EpochChanged;
export type MarkError =
  | VersionConflict
  | StreamTombstoned
  | InvalidExpectedVersion
  | BadRequest
  | Unreachable
  | OutcomeUnknown;
export type CheckpointError = BadRequest | Unreachable | EpochChanged;

export interface AppendRequest {
  readonly tenant?: Tenant;
  readonly streamName: StreamName;
  readonly expected: ExpectedVersion;
  /** 0 to `batchEventsMax` events. None is only a check of the version. */
  readonly events: ReadonlyArray<EventData>;
  /** How many events written since the expected version a refusal hands over, 0 to 4,096. Default 0: none, `tail` is undefined. */
  readonly tailMax?: number;
  /**
   * Refuse the append with `ConditionFailed` once others have written events that a decision should have known, whatever streams
   * they are in; looked at in the same step in which the events are written. A repeat of an append that was written is recognised all the
   * same. `EpochChanged` where `after` was seen in another life of the store.
   */
  readonly condition?: AppendCondition;
  /** Refuse the append with `LeaseLost` once this lease is another's; compared in the same step in which the events are written. */
  readonly fence?: Fence;
  /**
   * Messages that are enqueued in the same step in which the events are written, and only then: a refused append enqueues
   * nothing, and neither does one that is recognised as written before. Stores without a queue refuse it.
   */
  readonly enqueue?: ReadonlyArray<QueuedMessage>;
  /**
   * The operation that these events are the effect of, completed in the same step in which they are written. Refused with
   * `IdempotencyLost` where it is not its holder's any more; a repeat of an append that was written is recognised all the same. Needs
   * an event. Stores that remember no operations refuse it.
   */
  readonly completes?: Completion;
}

export interface AppendResult {
  readonly streamName: StreamName;
  /** Version of the batch's last event; the stream's own where the batch is empty. */
  readonly version: StreamVersion;
  /** Position of the batch's last event; `startPosition` where the batch is empty. */
  readonly position: Position;
  /**
   * True where the very same batch had been written before: nothing was added, version and position are those of then. False of a repeat too
   * where the store lacks `exactRepeats`; it adds nothing all the same.
   */
  readonly idempotent: boolean;
}

export type Direction = 'forwards' | 'backwards';

export interface ReadStreamRequest {
  readonly tenant?: Tenant;
  readonly streamName: StreamName;
  /** Default `forwards`. */
  readonly direction?: Direction;
  /** The first version to answer, 1 or more. Default: the first event forwards, the last backwards. */
  readonly from?: number;
  /** Events a page, 1 to 4,096. Default 512. */
  readonly maxCount?: number;
  /** Read an archived stream too. Default false: `StreamArchived`. */
  readonly includeArchived?: boolean;
  /**
   * A copy of the store that lags behind may answer, if it has the stream at this version or a later one; else the store itself is
   * asked. So who writes reads what was written. 0 takes what the copy has. Default: the store itself. Stores without copies always
   * answer themselves.
   */
  readonly atLeast?: number;
}

export interface StreamPage {
  readonly events: ReadonlyArray<RecordedEvent>;
  /** The stream's version when the page was read; 0 where there is no such stream. */
  readonly version: StreamVersion;
  /** Where the next page begins; undefined where this was the last. */
  readonly next: StreamVersion | undefined;
}

/** Which events; parts that are given must all hold. */
export interface EventFilter {
  /** Default: every tenant. */
  readonly tenant?: Tenant;
  /** Any of these categories (what stands before a stream name's first `-`). */
  readonly categories?: ReadonlyArray<string>;
  /** Any of these event types. */
  readonly types?: ReadonlyArray<string>;
  /** Stream names that begin with any of these. */
  readonly streamPrefixes?: ReadonlyArray<string>;
  /** Events of archived streams too. Default false. Tombstoned ones are never answered. */
  readonly includeArchived?: boolean;
}

export interface ReadAllRequest {
  /** Default `forwards`. */
  readonly direction?: Direction;
  /**
   * Events after this position in the direction of reading, without the one at it: forwards the later ones, default from the
   * beginning; backwards the earlier ones, default from the end.
   */
  readonly after?: Position;
  /** Events a page, 1 to 4,096. Default 512. */
  readonly maxCount?: number;
  readonly filter?: EventFilter;
}

/** Why the global order cannot be read further although newer events are committed. */
export interface HeldBack {
  /** How long the transaction has been open, in milliseconds, as far as the store tells. */
  readonly heldBackMs: number;
  /** Who holds it, in words: process id, application, age. */
  readonly by: string;
}

export interface AllPage {
  /** In global order, oldest first; backwards newest first. */
  readonly events: ReadonlyArray<RecordedEvent>;
  /** Read on after this one: everything up to it has been seen or filtered out. Backwards: down to it. */
  readonly last: Position;
  /** True where no more can be read now. Backwards: the beginning is reached. */
  readonly isEnd: boolean;
  /**
   * Set where committed events wait behind an open transaction, and hence are not answered: at the end forwards; backwards where they
   * would come before the page.
   */
  readonly heldBack: HeldBack | undefined;
}

/** Where a subscriber stands. Kept by the subscriber, after its work is done. */
export interface Checkpoint {
  readonly position: Position;
  /** The life of the store that the position belongs to. */
  readonly epoch: string;
}

export interface SubscribeRequest {
  /** Default: from the beginning. */
  readonly after?: Checkpoint;
  readonly filter?: EventFilter;
  /** Events a page, 1 to 4,096. Default 512. At most two pages are held in memory. */
  readonly maxCount?: number;
  /** How often a store that cannot call is asked for news, in milliseconds, 1 to 60,000. Default 100. */
  readonly pollMs?: number;
  /** How long the order may be held back before a `Lag` item is handed over, in milliseconds. Default 5,000. */
  readonly lagAlarmMs?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

export type SubscriptionItem =
  | { readonly _tag: 'Event'; readonly event: RecordedEvent; readonly checkpoint: Checkpoint }
  /** Everything committed so far has been handed over; from here on live. Comes again after each later batch. */
  | { readonly _tag: 'CaughtUp'; readonly checkpoint: Checkpoint }
  /** The alarm: newer events are committed but wait behind another transaction. Nothing is skipped. */
  | { readonly _tag: 'Lag'; readonly heldBack: HeldBack; readonly checkpoint: Checkpoint };

export type StreamState = 'open' | 'archived' | 'tombstoned';

export interface StreamSummary {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly version: StreamVersion;
  readonly state: StreamState;
}

export interface ListStreamsRequest {
  readonly tenant?: Tenant;
  readonly category?: string;
  /** Names after this one, in code point order. */
  readonly after?: string;
  /** 1 to 4,096. Default 512. */
  readonly maxCount?: number;
  readonly includeArchived?: boolean;
}

export interface MarkRequest {
  readonly tenant?: Tenant;
  readonly streamName: StreamName;
  /** `archived`: read-only and out of default reads; `open` takes that back; `tombstoned` is for ever. */
  readonly as: StreamState;
  readonly expected: ExpectedVersion;
}

/** What a store can do besides the promises that all of them keep. */
export interface Capabilities {
  /** `appendMany` writes to several streams, all or none. */
  readonly atomicAppendMany: boolean;
  /** An `any` append recognises a repeat however long ago it was (else only recent ones). */
  readonly idempotentAny: boolean;
  /** `AppendResult.idempotent` is told of every repeat (else only where the store can know: not of one that was on its way at the same time). */
  readonly exactRepeats: boolean;
  /** A mark holds from its answer on in all processes (else only in the one that made it, and within moments in the others). */
  readonly atomicMarks: boolean;
  /** Events survive the end of the process. */
  readonly durable: boolean;
  /** Several processes may share it. */
  readonly multiProcess: boolean;
  /** It keeps leases, and refuses appends that are fenced with a lost one. */
  readonly leases: boolean;
  /** It keeps a durable message queue, and enqueues together with an append. */
  readonly queue: boolean;
  /** It remembers operations by their keys, and completes them together with an append. */
  readonly idempotency: boolean;
  /** It finds events by tags, and appends under conditions over several streams. */
  readonly conditions: boolean;
}

export interface StoreLimits {
  /** Bytes of one event's data and metadata as JSON. Default 16 MiB. */
  readonly eventBytesMax: number;
  /** Events in one append (over all streams of an `appendMany`). Default 100,000. */
  readonly batchEventsMax: number;
  /** Bytes of one append. Default 64 MiB. */
  readonly batchBytesMax: number;
  /** Bytes of what an operation came to, as it is remembered for its repeats, as JSON. Default 1 MiB. */
  readonly resultBytesMax: number;
}

/** Checkpoints kept in the store itself, by subscriber name. */
export interface Checkpoints {
  /** `undefined` where the subscriber has none yet. */
  readonly load: (subscriber: string) => TaskEither<CheckpointError, Checkpoint | undefined>;
  /** Keeps the later of what is there and what is given: a checkpoint never goes back. */
  readonly save: (subscriber: string, checkpoint: Checkpoint) => TaskEither<CheckpointError, void>;
}

export interface EventStore {
  /** For people: `memory`, `pglite:<dir>`, `postgres://host/db` without a password. */
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly limits: StoreLimits;
  /**
   * Appends all of `events` or none, in order, if the stream is as `expected`.
   * The very same batch again (same ids, same place; at the end of any place for `any` and `streamExists`) is answered
   * as the first time, and nothing is added.
   */
  readonly append: (request: AppendRequest) => TaskEither<AppendError, AppendResult>;
  /**
   * Appends to several streams, each with its own expectation, all or none; the first refusal in request order is answered. A
   * stream may be named once; a request without events is a condition on a stream that is left as it is. A reader of the
   * global order who has read to the end has seen all of it or none.
   */
  readonly appendMany: (
    requests: ReadonlyArray<AppendRequest>,
  ) => TaskEither<AppendManyError, ReadonlyArray<AppendResult>>;
  /** One page of a stream. A stream that does not exist is an empty page at version 0. */
  readonly readStream: (request: ReadStreamRequest) => TaskEither<ReadError, StreamPage>;
  /** One page of the global order, forwards or backwards. An event that committed late is never skipped: readers wait for it. */
  readonly readAll: (request: ReadAllRequest) => TaskEither<ReadAllError, AllPage>;
  /**
   * One page of the events that a query matches, over all streams, oldest first: what a decision over several streams is made on. Sees all
   * that is committed, so that it may be ahead of `readAll`, which waits for older transactions.
   */
  readonly readMatching: (request: ReadMatchingRequest) => TaskEither<ReadMatchingError, MatchingPage>;
  /**
   * Everything after the checkpoint, then live, in global order; never skips, never goes back. The next page is read when
   * the consumer asks for it. Iteration rejects with a `TaggedError` of `SubscribeError`; short outages are waited out.
   */
  readonly subscribe: (request: SubscribeRequest) => AsyncIterable<SubscriptionItem>;
  readonly listStreams: (
    request: ListStreamsRequest,
  ) => TaskEither<ReadAllError, ReadonlyArray<StreamSummary>>;
  /** Archives, reopens or tombstones a stream. Answers its state after that. */
  readonly markStream: (request: MarkRequest) => TaskEither<MarkError, StreamSummary>;
  /** The life of the store: changes when it is restored elsewhere, and checkpoints of the old one are refused. */
  readonly epoch: () => TaskEither<Unreachable, string>;
  readonly checkpoints: Checkpoints;
  /** Leases that appends can be fenced with. `undefined` where the store has none. */
  readonly leases: Leases | undefined;
  /** Messages that wait until they are handled. `undefined` where the store has no queue. */
  readonly queue: MessageQueue | undefined;
  /** What operations came to, by business key. `undefined` where the store does not remember them. */
  readonly idempotency: IdempotencyStore | undefined;
  /** Ends subscriptions and gives back what was opened. A pool that was handed in stays open. */
  readonly close: () => Promise<void>;
}
