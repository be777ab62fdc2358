/** Reads of streams and of the global order, page by page, as the metadata of streams allows. */
import type { RecordedEvent } from '../core/event.js';
import { toPromise } from '../core/fault.js';
import { type Json, jsonBytesBound } from '../core/json.js';
import { streamIdOf } from '../core/eventstoredb/stream-id.js';
import { type Position, startPosition, versionMax } from '../core/stream.js';
import type { AllPage, Direction } from '../store/event-store.js';
import { pageDefault } from '../store/limits.js';
import type { LookAgain } from './acknowledged.js';
import type { ServerContext } from './context.js';
import type { FeedContext } from './feed-items.js';
import type { AllFilter } from './filter.js';
import { firstVisible, isDeleted, isExpired, readMetastream } from './metadata.js';
import { refuse } from './status.js';
import { keyOf } from './wire.js';

/** What reading needs of a server. */
export type ReadingContext = Pick<FeedContext, 'store' | 'now'>;

export interface VisiblePage {
  /** In the direction of reading. */
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly version: number;
  /** The first version that can be read, of the stream as it stood. */
  readonly first: number;
  /** False where there is no such stream, or it is deleted. */
  readonly exists: boolean;
  /** Where the next page begins; undefined where this was the last. */
  readonly next: number | undefined;
  /** The version that the stream had when it was deleted last; undefined where it never was. */
  readonly deletedAt: number | undefined;
}

export interface StreamRange {
  readonly direction: Direction;
  /** First version to answer. Default: the first forwards, the last backwards. */
  readonly from?: number;
  /** Events looked at. */
  readonly maxCount: number;
}

const nextOf = (range: StreamRange, next: number | undefined, first: number): number | undefined => {
  if (next === undefined) return undefined;
  if (range.direction === 'backwards') return next < first ? undefined : next;
  return Math.max(next, first);
};

/** One page of what can be read of a stream. Rejects with a tagged error of the store. */
export const readVisible = async (
  { store, now }: ReadingContext,
  streamId: string,
  range: StreamRange,
): Promise<VisiblePage> => {
  const { direction, from, maxCount } = range;
  const request = {
    ...keyOf(streamId),
    direction,
    maxCount,
    ...(from !== undefined && { from: Math.min(Math.max(1, from), versionMax) }),
    includeArchived: true,
  };
  const page = await toPromise(store.readStream(request));
  // Read after the events: so a deletion that came before one of them is known.
  const { rules } = await readMetastream(store, streamId);
  const { version } = page;
  const { deletedAt } = rules;
  if (version === 0 || isDeleted(rules, version))
    return { events: [], version, first: version + 1, exists: false, next: undefined, deletedAt };
  const first = firstVisible(rules, version);
  const time = now();
  const events = page.events.filter((event) => event.version >= first && !isExpired(rules, event, time));
  return { events, version, first, exists: true, next: nextOf(range, page.next, first), deletedAt };
};

const pageEvents = { first: 16, most: pageDefault };
/** About what a page holds at most, where its events are large. */
const pageBytes = 16 * 1024 * 1024;

export interface Pages {
  /** How many events to ask for next. */
  readonly size: () => number;
  /** Learns from what came how many may be asked for. */
  readonly seen: (events: ReadonlyArray<RecordedEvent>) => void;
}

/** Pages that grow while events are small: a reader who waits holds one page in memory, and events may be large. */
export const growingPages = (): Pages => {
  let size = pageEvents.first;
  return {
    size: () => size,
    seen: (events) => {
      if (events.length === 0) return;
      const bytes = events.reduce(
        (sum, { data, metadata }) => sum + jsonBytesBound(data) + jsonBytesBound(metadata as Json),
        0,
      );
      const fitting = Math.floor((pageBytes * events.length) / bytes);
      size = Math.max(1, Math.min(2 * size, fitting, pageEvents.most));
    },
  };
};

export interface StreamRead {
  readonly direction: Direction;
  readonly from: number | undefined;
  readonly maxCount: number;
}

/** What the reader of a stream is told besides its events. */
export type StreamReadItem =
  | { readonly _tag: 'NotFound' }
  | { readonly _tag: 'Bounds'; readonly first: number; readonly version: number }
  | { readonly _tag: 'Event'; readonly event: RecordedEvent };

const deletedMeanwhile = (streamId: string): never =>
  refuse('ABORTED', `Stream '${streamId}' was deleted while it was read. Read again to see it as it stands.`);

/** All of a read: its pages one after another, `Bounds` or `NotFound` first. Ends early when the signal aborts. */
export async function* streamItems(
  context: ReadingContext,
  streamId: string,
  read: StreamRead,
  signal: AbortSignal,
): AsyncGenerator<StreamReadItem, void, void> {
  let left = read.maxCount;
  let from = read.from;
  let begun: VisiblePage | undefined;
  const pages = growingPages();
  while (left > 0 && !signal.aborted) {
    const { direction } = read;
    const maxCount = Math.min(left, pages.size());
    const page = await readVisible(context, streamId, {
      direction,
      maxCount,
      ...(from !== undefined && { from }),
    });
    // What was handed over already is gone, and what comes now is another stream, so to speak.
    if (begun !== undefined && page.deletedAt !== begun.deletedAt) return deletedMeanwhile(streamId);
    if (!page.exists) return yield { _tag: 'NotFound' };
    if (begun === undefined) yield { _tag: 'Bounds', first: page.first, version: page.version };
    begun ??= page;
    for (const event of page.events) yield { _tag: 'Event', event };
    pages.seen(page.events);
    left -= page.events.length;
    if (page.next === undefined) return;
    from = page.next;
  }
}

export interface AllRead {
  readonly direction: Direction;
  /** Events beyond this position, in the direction of reading; undefined reads from the beginning, or from the end. */
  readonly after: Position | undefined;
  readonly maxCount: number;
  readonly filter: AllFilter | undefined;
}

const everything = { includeArchived: true };

const neverAgain: LookAgain = () => Promise.resolve(false);

/**
 * The events of all streams, as many as are asked for. Ends early when the signal aborts. `lookAgain` is asked at the end of the order:
 * backwards that is before anything is handed over.
 */
export async function* allEvents(
  { store }: ReadingContext,
  read: AllRead,
  signal: AbortSignal,
  lookAgain: LookAgain = neverAgain,
): AsyncGenerator<RecordedEvent, void, void> {
  const { direction, filter } = read;
  let { after } = read;
  let left = read.maxCount;
  let hasBegun = direction === 'forwards';
  const pages = growingPages();
  while (left > 0 && !signal.aborted) {
    const maxCount = filter === undefined ? Math.min(left, pages.size()) : pages.size();
    const ask = { direction, maxCount, filter: everything, ...(after !== undefined && { after }) };
    const page = await toPromise(store.readAll(ask));
    if (!hasBegun && (await lookAgain(newestOf(page), page))) continue;
    hasBegun = true;
    filter?.foresee?.(page.events);
    for (const event of page.events) {
      if (left <= 0) return;
      if (filter !== undefined && !filter.matches(streamIdOf(event), event.type)) continue;
      yield event;
      left -= 1;
    }
    if (page.isEnd && (direction === 'backwards' || !(await lookAgain(page.last, page)))) return;
    pages.seen(page.events);
    after = page.last;
  }
}

/** The position of the newest event of a page backwards. */
const newestOf = ({ events }: AllPage): Position => events[0]?.position ?? startPosition;

const head = { direction: 'backwards', maxCount: 1, filter: everything } as const;

/** The position of the newest event that readers of the global order can see; `undefined` in an empty store. */
export const headPosition = async ({ store }: Pick<FeedContext, 'store'>): Promise<Position | undefined> => {
  const page = await toPromise(store.readAll(head));
  return page.events[0]?.position;
};

/**
 * Where the order ends, for who is to be given what comes only: not before anything that was acknowledged already. Waits for that as long
 * as the signal does not abort.
 */
export const orderEnd = async (
  { store, acknowledged }: Pick<ServerContext, 'store' | 'acknowledged'>,
  signal: AbortSignal,
): Promise<Position | undefined> => {
  const lookAgain = acknowledged.lookAgain(signal);
  for (;;) {
    const page = await toPromise(store.readAll(head));
    if (!(await lookAgain(newestOf(page), page))) return page.events[0]?.position;
  }
};
