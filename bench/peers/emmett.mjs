// Emmett on PostgreSQL: its event store and its command handler.
import { CommandHandler, STREAM_DOES_NOT_EXIST } from '@event-driven-io/emmett';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';
import { warmPool } from './pg.mjs';

export const name = 'Emmett';
export const packages = ['@event-driven-io/emmett', '@event-driven-io/emmett-postgresql'];

const eventOf = (data) => ({ type: eventType, data, metadata: metadataOf() });
const evolve = (state, { data }) => addTo(state, data);

export const openStore = async (url, poolMax) => {
  const pool = await warmPool(url, poolMax);
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
  await store.schema.migrate();
  return {
    store,
    close: async () => {
      await store.close();
      await pool.end();
    },
  };
};

export const open = async (url, { poolMax }) => {
  const { store, close } = await openStore(url, poolMax);
  const handle = CommandHandler({ evolve, initialState: initialTotal });
  return {
    append: (stream, version, data) =>
      store.appendToStream(`order-${stream}`, data.map(eventOf), {
        expectedStreamVersion: version === 0 ? STREAM_DOES_NOT_EXIST : BigInt(version),
      }),
    read: async (stream) => (await store.readStream(`order-${stream}`)).events.length,
    decide: (stream) => handle(store, `order-${stream}`, () => eventOf(dataOf(1))),
    copies: (stream) => [
      {
        ...{ table: 'emt_messages', where: `stream_id = 'order-${stream}'` },
        set: { stream_position: 'n', message_id: 'gen_random_uuid()::text' },
      },
      { table: 'emt_streams', where: `stream_id = 'order-${stream}'`, version: 'stream_position' },
    ],
    close,
  };
};
