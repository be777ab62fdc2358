/** What followers of streams are given, and how they ask for it. */
import type { RecordedEvent } from '../core/event.js';
import type { Position } from '../core/stream.js';
import type { EventStore } from '../store/event-store.js';
import type { Timers } from '../store/timers.js';
import type { AllFilter } from './filter.js';

/** An event as it is served. One of the two is always there; `event` alone is an ordinary event. */
export interface ServedEvent {
  /** The event, or what a link points at; `undefined` where that is gone. */
  readonly event: RecordedEvent | undefined;
  /** The link itself, where links are resolved and the event is one. */
  readonly link: RecordedEvent | undefined;
}

export type FeedItem =
  | { readonly _tag: 'Event'; readonly event: ServedEvent }
  /** Everything up to `position` was looked at; comes with filters only. */
  | { readonly _tag: 'Checkpoint'; readonly position: Position }
  /** Everything recorded so far has been handed over; from here on live. */
  | { readonly _tag: 'CaughtUp' }
  /** The follower was too slow for live events and reads from the store again; `CaughtUp` follows. */
  | { readonly _tag: 'FellBehind' };

export interface FollowOptions {
  readonly resolveLinks: boolean;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
}

export interface FollowAllOptions extends FollowOptions {
  readonly filter: AllFilter | undefined;
}

/** Both ways of following reject with a `TaggedError`; `serviceErrorOf` in `status.ts` says it to a client. */
export interface Feed {
  /** Events of a stream (its name there) after a revision there, then live; -1 is before the first. */
  readonly followStream: (
    streamId: string,
    afterRevision: number | 'start',
    options: FollowOptions,
  ) => AsyncIterable<FeedItem>;
  /** Events of all streams after a position of ours, then live. */
  readonly followAll: (after: Position | 'start', options: FollowAllOptions) => AsyncIterable<FeedItem>;
  /** Wakes followers of a stream that changed without an event, as by a tombstone. */
  readonly nudge: (streamId: string) => void;
  /** The life that the store lives, as far as is known. */
  readonly epoch: () => string;
  /** Whether the store shows everything up to here, to whoever reads now. */
  readonly hasShown: (position: Position) => boolean;
  /** Resolves when the store shows more than before, after `ms` milliseconds, or when the signal aborts; sometimes for nothing. */
  readonly waitForMore: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** What a feed needs of a server. */
export interface FeedContext {
  readonly store: EventStore;
  readonly timers: Timers;
  readonly now: () => Date;
  readonly onError: (error: unknown) => void;
}
