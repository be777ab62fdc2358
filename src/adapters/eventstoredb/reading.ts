/** Reads: pages of a stream, pages of the global order, and the list of streams. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { type StreamKey, streamIdOf } from '../../core/eventstoredb/stream-id.js';
import {
  comparePositions,
  noEvents,
  type Position,
  startPosition,
  type StreamVersion,
  versionMax,
} from '../../core/stream.js';
import type {
  AllPage,
  ReadAllRequest,
  ReadError,
  ReadStreamRequest,
  StreamPage,
  StreamTombstoned,
} from '../../store/event-store.js';
import { checkCount, checkPosition, pageDefault, pageMax } from '../../store/limits.js';
import { checkReadStream } from '../../store/read-checks.js';
import type { BadRequest } from '../../store/store-errors.js';
import type { Connection, RawPage } from './connection.js';
import type { StoreContext } from './context.js';
import { faultError, faultOf } from './faults.js';
import { canMatch, passes, serverFilterOf, serverTypes } from './filter.js';
import { later } from './seen.js';
import { type RawEvent, recordedOf, type ServerFilter } from './wire.js';

/** The server tells where in the global order an event of a stream stands only since it was taught to. */
export const placed = (event: RawEvent): RawEvent => {
  if (event.position !== undefined) return event;
  const message =
    'the server does not say where in the global order the events of a stream stand: EventStoreDB 22.6 or later does';
  throw faultError({ _tag: 'Refused', message });
};

/** The version of a stream; 0 where there is none. Rejects with a `FaultError`, `Deleted` among them. */
export const versionOf = async (connection: Connection, streamId: string): Promise<StreamVersion> => {
  const { events } = await connection.read({ streamId, backwards: true, from: 'end', count: 1 });
  return events[0]?.version ?? noEvents;
};

/** Goes on, but for a stream that the server says is tombstoned. */
export const unlessDeleted = async <L, A>(
  { marks }: Pick<StoreContext, 'marks'>,
  key: StreamKey,
  call: () => Promise<E.Either<L, A>>,
): Promise<E.Either<L | StreamTombstoned, A>> => {
  try {
    return await call();
  } catch (error) {
    if (faultOf(error)._tag !== 'Deleted') throw error;
    await marks.learnTombstone(key);
    return E.left({ _tag: 'StreamTombstoned', ...key });
  }
};

interface Read {
  readonly key: StreamKey;
  readonly count: number;
  readonly from: StreamVersion;
}

/** What a page answers: what the server has written itself is left out, but count for where the next one begins. */
const pageOf = (
  { seen }: StoreContext,
  { key, count }: Read,
  { events }: RawPage,
  version: StreamVersion,
  step: 1 | -1,
): StreamPage => {
  const taken = events.slice(0, count);
  const recorded = taken
    .filter(({ type }) => !serverTypes.has(type))
    .flatMap((raw) => recordedOf(placed(raw), key) ?? []);
  for (const { position } of recorded) seen.note(position);
  const next = ((taken.at(-1)?.version ?? noEvents) + step) as StreamVersion;
  const hasNext = step === 1 ? taken.length > 0 && next <= version : events.length > count;
  return { events: recorded, version, next: hasNext ? next : undefined };
};

/** A stream whose last events can be read backwards and not forwards ends it: nothing of ours makes one. */
const tornMax = 16;

const readForwards = async (context: StoreContext, read: Read): Promise<StreamPage> => {
  const { connection } = context;
  const streamId = streamIdOf(read.key);
  const request = { streamId, backwards: false, from: read.from, count: read.count + 1 };
  for (let attempt = 1; ; attempt += 1) {
    const page = await connection.read(request);
    if (!page.found) return { events: [], version: noEvents, next: undefined };
    const last = page.events.at(-1);
    // A page that ends within the stream does not say where the stream ends, and neither does one that begins behind its end.
    const knowsEnd = last !== undefined && page.events.length <= read.count;
    const end = knowsEnd ? last.version : await versionOf(connection, streamId);
    // What was appended between the two looks would be missing from the page, as if it were gone: looked at again.
    const isTorn = last === undefined && end >= read.from;
    if (!isTorn || attempt === tornMax)
      return pageOf(context, read, page, Math.max(end, last?.version ?? 0) as StreamVersion, 1);
  }
};

const readBackwards = async (context: StoreContext, read: Read): Promise<StreamPage> => {
  const { connection } = context;
  const streamId = streamIdOf(read.key);
  const begin = { streamId, backwards: true, count: read.count + 1 };
  if (read.from >= versionMax) {
    const page = await connection.read({ ...begin, from: 'end' });
    return pageOf(context, read, page, page.events[0]?.version ?? noEvents, -1);
  }
  const end = await versionOf(connection, streamId);
  if (end === 0) return { events: [], version: noEvents, next: undefined };
  const page = await connection.read({ ...begin, from: Math.min(end, read.from) as StreamVersion });
  return pageOf(context, read, page, end, -1);
};

export const readStream = async (
  context: StoreContext,
  request: ReadStreamRequest,
): Promise<E.Either<ReadError, StreamPage>> => {
  const checked = checkReadStream(request);
  if (E.isLeft(checked)) return checked;
  const { key, count, backwards, from } = checked.right;
  const state = context.marks.stateOf(key);
  if (state === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', ...key });
  if (state === 'archived' && request.includeArchived !== true)
    return E.left({ _tag: 'StreamArchived', ...key });
  const read = { key, count, from: from as StreamVersion };
  return unlessDeleted(context, key, async () =>
    E.right(await (backwards ? readBackwards(context, read) : readForwards(context, read))),
  );
};

/** Where the global order ends now. */
const headOf = async ({ connection, seen }: StoreContext): Promise<Position> => {
  const { events } = await connection.read({ backwards: true, from: 'end', count: 1 });
  seen.noteInOrder(events[0]?.position);
  return seen.inOrder();
};

interface Order {
  readonly after: Position | undefined;
  readonly count: number;
  readonly backwards: boolean;
}

/** Events before they are judged on this side, and where reading goes on behind them. */
interface Stretch {
  readonly events: ReadonlyArray<RawEvent>;
  readonly last: Position;
  readonly isEnd: boolean;
}

/** Reads on from a place. The server begins with the event at that place, so one more is asked for, and dropped. Undefined: nothing came in time. */
const readOn = async (
  context: StoreContext,
  { after, count, backwards }: Order,
  filter: ServerFilter | undefined,
): Promise<Stretch | undefined> => {
  const { connection, seen, feed } = context;
  // Taken before the read: whatever comes before this place is seen by the read, or has been filtered out.
  const floor = backwards ? startPosition : feed.isLive() ? seen.inOrder() : await headOf(context);
  const begin = after === undefined || after === startPosition ? (backwards ? 'end' : 'start') : after;
  const asked = count + 1;
  const page = await connection.read({ backwards, from: begin, count: asked, ...(filter && { filter }) });
  const sign = backwards ? -1 : 1;
  const isFresh = ({ position }: RawEvent): boolean =>
    after === undefined || comparePositions(position ?? startPosition, after) * sign > 0;
  const events = page.events.filter(isFresh).slice(0, count);
  const last = events.at(-1)?.position;
  if (page.isCut) return last && { events, last, isEnd: false };
  if (page.events.length === asked) return { events, last: last ?? floor, isEnd: false };
  if (backwards) return { events, last: startPosition, isEnd: true };
  const end = later(later(after ?? startPosition, floor), last);
  seen.noteInOrder(end);
  return { events, last: end, isEnd: true };
};

/** Pages that are looked through for a filter that lets little pass, before it is said how far that came. */
const lookPagesMax = 16;

/** Does a filter's work on this side, where the server cannot do it in the time of a call: page after page, until something passes. */
const readThrough = async (
  context: StoreContext,
  { after, count, backwards }: Order,
  { on, regex }: ServerFilter,
): Promise<Stretch> => {
  const pattern = new RegExp(regex, 'u');
  let from = after;
  for (let page = 1; ; page += 1) {
    const stretch = await readOn(context, { after: from, count: pageDefault, backwards }, undefined);
    if (stretch === undefined) throw faultError({ _tag: 'Lost', message: 'no event came in time' });
    const { last, isEnd } = stretch;
    const passing = stretch.events.filter((event) =>
      pattern.test(on === 'streamName' ? event.streamId : event.type),
    );
    const events = passing.slice(0, count);
    if (events.length < passing.length)
      return { events, last: events.at(-1)?.position ?? last, isEnd: false };
    if (events.length > 0 || isEnd || page === lookPagesMax) return { events, last, isEnd };
    from = last;
  }
};

/** A stretch of the global order that passes the filter. */
export const readStretch = async (
  context: StoreContext,
  order: Order,
  filter: ServerFilter,
): Promise<Stretch> => (await readOn(context, order, filter)) ?? (await readThrough(context, order, filter));

export const readAll = async (
  context: StoreContext,
  request: ReadAllRequest,
): Promise<E.Either<BadRequest, AllPage>> => {
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const after = request.after === undefined ? E.right(undefined) : checkPosition('after', request.after);
  if (E.isLeft(after)) return after;
  const backwards = request.direction === 'backwards';
  const filter = request.filter ?? {};
  if (backwards && after.right === startPosition)
    return E.right({ events: [], last: startPosition, isEnd: true, heldBack: undefined });
  if (!canMatch(filter)) {
    const last = backwards ? startPosition : later(after.right ?? startPosition, await headOf(context));
    return E.right({ events: [], last, isEnd: true, heldBack: undefined });
  }
  const order = { after: after.right, count: count.right, backwards };
  const stretch = await readStretch(context, order, serverFilterOf(filter));
  const isWanted = passes(filter);
  const isOpen = (event: RecordedEvent): boolean => {
    const state = context.marks.stateOf(event);
    return state === 'open' || (state === 'archived' && filter.includeArchived === true);
  };
  const events = stretch.events
    .flatMap((raw) => recordedOf(raw) ?? [])
    .filter((event) => isWanted(event) && isOpen(event));
  return E.right({ events, last: stretch.last, isEnd: stretch.isEnd, heldBack: undefined });
};
