/**
 * The port for idempotency: what an operation came to is remembered under a business key, so that asking for it again does not
 * do it again. Who may do it now is said by a token; what an earlier holder says under an old one is refused.
 */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Json } from '../core/json.js';
import type { Tenant } from '../core/stream.js';
import type { BadRequest, LimitExceeded, Unreachable } from './store-errors.js';

/** Names one operation: keys of two scopes, or of two tenants, have nothing to do with each other. */
export interface IdempotencyKey {
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  /** The kind of operation, as `redeem-points`. 1 to 512 bytes. */
  readonly scope: string;
  /** Who, what, when: see `businessKey`. 1 to 512 bytes. */
  readonly key: string;
}

export interface BeginRequest extends IdempotencyKey {
  /** What was asked for, for example `hashOf` the request: the same key with another hash is `KeyReused`. 1 to 128 bytes. */
  readonly requestHash: string;
  /** Who asks, for people to read. 1 to 512 bytes. */
  readonly holder: string;
  /** After this long without a word from its holder an operation may be begun by another, in milliseconds by the store's clock, 1 to 86,400,000. */
  readonly pendingMs: number;
  /** How long it is remembered what it came to, in milliseconds by the store's clock, 1 to ten years. */
  readonly keepMs: number;
  /**
   * How often it may be begun in all, 1 or more, those whose holder did not come back included; after that `FailedEarlier`.
   * Default: no bound.
   */
  readonly attemptsMax?: number;
}

/** The operation is the caller's to do now. */
export interface Acquired {
  readonly _tag: 'Acquired';
  /** No other holder of any key has it, now or later; a later holder of this key has a higher one. */
  readonly token: number;
  /** How often it has been begun, with this time; 1 is the first. */
  readonly attempt: number;
}

/** The operation was done; this is what it came to. */
export interface Completed {
  readonly _tag: 'Completed';
  readonly result: Json;
  /** By the store's clock, ISO 8601. For people. */
  readonly completedAt: string;
}

/** Somebody else is doing the operation. Nothing was changed. Ask again after a while, at the latest in `expiresInMs`: then it may be begun again. */
export interface InProgress {
  readonly _tag: 'InProgress';
  readonly scope: string;
  readonly key: string;
  readonly holder: string;
  readonly expiresInMs: number;
}

/** The operation failed, and was begun as often as it may be. Nothing was changed. Mend the cause and `forget` the key, or allow more attempts. */
export interface FailedEarlier {
  readonly _tag: 'FailedEarlier';
  readonly scope: string;
  readonly key: string;
  readonly attempt: number;
  /** What the last attempt failed with. */
  readonly error: string;
}

/**
 * The key stands for another request: somebody used it twice, or the request was changed on its way. Nothing was changed. Use
 * a key that says which request is meant.
 */
export interface KeyReused {
  readonly _tag: 'KeyReused';
  readonly scope: string;
  readonly key: string;
  /** Of this request. */
  readonly requestHash: string;
  /** Of the request that the key stands for. */
  readonly recordedHash: string;
}

/**
 * The operation went to another holder, is over, or was forgotten. Nothing was written. Stop the work done for it; begin it
 * again to learn what it came to.
 */
export interface IdempotencyLost {
  readonly _tag: 'IdempotencyLost';
  readonly scope: string;
  readonly key: string;
  readonly token: number;
}

/** An operation in the hands of its holder. */
export interface HeldKey extends IdempotencyKey {
  /** As `begin` answered it. */
  readonly token: number;
}

export interface CompleteRequest extends HeldKey {
  /** What a repeat is answered with; `null` where nobody asks. As JSON `resultBytesMax` of the store's limits at most. */
  readonly result: Json;
}

/** The end of an operation that is written in the same step as an append; of the append's own tenant. */
export type Completion = Omit<CompleteRequest, 'tenant'>;

export interface FailRequest extends HeldKey {
  /** Why, for people: 8,192 characters of it are kept. */
  readonly error: string;
}

export type IdempotencyState = 'pending' | 'completed' | 'failed';

/** An operation as it is remembered, without what it came to. */
export interface IdempotencySummary {
  readonly tenant: Tenant;
  readonly scope: string;
  readonly key: string;
  readonly state: IdempotencyState;
  readonly requestHash: string;
  readonly token: number;
  readonly attempt: number;
  readonly holder: string;
  /** When it was begun last, by the store's clock, ISO 8601. */
  readonly begunAt: string;
  /** When it was completed or failed. */
  readonly settledAt: string | undefined;
  /** Another may begin it after this many milliseconds; 0: at once. Only where it is pending. */
  readonly staleInMs: number | undefined;
  /** It is forgotten after this many milliseconds. */
  readonly expiresInMs: number;
  /** Of the last attempt that failed. */
  readonly error: string | undefined;
}

export interface IdempotencyEntry extends IdempotencySummary {
  /** Only where it is completed. */
  readonly result: Json | undefined;
}

export interface ListIdempotencyRequest {
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  readonly scope?: string;
  readonly state?: IdempotencyState;
  /** Those after this one, by scope and key in code point order. */
  readonly after?: { readonly scope: string; readonly key: string };
  /** 1 to 4,096. Default 512. */
  readonly maxCount?: number;
}

type IdempotencyError = BadRequest | Unreachable;
export type Begun = Acquired | Completed | InProgress | FailedEarlier;
export type BeginError = KeyReused | IdempotencyError;
export type SettleError = IdempotencyLost | IdempotencyError;

/**
 * An operation is pending from `begin` until its holder says how it ended. One whose holder says nothing for its `pendingMs` is
 * still that holder's until another begins it; then what the old one says is refused, because its token is used up.
 *
 * An append with `completes` ends the operation together with its events, all or nothing, so that the effect and the mark that it
 * is done cannot come apart. An effect outside of the store is done at least once: its holder may die before it can say so.
 */
export interface IdempotencyStore {
  /**
   * Begins an operation that is new, failed, or whose holder did not come back, under the next token; else says how it stands.
   * Of any number who begin the same key at once, one is given it.
   */
  readonly begin: (request: BeginRequest) => TaskEither<BeginError, Begun>;
  /** Lets it be pending for `pendingMs` from now. */
  readonly renew: (held: HeldKey, pendingMs: number) => TaskEither<SettleError, void>;
  /** It is done. Saying so again with the same result changes nothing. */
  readonly complete: (request: CompleteRequest) => TaskEither<SettleError | LimitExceeded, void>;
  /** It failed: it may be begun again. Saying so again changes nothing. */
  readonly fail: (request: FailRequest) => TaskEither<SettleError, void>;
  /** Forgets the key whatever its state, and with it its holder; false where it was not known. */
  readonly forget: (key: IdempotencyKey) => TaskEither<IdempotencyError, boolean>;
  /**
   * Deletes what is past its time, oldest first, `maxCount` at most (1 to 10,000, default 1,000), and answers how many; as many
   * as asked for: there may be more. What is past its time counts as unknown before, too.
   */
  readonly cleanUp: (request?: { readonly maxCount?: number }) => TaskEither<IdempotencyError, number>;
  /** By scope and key in code point order. */
  readonly list: (
    request: ListIdempotencyRequest,
  ) => TaskEither<IdempotencyError, ReadonlyArray<IdempotencySummary>>;
  readonly show: (key: IdempotencyKey) => TaskEither<IdempotencyError, IdempotencyEntry | undefined>;
}
