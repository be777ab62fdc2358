// A plain prepared insert with `pg`: what a store that promises nothing but a unique key would cost.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';

export const name = 'plain pg';
export const packages = ['pg'];

/** The table that pgbench writes to as well: a unique key and the global position, both indexed. */
export const schema = `create table if not exists plain_events (
  position bigint not null generated always as identity,
  stream text not null,
  version integer not null,
  event_id uuid not null,
  type text not null,
  data jsonb not null,
  metadata jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (stream, version)
);
create unique index if not exists plain_events_position on plain_events (position);`;

const insertOne = `insert into plain_events (stream, version, event_id, type, data, metadata)
values ($1, $2, $3, $4, $5, $6)`;
// One jsonb for the whole batch: arrays and lists of values are slower through pg.
const insertMany = `insert into plain_events (stream, version, event_id, type, data, metadata)
select $1, $2::integer + place::integer, (value ->> 'id')::uuid, $3, value -> 'data', value -> 'metadata'
from jsonb_array_elements($4::jsonb) with ordinality as given (value, place)`;
const select = `select version, type, data, metadata, position, recorded_at, event_id from plain_events
where stream = $1 order by version`;

export const warmPool = async (url, poolMax) => {
  const pool = new pg.Pool({ connectionString: url, max: poolMax });
  // When the server is stopped, what stopped it is told by whoever waits for an answer.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const clients = await Promise.all(Array.from({ length: poolMax }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
};

export const open = async (url, { poolMax }) => {
  const pool = await warmPool(url, poolMax);
  await pool.query(schema);

  const append = (stream, version, data) => {
    if (data.length === 1) {
      const values = [
        stream,
        version + 1,
        randomUUID(),
        eventType,
        JSON.stringify(data[0]),
        JSON.stringify(metadataOf()),
      ];
      return pool.query({ name: 'insert-one', text: insertOne, values });
    }
    const batch = data.map((one) => ({ id: randomUUID(), data: one, metadata: metadataOf() }));
    return pool.query({
      name: 'insert-many',
      text: insertMany,
      values: [stream, version, eventType, JSON.stringify(batch)],
    });
  };
  const read = async (stream) => (await pool.query({ name: 'select', text: select, values: [stream] })).rows;

  return {
    append,
    read: async (stream) => (await read(stream)).length,
    select: async (query, text, values) => (await pool.query({ name: query, text, values })).rows,
    decide: async (stream) => {
      const rows = await read(stream);
      const { orders } = rows.reduce((state, { data }) => addTo(state, data), initialTotal());
      await append(stream, orders, [dataOf(orders)]);
    },
    copies: (stream) => [
      {
        ...{ table: 'plain_events', where: `stream = '${stream}'` },
        set: { version: 'n', event_id: 'gen_random_uuid()' },
      },
    ],
    close: () => pool.end(),
  };
};
