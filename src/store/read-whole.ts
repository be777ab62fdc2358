/** A whole stream at once, for those who look at one stream: tools and tests. */
import type { RecordedEvent } from '../core/event.js';
import { toPromise } from '../core/fault.js';
import type { EventStore, ReadStreamRequest, StreamPage } from './event-store.js';
import { pageMax } from './limits.js';

/** Oldest first; an absent stream is an empty one. Rejects with a `TaggedError` of `ReadError`. */
export const readWhole = async (
  store: Pick<EventStore, 'readStream'>,
  stream: Pick<ReadStreamRequest, 'tenant' | 'streamName' | 'includeArchived'>,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const events: RecordedEvent[] = [];
  let from: number | undefined = 1;
  while (from !== undefined) {
    const page: StreamPage = await toPromise(store.readStream({ ...stream, from, maxCount: pageMax }));
    events.push(...page.events);
    from = page.next;
  }
  return events;
};
