/** What the tests of leases share. */
import { any, type StreamName } from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';
import type { Fence } from '../../src/store/leases.js';

/** Appends one event under a lease, wherever the stream stands. */
export const appendUnder = (store: Pick<EventStore, 'append'>, streamName: StreamName, fence: Fence) =>
  store.append({
    ...{ streamName, expected: any, fence },
    events: [{ eventId: newId(), type: 'Noted', schemaVersion: 1, data: {}, metadata: {} }],
  });
