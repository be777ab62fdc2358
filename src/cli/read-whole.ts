/** A whole stream at once, for those who look at one saga. */
import type { RecordedEvent } from '../core/event.js';
import { taggedError, toPromise } from '../core/fault.js';
import { escapeForDisplay, type StreamName, type Tenant } from '../core/stream.js';
import type { EventStore, StreamPage } from '../store/event-store.js';
import { pageMax } from '../store/limits.js';
import type { StreamMissing } from './failure.js';

export const readWhole = async (
  store: EventStore,
  streamName: StreamName,
  tenant?: Tenant,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const events: RecordedEvent[] = [];
  let from: number | undefined = 1;
  while (from !== undefined) {
    const request = {
      streamName,
      from,
      maxCount: pageMax,
      includeArchived: true,
      ...(tenant !== undefined && { tenant }),
    };
    const page: StreamPage = await toPromise(store.readStream(request));
    events.push(...page.events);
    from = page.next;
  }
  return events;
};

export const streamMissing = (streamName: string, what = 'stream'): Error =>
  taggedError<StreamMissing>({
    _tag: 'StreamMissing',
    message: `there is no ${what} ${escapeForDisplay(streamName, 200)}; watersmeet streams lists them`,
  });
