/** What a repository is given, what a save may be told, and what it answers. */
import type { EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { DecodeFailed, EncodeFailed } from '../../core/codec.js';
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import type { EventMetadata } from '../../core/event.js';
import type { FieldNotOwned, Ownership, UndeclaredField } from '../../core/concurrency/ownership.js';
import type { ConcurrencySettings, Policies, PolicyFailed } from '../../core/concurrency/policy.js';
import type { ResolverRefused } from '../../core/concurrency/resolver.js';
import type { Position, StreamName, StreamVersion } from '../../core/stream.js';
import type { TokenNotMine, TokenSecret, TokenStale } from '../../core/concurrency/token.js';
import type { Fence } from '../../store/leases.js';
import type { AppendError, NotSupported, ReadError, VersionConflict } from '../../store/event-store.js';
import type { AggregateContext } from '../aggregate/aggregate-context.js';
import type { Rejected } from '../aggregate/command-request.js';
import type { ConcurrencyConflict } from '../aggregate/concurrency-conflict.js';
import type { ConcurrencyStats } from '../concurrency/concurrency-stats.js';
import type { LockTimeout } from '../queue/message-delivery.js';

export interface RepositoryContext extends AggregateContext {
  /** Which strategy a save uses. Default: none, and with it `expectedVersion`. */
  readonly policies?: Policies;
  /** What policies see as the environment: `production`, `development`, ... */
  readonly environmentName?: string;
  /** Who saves, unless a save says otherwise; goes to `metadata.actor`. */
  readonly actor?: string;
  /** What policies see on every save of this repository. */
  readonly flags?: Iterable<string>;
  /** Signs tokens; 32 bytes or more, or several: the first signs, all are accepted. Needed for tokens only. */
  readonly tokenSecret?: TokenSecret;
  /** Who may write which field of the aggregate that this context is used for. Default: everybody everything. */
  readonly ownership?: Ownership;
  /** Is told of every save. */
  readonly stats?: Pick<ConcurrencyStats, 'observe'>;
}

export interface RepositoryOptions {
  /**
   * Keeps folds in memory, so that a load reads only what is newer. Default: none are kept. A save never rests on them: its append
   * names the version that was decided on.
   */
  readonly cache?: {
    /** Aggregates at most, 1 or more; the one that was not used for longest makes room. */
    readonly max: number;
    /** A fold that was not looked at for so long is dropped, in milliseconds, 1 or more. */
    readonly maxAgeMs: number;
  };
}

export interface LoadOptions {
  /**
   * Answer from the cache without reading where the fold was read so many milliseconds ago at most; the copy then says `stale`.
   * Default 0: always read.
   */
  readonly allowStaleMs?: number;
  /**
   * Answer from a replica if it has the stream at this version or a later one, so that who saved reads what was saved; 0 takes what the
   * replica has. A save never rests on it. Default: the store itself.
   */
  readonly atLeast?: StreamVersion | number;
}

/** What must hold for a save to be written, looked at in the same step as the append. One of: */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a check whose state is not named is of one for any
export type ConcurrencyCheck<State = any> =
  /** The stream is at this version; nobody has written anything since, not even the system. */
  | { readonly expectedVersion: number }
  /**
   * No editor has changed it since this time. An ISO text of `lastModified`, or a Date. Times are the store's, and of whole
   * milliseconds: of two changes within one millisecond the second cannot be told, nor one after the clock went back. Where that
   * matters use a revision, a version or a token.
   */
  | { readonly ifNotModifiedSince: string | Date }
  /** A token that `loadWithToken` gave out: the stream is as it was then. */
  | { readonly token: string }
  /** This many saves by editors, and no more. Work of the system does not count. */
  | { readonly expectedRevision: number }
  /** Holds for the state that the events are appended to. Pure: it may be asked several times. */
  | { readonly condition: (state: State) => boolean };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- options whose state is not named are of one for any
export interface SaveOptions<State = any> {
  /**
   * Holds in addition to the strategy that the call or a policy chose. Where nobody chose one, the check is the strategy: it
   * stands instead of the default `expectedVersion`.
   */
  readonly check?: ConcurrencyCheck<State>;
  /** Over what policies say, field by field. */
  readonly settings?: Partial<ConcurrencySettings<State>>;
  /** Ask no policy. Default false. */
  readonly bypassPolicies?: boolean;
  readonly tags?: Iterable<string>;
  /** Besides those of the context. */
  readonly flags?: Iterable<string>;
  /** Default: the context's. */
  readonly actor?: string;
  /** What policies see as the environment. Default: the context's `environmentName`. */
  readonly environment?: string;
  /** Goes to each event, with `actor` and the save's header. */
  readonly metadata?: EventMetadata;
  /**
   * The same each time this save is tried, 1 to 512 bytes. Event ids derive from it as those of `handleCommand`, so that a repeat
   * is recognised, also by another process and on another copy; a `save` reads the stream once more for that. Behind a snapshot it is
   * recognised as long as `idsRemembered` says. Without a command id a repeat is recognised by the changed copy itself.
   */
  readonly commandId?: string;
  /** Ends the wait for a lock. */
  readonly signal?: AbortSignal;
  /**
   * Refuse the save with `LeaseLost` once this lease is another's, as `fence` of `withLease`. Where the strategy takes the stream's lock too, the
   * lock is then not what the append is fenced with; its exact version guards the stream all the same.
   */
  readonly fence?: Fence;
}

/** The condition of the save does not hold for the aggregate as it is now. Nothing was written. Load it again and show why. */
export interface ConditionNotMet {
  readonly _tag: 'ConditionNotMet';
  readonly streamName: StreamName;
  /** The version whose state it was looked at on. */
  readonly version: StreamVersion;
  readonly message: string;
}

/** Why a save was not written. Nothing was written, except perhaps after `OutcomeUnknown`: then save the same copy again. */
export type SaveError<Rejection> =
  | ConcurrencyConflict
  | TokenStale
  | TokenNotMine
  | ConditionNotMet
  | LockTimeout
  | ResolverRefused
  | FieldNotOwned
  | UndeclaredField
  | PolicyFailed
  | NotSupported
  | Rejected<Rejection>
  | DecodeFailed
  | EventDecodeFailed
  | EncodeFailed
  | Exclude<AppendError, VersionConflict>
  | ReadError;

/** The copy is saved, or there was nothing to save. */
export interface Saved<State, Event> {
  readonly streamName: StreamName;
  readonly id: string;
  /** `state` is the fold of the stream's first `version` events. */
  readonly version: StreamVersion;
  readonly revision: number;
  readonly state: State;
  /** What was appended; none where nothing had to be, or a repeat was recognised. */
  readonly events: ReadonlyArray<Event>;
  /** Of the last event; undefined where none was appended. */
  readonly position: Position | undefined;
  /** True where this save had been written before. Nothing was added. */
  readonly duplicate: boolean;
  /** Appends that were tried, the last one included; 1 where nothing had to be appended. */
  readonly attempts: number;
  /** How it was saved; what `adaptive` chose, where that was asked. */
  readonly strategy: ConcurrencyStrategy;
  /** Names of the rules that chose the strategy, `the call`, `the check` or `default`; with the reason where `adaptive` was asked. */
  readonly policy: string;
  /** As in the events' header. */
  readonly saveId: string;
  /** How long it waited for the stream's lock, in milliseconds; undefined where it took none. */
  readonly waitedMs: number | undefined;
  /** How a conflict was merged, in the resolver's words; undefined where none was. */
  readonly resolution: string | undefined;
}
