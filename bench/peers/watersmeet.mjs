// Watersmeet on PostgreSQL, by the package's own entry points.
import * as t from 'io-ts';
import {
  accept,
  aggregate,
  exactly,
  handleCommand,
  newId,
  noStream,
  streamName,
  toPromise,
} from 'watersmeet';
import { openPostgres } from 'watersmeet/postgres';
import { withClient } from '../lib/copy-rows.mjs';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';

export const name = 'watersmeet';
export const packages = ['watersmeet'];

const order = t.type({
  ...{ orderId: t.string, customer: t.string, currency: t.string, amount: t.number },
  ...{ note: t.string, items: t.array(t.number) },
});

export const orders = aggregate({
  category: 'order',
  commands: { PlaceOrder: order },
  events: { [eventType]: order },
  state: t.type({ total: t.number, orders: t.number }),
  initialState: initialTotal(),
  evolve: { [eventType]: addTo },
  decide: { PlaceOrder: (_state, data) => accept({ type: eventType, data }) },
});

export const nameOf = (stream) => {
  const named = streamName(`order-${stream}`);
  if (named._tag === 'Left') throw new Error(named.left.reason);
  return named.right;
};

export const eventsOf = (data) =>
  data.map((one) => ({
    eventId: newId(),
    type: eventType,
    schemaVersion: 1,
    data: one,
    metadata: metadataOf(),
  }));

/** The peers' interface over any store of ours. */
export const over = (store) => {
  const handle = handleCommand({ store });
  const handleAfresh = handleCommand({ store, aggregatesKept: 0 });
  const placing = (stream) => ({ id: stream, command: { type: 'PlaceOrder', data: dataOf(1) } });
  return {
    store,
    append: (stream, version, data) =>
      toPromise(
        store.append({
          streamName: nameOf(stream),
          expected: version === 0 ? noStream : exactly(version),
          events: eventsOf(data),
        }),
      ),
    read: async (stream) => {
      let count = 0;
      for (let from = 1; from !== undefined; ) {
        const page = await toPromise(store.readStream({ streamName: nameOf(stream), from, maxCount: 4_096 }));
        count += page.events.length;
        from = page.next;
      }
      return count;
    },
    decide: (stream) => toPromise(handle(orders, placing(stream))),
    decideAfresh: (stream) => toPromise(handleAfresh(orders, placing(stream))),
    close: () => store.close(),
  };
};

export const open = async (url, { poolMax }) => {
  const store = await toPromise(openPostgres({ connectionString: url, poolMax, migrate: true }));
  await Promise.all(Array.from({ length: poolMax }, () => toPromise(store.readAll({}))));
  // As newId makes them, where the server can: the index on them grows at one end.
  const newIdInSql = await withClient(url, async (client) => {
    const { rows } = await client.query("select to_regproc('uuidv7') is not null as known");
    return rows[0].known ? 'uuidv7()' : 'gen_random_uuid()';
  });
  return {
    ...over(store),
    copies: (stream) => [
      {
        ...{ table: 'watersmeet.events', where: `stream = 'order-${stream}'` },
        set: { version: 'n', event_id: newIdInSql },
      },
      { table: 'watersmeet.streams', where: `name = 'order-${stream}'`, version: 'version' },
    ],
  };
};
