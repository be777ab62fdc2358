/** What is said of one conflict of a saga: see `explainConflicts`. */
import type { Json } from '../json.js';
import type { OutgoingMessage } from '../merge/merge.js';
import type * as records from './saga-records.js';
import type { StreamName, StreamVersion, Tenant } from '../stream.js';

/** Something that moved the saga's state on the trunk. */
export interface TrunkChange {
  readonly version: StreamVersion;
  readonly type: string;
  /** `null` where the change is a whole merge or the completion. */
  readonly data: Json;
  /** Type of the message that was handled, where one was. */
  readonly message: string | undefined;
  /**
   * Whether the branch's append was refused because of it: it came before the branch was recorded and does not commute
   * with what the branch wanted. `undefined` where only the saga's code could tell.
   */
  readonly inTheWay: boolean | undefined;
}

export interface BranchEvent {
  readonly type: string;
  readonly data: Json;
  readonly fate: 'accepted' | 'rejected' | 'waits' | 'void';
}

/** A message the branch wanted to send; it was held until the merge. */
export interface HeldMessage {
  readonly id: string;
  readonly type: string;
  readonly data: Json;
  readonly key: string | undefined;
  readonly fate: 'release' | 'cancel' | 'replace' | 'waits' | 'void';
  /** Who decided: `merger`, `rule` (the key's), or the reason in words; empty while it waits. */
  readonly by: string;
  readonly replacement: OutgoingMessage | undefined;
}

/** A timeout the branch asked for; it was held until the merge. */
export interface HeldTimeout {
  readonly id: string;
  readonly type: string;
  readonly data: Json;
  readonly key: string | undefined;
  readonly afterMs: number;
  readonly fate: 'release' | 'cancel' | 'waits' | 'void';
  /** `rule`, or the reason in words; empty while it waits. */
  readonly by: string;
}

/** A message sent after the fact, by `onMerged` or by a compensation. */
export interface SentMessage {
  readonly id: string;
  readonly type: string;
  readonly data: Json;
  /** Why it did not leave; `undefined` where it did. */
  readonly cancelled: string | undefined;
}

export interface ExplainedCompensation {
  readonly id: string;
  readonly hook: string;
  readonly data: Json;
  /** The message it makes good for, as far as the stream holds it. */
  readonly of: { readonly id: string; readonly type: string; readonly data: Json } | undefined;
  readonly fate: 'planned' | 'applied' | 'failing' | 'parked';
  /** Version of the record that says so; `undefined` while it is only planned. */
  readonly version: StreamVersion | undefined;
  /** Attempts so far. */
  readonly attempts: number;
  readonly error: string | undefined;
  readonly sends: ReadonlyArray<SentMessage>;
}

export interface Refusal extends records.SagaMergeRefusedRecord {
  readonly version: StreamVersion;
}

export type ConflictOutcome =
  | {
      readonly _tag: 'Merged';
      /** Version of the `SagaMerged`. */
      readonly version: StreamVersion;
      readonly mergeId: string;
      readonly rule: string;
      readonly mergerVersion: string;
      /** Other branches that the same merge answered. */
      readonly together: number;
      readonly late: records.SagaMergedRecord['late'];
      /** Events of the merger's own. */
      readonly added: ReadonlyArray<TrunkChange>;
      /** What `onMerged` decided: its events, its messages, whether the saga completed. */
      readonly after: ReadonlyArray<TrunkChange>;
      readonly sends: ReadonlyArray<SentMessage>;
      /** Timeouts that `onMerged` asked for, and keys that it cancelled. */
      readonly timeouts: ReadonlyArray<records.TimeoutRecord>;
      readonly cancelTimeouts: ReadonlyArray<string>;
      readonly completes: boolean;
    }
  /** The merge was refused: the branch waits, its messages are held. `willRetry` where the saga's code is known and its merger is another version by now. */
  | { readonly _tag: 'Parked'; readonly refusal: Refusal; readonly willRetry: boolean | undefined }
  /** Nobody has merged it yet: the merge is owed. */
  | { readonly _tag: 'Pending' }
  /** It does not count: its message is on the trunk (at `version`), or the record is a repeat of the one at `version`. */
  | { readonly _tag: 'Void'; readonly why: 'onTrunk' | 'repeat'; readonly version: StreamVersion };

export interface ConflictExplanation {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly branchId: string;
  /** Version of the `MergeSagaState`. */
  readonly version: StreamVersion;
  /** The version the handler decided on. */
  readonly base: number;
  readonly epoch: number;
  readonly cause: { readonly messageId: string; readonly type: string; readonly data: Json };
  /** From the base to the merge, oldest first. */
  readonly trunk: ReadonlyArray<TrunkChange>;
  readonly events: ReadonlyArray<BranchEvent>;
  readonly messages: ReadonlyArray<HeldMessage>;
  readonly timeouts: ReadonlyArray<HeldTimeout>;
  /** Keys of timeouts that the branch cancelled; done with the merge. */
  readonly cancelTimeouts: ReadonlyArray<string>;
  /** The handler wanted to complete the saga; provisional. */
  readonly completes: boolean;
  readonly outcome: ConflictOutcome;
  /** Merges of it that were refused before, oldest first; the last one too where it is parked. */
  readonly refusals: ReadonlyArray<Refusal>;
  /** Those of the whole merge. */
  readonly compensations: ReadonlyArray<ExplainedCompensation>;
}
