/** What is known of a saga at a version of its stream, and what it owes: values, without the fold that makes them. */
import type { DecodeFailed } from '../codec.js';
import type { EventData, EventMetadata, RecordedEvent } from '../event.js';
import type { ReleasedMessage } from '../merge/merge.js';
import type * as records from './saga-records.js';
import type { StreamVersion } from '../stream.js';

/** Work that lost its append and waits for the merge. */
export interface PendingBranch extends records.MergeSagaStateRecord {
  /** Version of its `MergeSagaState`. */
  readonly version: StreamVersion;
  /** The conversation of its message, and where its trace stood. */
  readonly metadata?: EventMetadata;
}

export interface OwedCompensation extends records.PlannedCompensation {
  readonly mergeId: string;
  /** The attempt that comes next; 1 is the first. */
  readonly attempt: number;
  /** The conversation of the merge that asked for it. */
  readonly metadata?: EventMetadata;
}

/** A timeout the saga asked for: a message to itself, later. */
export interface OwedTimeout extends records.TimeoutRecord {
  /** Version of the record that released it. */
  readonly version: StreamVersion;
  /** The epoch it belongs to: once that is over, it is ignored. */
  readonly epoch: number;
  /** The conversation of the message that asked for it. */
  readonly metadata?: EventMetadata;
}

/** Why a saga waits for its user: a merge that was refused. */
export interface Parked extends records.SagaMergeRefusedRecord {
  readonly version: StreamVersion;
}

/** A merge that one append could not hold: some of its branches are merged, the others wait. */
export interface PartlyMerged {
  /** Where the stream stood before the first part. */
  readonly version: StreamVersion;
  /** Whether the saga had completed by then. */
  readonly completed: boolean;
  /** Those that are merged. */
  readonly branches: ReadonlyArray<PendingBranch>;
  /** The lowest version whose state the last part needs: `version`, or what one of `branches` began from. */
  readonly lowestBase: number;
  /** Whether all of them were turned away. */
  readonly rejected: boolean;
}

/** A saga as its stream stood at `version`. A value: later records do not change it. */
export interface SagaView<S = unknown> {
  readonly version: StreamVersion;
  readonly state: S;
  /** 1 is the first; a saga that is opened again after completion begins the next. */
  readonly epoch: number;
  readonly completed: boolean;
  /** Sorted by base, then id. */
  readonly pending: ReadonlyArray<PendingBranch>;
  readonly parked: Parked | undefined;
}

/** What a restarted process must do, and nothing else: a function of the stream alone. */
export interface Owed {
  /** Branches that wait for a merge. Empty where the merge was refused and the saga is parked. */
  readonly merges: ReadonlyArray<PendingBranch>;
  /** Messages that were released after `dispatchedThrough`. */
  readonly messages: ReadonlyArray<ReleasedMessage>;
  readonly compensations: ReadonlyArray<OwedCompensation>;
  /** Timeouts that were asked for, not cancelled and not delivered, oldest first; also after completion, when they will be ignored. */
  readonly timeouts: ReadonlyArray<OwedTimeout>;
}

/** What a log needs of a recorded event: also what a writer knows of its own append, once it is acknowledged. */
export type LogEvent = EventData & Pick<RecordedEvent, 'streamName' | 'version'>;

export interface TrunkEvent<Ev> {
  readonly version: StreamVersion;
  readonly event: Ev;
}

/** The saga's `evolve` threw on an event that has been recorded. Nothing was written. Mend `evolve`: it must accept whatever was once recorded. */
export interface EvolveFailed {
  readonly _tag: 'EvolveFailed';
  readonly type: string;
  readonly schemaVersion: number;
  readonly message: string;
  readonly thrown: unknown;
}

/** A record of the stream that its codec or `evolve` does not accept. Nothing was written. See `problem`; the saga cannot be used until it fits. */
export interface SagaUnreadable {
  readonly _tag: 'SagaUnreadable';
  readonly streamName: string;
  readonly version: StreamVersion;
  readonly problem: DecodeFailed | EvolveFailed;
  readonly message: string;
}

/** The stream begins after its first version: it was truncated. Nothing was written, and nothing is guessed. Restore its beginning; a saga is the fold of its whole stream. */
export interface SagaTruncated {
  readonly _tag: 'SagaTruncated';
  readonly streamName: string;
  /** The first version that is still there; 0 where none is. */
  readonly begins: StreamVersion;
  readonly message: string;
}
