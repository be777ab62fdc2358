/** What a saga's runtime is given, what it tells, and the errors it answers. */
import type { EncodeFailed } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance, ReactError } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { SagaTruncated, SagaUnreadable } from '../../core/saga/saga-view.js';
import type { InvalidName, StreamVersion, Tenant } from '../../core/stream.js';
import type { AppendError, EventStore, LimitExceeded } from '../../store/event-store.js';
import type { RetryPolicy } from '../../core/retry.js';
import type { Environment } from '../environment.js';
import type { ConcurrencyConflict } from '../aggregate/concurrency-conflict.js';
import type { OutageNotice } from '../outage.js';
import type { LoadError, SagaLoader } from './saga-loader.js';
import type { TimeLimit } from './time-limit.js';

/** Where a handler's append was refused, and what was done about it. */
export interface ConflictNotice {
  readonly streamName: string;
  readonly messageId: string;
  /** The version the handler decided on. */
  readonly base: StreamVersion;
  /** Where the stream stood when the append was refused; or, of decisions that went in one append, where those before it brought the stream. */
  readonly actual: StreamVersion;
  /** What the trunk recorded in between, as far as the refusal handed it over. */
  readonly theirs: ReadonlyArray<RecordedEvent>;
  readonly answer: 'fastForward' | 'branch' | 'retry' | 'reject';
}

export interface MessageRetryNotice {
  readonly streamName: string;
  readonly messageId: string;
  /** The attempt that was refused; 1 is the first. */
  readonly attempt: number;
  /** How long the next attempt waits, in milliseconds. */
  readonly delayMs: number;
}

export interface DeliveryParkedNotice {
  readonly streamName: string;
  readonly kind: 'message' | 'timeout';
  readonly messageId: string;
  readonly type: string;
  readonly attempts: number;
  /** What the last attempt failed with, in words. */
  readonly error: string;
}

/** For those who want to watch. A hook that throws is a bug and surfaces as a rejection of the call in hand. */
export interface SagaHooks {
  /** A handler runs now. What it promises is awaited before the handler's decision is appended. */
  readonly onReacted?: (notice: {
    readonly streamName: string;
    readonly messageId: string;
    readonly attempt: number;
  }) => void | Promise<void>;
  readonly onConflict?: (notice: ConflictNotice) => void;
  /** The message will be decided anew: its saga answers conflict with `retry`. */
  readonly onRetry?: (notice: MessageRetryNotice) => void;
  readonly onMerged?: (notice: {
    readonly streamName: string;
    readonly mergeId: string;
    readonly branchIds: ReadonlyArray<string>;
  }) => void;
  readonly onParked?: (notice: {
    readonly streamName: string;
    readonly branchIds: ReadonlyArray<string>;
    readonly reason: string;
  }) => void;
  /** A follower met a saga that cannot be read, or whose merge is more than the store takes. It goes on with the others, and its checkpoint waits for this one. */
  readonly onUnreadable?: (notice: {
    readonly streamName: string;
    readonly error: SagaUnreadable | SagaTruncated | LimitExceeded;
  }) => void;
  /** A message on its way out, or a timeout, has used up its attempts. The saga's later ones wait behind it; other sagas go on. */
  readonly onDeliveryParked?: (notice: DeliveryParkedNotice) => void;
  /** A follower could not reach the store. It asks again after `retryInMs`, until the store is back or it is stopped. */
  readonly onOutage?: (notice: OutageNotice) => void;
  readonly onCompensated?: (notice: {
    readonly streamName: string;
    readonly compensationId: string;
    readonly attempt: number;
    readonly error?: string;
    /** Its attempts are used up: it is not tried again. */
    readonly isParked?: boolean;
  }) => void;
}

export interface SagaContext {
  readonly store: EventStore;
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  readonly environment?: Environment;
  /** For sagas that answer conflict with `retry`, for compensations, for messages on their way out and for timeouts. */
  readonly retry?: Partial<RetryPolicy>;
  /** Sagas whose fold is kept in memory between messages. Default 1,000; 0 folds from the beginning each time. */
  readonly sagasKept?: number;
  /**
   * How long a merge may calculate, in milliseconds, 1 or more, or `Infinity`; then it is broken off and refused. Default 5,000 on durable
   * stores; in memory no limit, since the watch costs about 0.1 ms for each merge.
   */
  readonly mergeTimeMaxMs?: number;
  /**
   * How many appends of one merge may be lost before the saga's lease is taken and others wait with theirs. Default 8, where
   * the store keeps leases.
   */
  readonly leaseAfter?: number;
  /** The name that this process holds leases under, for people to read. 1 to 512 bytes. Default `saga runtime`. */
  readonly holder?: string;
  /** Ask each merger twice and refuse its merge when the answers differ. Default false; meant for development. */
  readonly checkDeterminism?: boolean;
  readonly hooks?: SagaHooks;
}

/** A conflict under `reject`, or under `retry` after its last attempt. Nothing was written. Deliver the message again later, or let the saga merge. */
export interface MessageConflict extends ConcurrencyConflict {
  readonly messageId: string;
}

/** A merge of this saga was refused and waits for a merger that can. Nothing of this message was written. Mend the merger (and its version), then deliver the message again. */
export interface SagaParked {
  readonly _tag: 'SagaParked';
  readonly streamName: string;
  readonly branchIds: ReadonlyArray<string>;
  readonly reason: string;
  readonly message: string;
}

export type ResolveError = LoadError | AppendError;
export type HandleError =
  | ResolveError
  | ReactError
  | EncodeFailed
  | InvalidName
  | MessageConflict
  | SagaParked;

/** What became of a message. All of these acknowledge it: it need not be delivered again. */
export type Handled =
  /** On the trunk. `fastForwards` is how often the append moved past records that did not matter to it. */
  | {
      readonly _tag: 'Appended';
      readonly version: StreamVersion;
      readonly fastForwards: number;
      readonly attempts: number;
    }
  /** It diverged, and the branch has been merged. */
  | { readonly _tag: 'Merged'; readonly branchId: string }
  /** It diverged; the branch is recorded and its merge is owed, or refused and parked. */
  | { readonly _tag: 'Branched'; readonly branchId: string; readonly isParked: boolean }
  /** It was handled before. Nothing was written. */
  | { readonly _tag: 'Duplicate' }
  /** The handler decided nothing. Nothing was written, so a repeat would run it again. */
  | { readonly _tag: 'Nothing' }
  /** The saga had completed. The handler did not run, nothing was written. */
  | { readonly _tag: 'Completed' }
  /**
   * A timeout that is not wanted any more; its handler did not run. `cancelled`: the stream says so already. `completed`: the saga
   * has completed since it asked (or completed and was opened again), and the stream now says that it was ignored.
   */
  | { readonly _tag: 'TimeoutIgnored'; readonly why: 'cancelled' | 'completed' };

export type Resolved =
  | { readonly _tag: 'Merged'; readonly mergeId: string; readonly branchIds: ReadonlyArray<string> }
  /** No branch waits. */
  | { readonly _tag: 'Nothing' }
  | { readonly _tag: 'Parked'; readonly branchIds: ReadonlyArray<string>; readonly reason: string }
  /** Others were quicker each time. The merge is still owed, and will be done by whoever looks next. */
  | { readonly _tag: 'Contended' };

/** The context with its defaults filled in, and the loader: what the parts of the runtime share. */
export interface SagaShell<S, Ev extends AnyEvent> {
  readonly saga: Saga<S, Ev>;
  readonly store: EventStore;
  readonly loader: SagaLoader<S, Ev>;
  readonly environment: Environment;
  readonly retry: RetryPolicy;
  readonly hooks: SagaHooks;
  readonly checkDeterminism: boolean;
  readonly leaseAfter: number;
  readonly holder: string;
  readonly mergeLimit: TimeLimit | undefined;
  readonly instanceOf: (sagaId: string) => Instance;
}
