/** Reads a stream to its end. */
import type { RecordedEvent } from '../../core/event.js';
import { toPromise } from '../../core/fault.js';
import type { EventStore, ReadStreamRequest, StreamPage } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';

export const readWhole = async (
  store: Pick<EventStore, 'readStream'>,
  stream: Pick<ReadStreamRequest, 'tenant' | 'streamName'>,
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
