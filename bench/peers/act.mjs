// Act on PostgreSQL.
import pg from 'pg';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';

export const name = 'Act';
export const note =
  'Act: its PostgreSQL adapter on npm is older than its newest core, and is measured with the core that it asks for. It asks for Node 22.17; it is measured on the Node of all others.';
export const packages = ['@rotorsoft/act', '@rotorsoft/act-pg'];

const jsonb = pg.types.builtins.JSONB;

const load = async () => {
  // Otherwise it tells of every step on the console.
  process.env.LOG_LEVEL ??= 'fatal';
  const parser = pg.types.getTypeParser(jsonb);
  const { PostgresStore } = await import('@rotorsoft/act-pg');
  // It sets a slower parser for all of `pg` in this process, which the others would pay for.
  pg.types.setTypeParser(jsonb, parser);
  const { act, state, store } = await import('@rotorsoft/act');
  const { z } = await import('zod');
  return { act, state, store, z, PostgresStore };
};

// Its core keeps the first store that it is given, for the whole process; so it is given one that asks whichever is open.
let current;
const forwarding = {
  query: (...given) => current.query(...given),
  commit: (...given) => current.commit(...given),
  seed: () => current.seed(),
  dispose: async () => undefined,
};

export const open = async (url, { poolMax }) => {
  const { act, state, store, z, PostgresStore } = await load();
  const { hostname, port, pathname, username } = new URL(url);
  const connection = { host: hostname, port: Number(port), database: pathname.slice(1), user: username };
  const adapter = new PostgresStore({ ...connection, password: '', max: poolMax });
  current = adapter;
  store(forwarding);
  await adapter.seed();
  const order = z.object({
    ...{ orderId: z.string(), customer: z.string(), currency: z.string(), amount: z.number() },
    ...{ note: z.string(), items: z.array(z.number()) },
  });
  const orders = state('Orders', z.object({ total: z.number(), orders: z.number() }))
    .init(initialTotal)
    .emits({ [eventType]: order })
    .patch({ [eventType]: ({ data }, current) => addTo(current, data) })
    .on('placeOrder', order)
    .emit((data) => [eventType, data])
    .build();
  const app = act().with(orders).build();
  await Promise.all(
    Array.from({ length: poolMax }, () => adapter.query(() => undefined, { stream: 'none' })),
  );
  return {
    append: (stream, version, data) =>
      adapter.commit(
        stream,
        data.map((one) => ({ name: eventType, data: one })),
        metadataOf(),
        version - 1,
      ),
    read: (stream) => adapter.query(() => undefined, { stream }),
    decide: (stream) => app.do('placeOrder', { stream, actor: { id: 'ada', name: 'Ada' } }, dataOf(1)),
    copies: (stream) => [{ table: 'events', where: `stream = '${stream}'`, set: { version: 'n - 1' } }],
    close: () => adapter.dispose(),
  };
};
