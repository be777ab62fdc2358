// What is written by hand with `pg`: a row with the saga's state and version, and the event beside it, in one statement. The state is
// at hand without a fold, and no message is remembered: each of these does less than the others, and so is as fast as can be.
import { warmPool } from '../peers/pg.mjs';

const schema = `create table if not exists hand_sagas (
  name text primary key, version integer not null, state jsonb not null
) with (fillfactor = 70);
create table if not exists hand_events (
  position bigint not null generated always as identity, saga text not null, version integer not null,
  message_id text not null, data jsonb not null, primary key (saga, version)
)`;
const begin = 'insert into hand_sagas values ($1, 0, $2) on conflict do nothing';
const load = 'select version, state from hand_sagas where name = $1';
const loadLocked = `${load} for update`;
const save = `with moved as (
  update hand_sagas set version = version + 1, state = $3 where name = $1 and version = $2 returning version
) insert into hand_events (saga, version, message_id, data) select $1, version, $4, '{"by": 1}' from moved returning version`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ask = (client, name, text, values) => client.query({ name, text, values });
const add = ({ count }) => ({ count: count + 1 });

const saved = async (client, sagaId, version, state, id) =>
  (await ask(client, 'save', save, [sagaId, version, JSON.stringify(state), id])).rowCount === 1;

/** Reads, works and writes if nobody was first; else again, after `delayMs` of the attempt. */
const retrying = (delayMs) => (pool, work) => ({
  handle: async (sagaId, id) => {
    for (let attempt = 1; attempt <= 10_000; attempt += 1) {
      const { version, state } = (await ask(pool, 'load', load, [sagaId])).rows[0];
      await work();
      if (await saved(pool, sagaId, version, add(state), id)) return true;
      await pause(delayMs(attempt));
    }
    return false;
  },
});

const inTransaction = (lock) => (pool, work) => ({
  handle: async (sagaId, id) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const { version, state } = await lock(client, sagaId);
      await work();
      const isSaved = await saved(client, sagaId, version, add(state), id);
      await client.query('commit');
      return isSaved;
    } finally {
      client.release();
    }
  },
});

const rowLock = async (client, sagaId) => (await ask(client, 'load-locked', loadLocked, [sagaId])).rows[0];
const advisoryLock = async (client, sagaId) => {
  await ask(client, 'advisory', 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [sagaId]);
  return (await ask(client, 'load', load, [sagaId])).rows[0];
};

/** One after another in this process, with the state in hand; right only while no other process writes. */
const queued = (pool, work) => {
  const kept = new Map();
  let last = Promise.resolve();
  const one = async (sagaId, id) => {
    const { version, state } = kept.get(sagaId) ?? { version: 0, state: { count: 0 } };
    await work();
    const next = add(state);
    if (!(await saved(pool, sagaId, version, next, id))) return false;
    kept.set(sagaId, { version: version + 1, state: next });
    return true;
  };
  return { handle: (sagaId, id) => (last = last.then(() => one(sagaId, id))) };
};

const backoff = (attempt) => Math.random() * Math.min(200, 5 * 2 ** Math.min(attempt, 10));

const byHand = (name, strategy) => ({
  name,
  open: async (url, { poolMax }) => {
    const pool = await warmPool(url, poolMax);
    await pool.query(schema);
    return {
      begin: (work) => {
        const running = strategy(pool, work);
        return {
          ...running,
          start: (sagaId) => ask(pool, 'begin', begin, [sagaId, '{"count": 0}']),
          countOf: async (sagaId) => (await ask(pool, 'load', load, [sagaId])).rows[0].state.count,
        };
      },
      close: () => pool.end(),
    };
  },
});

export const retry = byHand(
  'optimistic retry',
  retrying(() => 0),
);
export const retryBackoff = byHand('retry with backoff', retrying(backoff));
export const rowLocked = byHand('row lock', inTransaction(rowLock));
export const advisory = byHand('advisory lock', inTransaction(advisoryLock));
export const queue = byHand('in-process queue', queued);
