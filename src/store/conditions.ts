/** Conditions over several streams: which events a decision was made on, and appends that are refused once there are more of them. */
import type { RecordedEvent } from '../core/event.js';
import type { Position, Tenant } from '../core/stream.js';

/** Events that have all of these tags and, where types are given, one of these types. */
export interface QueryItem {
  /** 1 to 32. The first is what the store looks for, so let it be one that few events have. */
  readonly tags: ReadonlyArray<string>;
  /** 1 to 64. Default: any type. */
  readonly types?: ReadonlyArray<string>;
}

/** Events that fit any of the items, whatever streams they are in. */
export interface EventQuery {
  /** Default: `defaultTenant`; in an append, the tenant of its stream. */
  readonly tenant?: Tenant;
  /** 1 to 32. */
  readonly anyOf: ReadonlyArray<QueryItem>;
}

/** What a reader had seen: a text that only the store reads. It says more than a position, since events commit out of their order. */
export type Seen = string & { readonly _Seen: unique symbol };

/** A condition of an append: nothing that the query matches was written that the reader had not seen. */
export interface AppendCondition {
  readonly noneOf: EventQuery;
  /** Of the page that was decided on, of the first where there were several. Default: nothing was seen, so that any match refuses. */
  readonly after?: Seen;
}

/**
 * Others wrote events that the condition's query matches and its reader had not seen. Nothing was written. Read again, decide on
 * what is there now, and append under the new condition.
 */
export interface ConditionFailed {
  readonly _tag: 'ConditionFailed';
  readonly tenant: Tenant;
  /** The first of these events, in global order, at most 16. */
  readonly events: ReadonlyArray<RecordedEvent>;
}

export interface ReadMatchingRequest {
  readonly query: EventQuery;
  /** Events after this position: where a page is not the first. Default: from the beginning. */
  readonly after?: Position;
  /** Events a page, 1 to 4,096. Default 512. */
  readonly maxCount?: number;
}

/** Events that match, oldest first; those of tombstoned streams are never answered, though they count in a condition. */
export interface MatchingPage {
  readonly events: ReadonlyArray<RecordedEvent>;
  /** What this page's reader has seen; a decision on several pages takes that of the first. */
  readonly seen: Seen;
  /** Where the next page begins; undefined where this was the last. */
  readonly next: Position | undefined;
}
