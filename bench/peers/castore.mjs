// Castore on PostgreSQL: its event store over the adapter that npm has for it.
import { EventStore, EventType } from '@castore/core';
import { PostgresEventStorageAdapter } from '@castore/event-storage-adapter-postgres';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';

export const name = 'Castore';
export const note =
  'Castore: its adapter takes a URL and nothing else, and so has 10 connections, on each of which its driver sends ahead.';
export const packages = ['@castore/core', '@castore/event-storage-adapter-postgres'];

/** What postgres.js opens where it is not told. */
const connections = 10;

export const open = async (url) => {
  await PostgresEventStorageAdapter.createEventTable({ connectionString: url });
  const adapter = new PostgresEventStorageAdapter({ connectionString: url });
  const store = new EventStore({
    eventStoreId: 'ORDERS',
    eventTypes: [new EventType({ type: eventType })],
    reducer: (state = initialTotal(), { payload, version, aggregateId }) => ({
      ...addTo(state, payload),
      version,
      aggregateId,
    }),
    eventStorageAdapter: adapter,
  });
  const eventOf = (aggregateId, version, payload) => ({
    aggregateId,
    version,
    type: eventType,
    payload,
    metadata: metadataOf(),
  });
  // A pool of postgres.js opens a connection when it is first needed.
  await Promise.all(
    Array.from({ length: connections }, () => store.getEvents('00000000-0000-4000-8000-000000000000')),
  );
  return {
    append: (stream, version, data) => {
      const events = data.map((payload, index) => eventOf(stream, version + 1 + index, payload));
      if (events.length === 1) return store.pushEvent(events[0]);
      return EventStore.pushEventGroup(...events.map((event) => store.groupEvent(event)));
    },
    read: async (stream) => (await store.getEvents(stream)).events.length,
    decide: async (stream) => {
      const { aggregate } = await store.getAggregate(stream);
      await store.pushEvent(eventOf(stream, (aggregate?.version ?? 0) + 1, dataOf(1)));
    },
    copies: (stream) => [{ table: 'event', where: `aggregate_id = '${stream}'`, set: { version: 'n' } }],
    // The adapter has no way to end its connections; its clients are its own.
    close: () => adapter._sql.end(),
  };
};
