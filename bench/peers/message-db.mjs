// message-db: the SQL that npm ships, driven by prepared statements of `pg`.
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { withClient } from '../lib/copy-rows.mjs';
import { addTo, dataOf, eventType, initialTotal, metadataOf } from '../lib/events.mjs';
import { warmPool } from './pg.mjs';

export const name = 'message-db';
export const note =
  'message-db: a write takes a lock on the category of its stream, and all streams here are of one category. What npm ships is SQL; it is driven by prepared statements of pg.';
export const packages = ['@eventide/message-db'];

const database = join(
  dirname(createRequire(import.meta.url).resolve('@eventide/message-db/package.json')),
  'database',
);

/** The steps of its install.sh, which needs psql; in the order in which its functions need each other. */
const install = (url) =>
  withClient(url, async (client) => {
    const run = (path) => client.query(readFileSync(join(database, path), 'utf8'));
    const folder = (path) => readdirSync(join(database, path)).filter((file) => file.endsWith('.sql'));
    for (const path of ['roles/message-store.sql', 'schema/message-store.sql', 'extensions/pgcrypto.sql'])
      await run(path);
    await client.query('set search_path to message_store, public');
    for (const path of ['tables/messages.sql', 'types/message.sql']) await run(path);
    for (const file of folder('functions')) await run(`functions/${file}`);
    for (const file of folder('indexes')) await run(`indexes/${file}`);
    await client.query(
      `alter database "${new URL(url).pathname.slice(1)}" set search_path to message_store, public`,
    );
  });

const write = 'select message_store.write_message($1, $2, $3, $4, $5, $6) as position';
const get = 'select * from message_store.get_stream_messages($1, $2, $3)';

export const open = async (url, { poolMax }) => {
  await install(url);
  const pool = await warmPool(url, poolMax);
  const statement = (stream, version, data) => ({
    ...{ name: 'write', text: write },
    values: [
      ...[randomUUID(), `order-${stream}`, eventType],
      ...[JSON.stringify(data), JSON.stringify(metadataOf()), version - 1],
    ],
  });
  const append = async (stream, version, data) => {
    if (data.length === 1) return pool.query(statement(stream, version, data[0]));
    const client = await pool.connect();
    try {
      await client.query('begin');
      // Sent without waiting for one another's answers.
      await Promise.all(data.map((one, index) => client.query(statement(stream, version + index, one))));
      await client.query('commit');
    } finally {
      client.release();
    }
  };
  const read = async (stream) => {
    const { rows } = await pool.query({ name: 'get', text: get, values: [`order-${stream}`, 0, -1] });
    return rows.map((row) => JSON.parse(row.data));
  };
  return {
    append,
    read: async (stream) => (await read(stream)).length,
    decide: async (stream) => {
      const { orders } = (await read(stream)).reduce(addTo, initialTotal());
      await append(stream, orders, [dataOf(orders)]);
    },
    copies: (stream) => [
      {
        ...{ table: 'message_store.messages', where: `stream_name = 'order-${stream}'` },
        set: { position: 'n - 1', id: 'gen_random_uuid()' },
      },
    ],
    close: () => pool.end(),
  };
};
