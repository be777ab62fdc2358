// Makes many rows out of one by SQL alone, whatever columns a table has, so that large stores are filled in seconds.
import pg from 'pg';
import { newStream, someData } from './events.mjs';

const columnsOf = async (client, table) => {
  const [schema, name] = table.includes('.') ? table.split('.') : ['public', table];
  const { rows } = await client.query(
    `select column_name as name from information_schema.columns
     where table_schema = $1 and table_name = $2 and is_identity = 'NO' and is_generated = 'NEVER'
       and coalesce(column_default, '') not like 'nextval%'
     order by ordinal_position`,
    [schema, name],
  );
  return rows.map((row) => row.name);
};

/**
 * Copies the one row that `where` finds, `from` to `to` times; `set` says by column what differs, as SQL in which `n` is the
 * number of the copy and `base` the row.
 */
export const copyRows = async (client, { table, where, set, from, to }) => {
  const columns = await columnsOf(client, table);
  const values = columns.map((column) => set[column] ?? `base."${column}"`);
  const text = `insert into ${table} (${columns.map((column) => `"${column}"`).join(', ')})
    select ${values.join(', ')} from (select * from ${table} where ${where} limit 1) base,
      generate_series(${from}::bigint, ${to}::bigint) n`;
  const { rowCount } = await client.query(text);
  if (rowCount !== to - from + 1) throw new Error(`${table}: ${rowCount} rows were made of ${to - from + 1}`);
};

export const withClient = async (url, work) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** A stream of so many events: the first is appended by the peer itself, the others are copies of its row. */
export const longStream = async (peer, length) => {
  const stream = newStream();
  await peer.append(stream, 0, someData(1));
  await peer.sql(async (client) => {
    for (const { table, where, set, version } of peer.copies(stream))
      if (version !== undefined)
        await client.query(`update ${table} set ${version} = ${length} where ${where}`);
      else if (length > 1) await copyRows(client, { table, where, set, from: 2, to: length });
    await client.query('vacuum analyze');
  });
  if (length > 100_000) return stream;
  const found = await peer.read(stream);
  if (found !== length) throw new Error(`${peer.name} reads ${found} events of ${length}`);
  return stream;
};
