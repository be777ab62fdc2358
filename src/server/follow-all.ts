/** Follows the global order: pages of the store to its end, then live from the ring. */
import type { RecordedEvent } from '../core/event.js';
import { toPromise } from '../core/fault.js';
import { streamIdOf } from '../core/eventstoredb/stream-id.js';
import { comparePositions, type Position, startPosition } from '../core/stream.js';
import type { FeedContext, FeedItem, FollowAllOptions } from './feed-items.js';
import { served } from './links.js';
import type { LiveEvents } from './live-events.js';
import { growingPages } from './reading.js';

/** The items that one event makes: itself where it passes, and a checkpoint when it is time for one. */
const itemsFor = (context: FeedContext, { filter, resolveLinks }: FollowAllOptions) => {
  let lookedAt = 0;
  return async function* (event: RecordedEvent): AsyncGenerator<FeedItem, void, void> {
    if (filter === undefined || filter.matches(streamIdOf(event), event.type))
      yield { _tag: 'Event', event: await served(context, event, resolveLinks) };
    if (filter === undefined) return;
    lookedAt += 1;
    if (lookedAt % filter.checkpointEvery === 0) yield { _tag: 'Checkpoint', position: event.position };
  };
};

interface Page {
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly last: Position;
  readonly isEnd: boolean;
}

/** One page of the store after `cursor`; at its end never short of where the ring begins. */
const readPage = async (
  { store }: FeedContext,
  { ring }: LiveEvents,
  cursor: Position,
  maxCount: number,
): Promise<Page> => {
  // Taken before the read: at its end, everything up to here has been seen, or is no longer shown to anybody.
  const edge = ring.start();
  const filter = { includeArchived: true };
  const page = await toPromise(store.readAll({ after: cursor, maxCount, filter }));
  const isShort = page.isEnd && comparePositions(page.last, edge) < 0;
  return isShort ? { ...page, last: edge } : page;
};

export async function* followAll(
  context: FeedContext,
  live: LiveEvents,
  after: Position | 'start',
  options: FollowAllOptions,
): AsyncGenerator<FeedItem, void, void> {
  const { signal, filter } = options;
  const { ring } = live;
  const epoch = live.epoch();
  const itemsOf = itemsFor(context, options);
  const pages = growingPages();
  let cursor: Position = after === 'start' ? startPosition : after;
  for (let round = 1; !signal.aborted; round += 1) {
    live.checkEpoch(epoch);
    if (round > 1) yield { _tag: 'FellBehind' };
    for (let isEnd = false; !isEnd || comparePositions(cursor, ring.start()) < 0; ) {
      if (signal.aborted) return;
      const page = await readPage(context, live, cursor, pages.size());
      // Of another life perhaps, in which the place means something else.
      live.checkEpoch(epoch);
      filter?.foresee?.(page.events);
      for (const event of page.events) {
        if (signal.aborted) return;
        yield* itemsOf(event);
      }
      pages.seen(page.events);
      cursor = page.last;
      isEnd = page.isEnd;
    }
    // Who filters may have been given nothing for long: it learns how far it need not look again.
    if (filter !== undefined && cursor !== startPosition) yield { _tag: 'Checkpoint', position: cursor };
    yield { _tag: 'CaughtUp' };
    cursor = yield* fromRing(live, cursor, itemsOf, options);
  }
}

/** Tells the filter of what is there from `number` on; answers what comes after it. */
const foresee = (ring: LiveEvents['ring'], number: number, filter: FollowAllOptions['filter']): number => {
  const end = ring.end();
  if (filter?.foresee === undefined) return end;
  const numbers = Array.from({ length: end - number }, (_, index) => number + index);
  filter.foresee(numbers.flatMap((one) => ring.at(one) ?? []));
  return end;
};

/** Live until the follower is lapped; answers how far it came. */
async function* fromRing(
  { ring, waitForAny }: LiveEvents,
  from: Position,
  itemsOf: (event: RecordedEvent) => AsyncGenerator<FeedItem, void, void>,
  { signal, filter }: FollowAllOptions,
): AsyncGenerator<FeedItem, Position, void> {
  let cursor = from;
  let isBeyond = false;
  let foreseen = 0;
  for (let number = ring.numberAfter(cursor); !signal.aborted && number >= ring.first(); ) {
    const event = ring.at(number);
    if (event === undefined) {
      await waitForAny(signal);
      continue;
    }
    if (number >= foreseen) foreseen = foresee(ring, number, filter);
    number += 1;
    // The store may have shown events that came into the ring only now.
    isBeyond ||= comparePositions(event.position, cursor) > 0;
    if (!isBeyond) continue;
    cursor = event.position;
    yield* itemsOf(event);
  }
  return cursor;
}
