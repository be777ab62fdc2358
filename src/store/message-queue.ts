/**
 * The port for a durable message queue: messages wait in it until they have been handled. At least once, known again by their id,
 * in order for each key. Who may take from a partition is said by a lease; every change is fenced with its token.
 */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { EventMetadata } from '../core/event.js';
import type { Json } from '../core/json.js';
import type { Tenant } from '../core/stream.js';
import type { Fence, LeaseLost } from './leases.js';
import type { BadRequest, Unreachable } from './store-errors.js';

/** A message to be put into a queue. */
export interface QueuedMessage {
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  /** The queue’s name: letters, digits, `_`, `.` and `-`, 1 to 100. */
  readonly queue: string;
  /** The same for every attempt to enqueue it: a queue takes an id once. 1 to 512 bytes. */
  readonly id: string;
  /** Messages of one key are handled one after another, in the order in which they were enqueued. 1 to 512 bytes. */
  readonly key: string;
  readonly type: string;
  /** Default 1. */
  readonly schemaVersion?: number;
  readonly data: Json;
  readonly metadata?: EventMetadata;
  /** How long it must wait at least, in milliseconds by the store's clock. Default 0. It takes its place in the order of its key when it is due. */
  readonly delayMs?: number;
}

/** A message on its way to a handler. */
export interface TakenMessage {
  readonly tenant: Tenant;
  readonly queue: string;
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Json;
  readonly metadata: EventMetadata;
  /** How often handling it has begun, with this time; 1 is the first. Counted when it is taken, so that one that kills its process is counted too. */
  readonly attempt: number;
  /** Place in the order of the queue. */
  readonly position: string;
  /** When it was enqueued, by the store's clock, ISO 8601. For people. */
  readonly enqueuedAt: string;
}

/** A partition of a queue: the keys whose slot, modulo `of`, is `index`. */
export interface Partition {
  readonly queue: string;
  /** 0 to `of` - 1. */
  readonly index: number;
  /** How many partitions there are, 1 to 1,024. */
  readonly of: number;
}

export interface TakeRequest {
  readonly partition: Partition;
  /** Messages at most, of different keys, 1 to 1,024. */
  readonly maxCount: number;
  /** Keys that the taker has a message of in hand: nothing of them is taken. A list of taken messages will do. 4,096 at most. Default: none. */
  readonly except?: ReadonlyArray<Pick<TakenMessage, 'tenant' | 'key'>>;
  /** The lease that the taker holds on the partition. */
  readonly fence?: Fence;
}

/** A failed attempt, as it is kept with the message. */
export interface FailedAttempt {
  readonly attempt: number;
  /** ISO 8601, by the store's clock. */
  readonly at: string;
  readonly error: string;
}

export interface FailedRequest {
  readonly message: Pick<TakenMessage, 'tenant' | 'queue' | 'id'>;
  readonly error: string;
  /** Tried again after this many milliseconds; `park`: not until somebody says so. Later messages of its key wait behind it either way. */
  readonly then: { readonly retryInMs: number } | 'park';
  readonly fence?: Fence;
}

/** A message that is parked: its attempts are used up. Later ones of its key wait behind it. */
export interface DeadLetter extends TakenMessage {
  readonly history: ReadonlyArray<FailedAttempt>;
  /** How many messages of its key wait behind it. */
  readonly waiting: number;
}

export interface PartitionDepth {
  readonly index: number;
  /** Messages that wait or are being handled; not those that are parked, and not delayed ones before they are due. */
  readonly depth: number;
  readonly parked: number;
  /** Age of the oldest message that is due, in milliseconds; 0 where none is. */
  readonly oldestMs: number;
  /** The keys with the most messages, most first, 5 at most. */
  readonly hottest: ReadonlyArray<{ readonly key: string; readonly depth: number }>;
}

/** There is no such message in the queue, or it is not parked. Nothing was changed. List the dead letters. */
export interface DeadLetterMissing {
  readonly _tag: 'DeadLetterMissing';
  readonly queue: string;
  readonly id: string;
}

/** The queue holds as many messages as it may. Nothing was enqueued. Wait for its workers, or give it more room. */
export interface QueueFull {
  readonly _tag: 'QueueFull';
  readonly queue: string;
  readonly depth: number;
  readonly depthMax: number;
}

export interface Enqueued {
  /** Ids that the queue holds now because of this call. */
  readonly added: ReadonlyArray<string>;
  /** Ids that it has held before, also of messages that have been handled; where an answer was lost on the way, also this call's own. */
  readonly known: ReadonlyArray<string>;
}

export interface EnqueueOptions {
  /**
   * Refuses all of them with `QueueFull` where a queue would hold more unhandled messages than this, delayed and parked ones
   * included. Those who enqueue at the same moment do not see each other's. Default: no bound.
   */
  readonly depthMax?: number;
}

type QueueError = BadRequest | Unreachable;

export interface MessageQueue {
  /**
   * Puts messages into their queues, all or none, in order. An append with `enqueue` does the same together with its events.
   * Where it is answered `StoreUnavailable` after the connection was lost, the messages may stand in their queues: enqueue
   * them again under the same ids.
   */
  readonly enqueue: (
    messages: ReadonlyArray<QueuedMessage>,
    options?: EnqueueOptions,
  ) => TaskEither<QueueError | QueueFull, Enqueued>;
  /**
   * Takes the first due message of each of several keys of the partition, oldest first, and counts the attempt. A message that
   * was taken is given again by every later call until it is done, failed or cancelled: whoever holds the partition's lease
   * knows what it has in hand, and names it in `except`. An attempt whose answer is lost is counted.
   */
  readonly take: (request: TakeRequest) => TaskEither<QueueError | LeaseLost, ReadonlyArray<TakenMessage>>;
  /** Says that messages have been handled; their ids stay known. What is handled or cancelled already is passed over. */
  readonly done: (
    messages: ReadonlyArray<Pick<TakenMessage, 'tenant' | 'queue' | 'id'>>,
    fence?: Fence,
  ) => TaskEither<QueueError | LeaseLost, void>;
  /** Says that the latest attempt failed. What is handled, cancelled or parked already is passed over. */
  readonly failed: (request: FailedRequest) => TaskEither<QueueError | LeaseLost, void>;
  /**
   * Takes back a message that has not been handled, for example a timeout; its id stays known. False where it is not waiting
   * any more. A handler that has it in hand is not stopped.
   */
  readonly cancel: (
    message: Pick<TakenMessage, 'tenant' | 'queue' | 'id'>,
  ) => TaskEither<QueueError, boolean>;
  /** Queues that hold messages which have not been handled, delayed and parked ones included, in code point order. */
  readonly names: () => TaskEither<Unreachable, ReadonlyArray<string>>;
  readonly depths: (
    queue: string,
    partitions: number,
  ) => TaskEither<QueueError, ReadonlyArray<PartitionDepth>>;
  readonly deadLetters: {
    /** Oldest first, `maxCount` at most (1 to 1,024, default 100), after a position. */
    readonly list: (request: {
      readonly queue?: string;
      readonly after?: string;
      readonly maxCount?: number;
    }) => TaskEither<QueueError, ReadonlyArray<DeadLetter>>;
    /** Lets it be handled again, with all its attempts. */
    readonly retry: (
      letter: Pick<TakenMessage, 'tenant' | 'queue' | 'id'>,
    ) => TaskEither<QueueError | DeadLetterMissing, void>;
    /** Gives it up: those behind it go on. Its id stays known. */
    readonly discard: (
      letter: Pick<TakenMessage, 'tenant' | 'queue' | 'id'>,
    ) => TaskEither<QueueError | DeadLetterMissing, void>;
  };
  /** Forgets handled and discarded messages older than this many milliseconds; how many. Until then repeats of them are known. */
  readonly forget: (olderThanMs: number) => TaskEither<QueueError, number>;
}
