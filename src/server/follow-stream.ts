/** Follows one stream: its pages, then its events as they come. Versions without a gap are what shows that nothing was missed. */
import type { RecordedEvent } from '../core/event.js';
import type { FeedContext, FeedItem, FollowOptions } from './feed-items.js';
import { served } from './links.js';
import type { LiveEvents } from './live-events.js';
import { growingPages, readVisible } from './reading.js';
import { keyOf } from './wire.js';

/** The events of the stream after `version` in the ring, oldest first, if the ring has all of them; else undefined. */
const fromRing = (
  { ring }: LiveEvents,
  isOurs: (event: RecordedEvent) => boolean,
  version: number,
): ReadonlyArray<RecordedEvent> | undefined => {
  const found: RecordedEvent[] = [];
  for (let number = ring.end() - 1; number >= ring.first(); number -= 1) {
    const event = ring.at(number);
    if (event === undefined || !isOurs(event)) continue;
    if (event.version <= version) return found.reverse();
    found.push(event);
    if (event.version === version + 1) return found.reverse();
  }
  return undefined;
};

export async function* followStream(
  context: FeedContext,
  live: LiveEvents,
  streamId: string,
  afterRevision: number | 'start',
  { resolveLinks, signal }: FollowOptions,
): AsyncGenerator<FeedItem, void, void> {
  const { tenant, streamName } = keyOf(streamId);
  const isOurs = (event: RecordedEvent): boolean =>
    event.streamName === streamName && event.tenant === tenant;
  const epoch = live.epoch();
  const watch = live.watch(streamId);
  try {
    // What was read last is revision n, hence version n + 1.
    let version = afterRevision === 'start' ? 0 : afterRevision + 1;
    let isAnnounced = false;
    let looks = -1;
    while (!signal.aborted) {
      live.checkEpoch(epoch);
      // Both taken before anything is looked at: what comes later is looked at in the next round.
      const news = watch.news();
      const mustRead = looks !== watch.looks();
      looks = watch.looks();
      const events = mustRead ? undefined : fromRing(live, isOurs, version);
      for await (const event of events ?? unread(context, streamId, version)) {
        if (signal.aborted) return;
        live.checkEpoch(epoch);
        version = Math.max(version, event.version);
        if ('eventId' in event) yield { _tag: 'Event', event: await served(context, event, resolveLinks) };
      }
      if (!isAnnounced) yield { _tag: 'CaughtUp' };
      isAnnounced = true;
      if (watch.news() === news && watch.looks() === looks) await watch.wait(signal);
    }
  } finally {
    watch.stop();
  }
}

/** What the store has after `version`; at the end the stream's version, because what cannot be read any more is behind as well. */
async function* unread(
  context: FeedContext,
  streamId: string,
  version: number,
): AsyncGenerator<RecordedEvent | { readonly version: number }, void, void> {
  const pages = growingPages();
  for (let from: number | undefined = version + 1; from !== undefined; ) {
    const maxCount = pages.size();
    const page = await readVisible(context, streamId, { direction: 'forwards', from, maxCount });
    yield* page.events;
    pages.seen(page.events);
    if (page.next === undefined) yield { version: page.version };
    from = page.next;
  }
}
