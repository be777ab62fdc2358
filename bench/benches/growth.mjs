// The same work on stores of different size: what is flat costs the same in all of them.
import { randomUUID } from 'node:crypto';
import * as t from 'io-ts';
import { loadAggregate, record, saga, sagaRuntime, toPromise, union } from 'watersmeet';
import { copyRows, withClient } from '../lib/copy-rows.mjs';
import { drive, measureCase } from '../lib/harness.mjs';
import { newStream, someData } from '../lib/events.mjs';
import { open, orders } from '../peers/watersmeet.mjs';

export const name = 'growth';
export const title = 'Growth';
export const about =
  'The same append, load and message on stores of different size, filled by SQL. Loads take random streams of 10 events out of all. The stores take turns in each round; microseconds, less is better.';
export const commits = ['disk'];

const perStream = 10;
const chunk = 1_000_000;

const sizesOf = ({ isQuick, isLong }) => {
  const few = { name: '10,000 events', tens: 1_000, singles: 0 };
  if (isQuick) return [few, { name: '50,000 events', tens: 5_000, singles: 0 }];
  const many = { name: '1,000,000 events', tens: 100_000, singles: 0 };
  const streams = { name: '1,000,000 streams', tens: 1_000, singles: 999_000 };
  const most = { name: '10,000,000 events', tens: 1_000_000, singles: 0 };
  return [few, many, streams, ...(isLong ? [most] : [])];
};

const inChunks = async (client, count, what) => {
  for (let from = 1; from <= count; from += chunk)
    await copyRows(client, { ...what, from, to: Math.min(count, from + chunk - 1) });
};

/** One event is appended by the store itself; all others are copies of its rows. */
const fill = async (url, peer, { tens, singles }) => {
  const stream = newStream();
  await peer.append(stream, 0, someData(1));
  await withClient(url, async (client) => {
    const [events, streams] = peer.copies(stream);
    for (const [kind, count, length] of [
      ['ten', tens, perStream],
      ['one', singles, 1],
    ]) {
      const { rows } = await client.query('select max(id) as id from watersmeet.streams');
      const set = {
        stream_id: `${rows[0].id} + 1 + (n - 1) / ${length}`,
        stream: `'order-${kind}' || (n - 1) / ${length}`,
        version: `1 + (n - 1) % ${length}`,
        event_id: events.set.event_id,
      };
      await inChunks(client, count * length, { ...events, set });
      await inChunks(client, count, {
        ...streams,
        set: { name: `'order-${kind}' || (n - 1)`, version: `${length}` },
      });
    }
    await client.query('vacuum analyze');
    await client.query('checkpoint');
  });
};

const visits = saga({
  name: 'visits',
  messages: { Visit: t.type({ by: t.string }) },
  sends: {},
  events: { Visited: t.type({ by: t.string }) },
  state: t.type({ seen: t.array(t.string) }),
  initialState: { seen: [] },
  evolve: { Visited: ({ seen }, { by }) => ({ seen: [...seen, by] }) },
  react: { Visit: (_state, data) => ({ events: [{ type: 'Visited', data }] }) },
  onConflict: 'merge',
  merge: { threeWay: record({ seen: union() }) },
});

/** The work on one store. */
const worksOf = (peer, { tens }) => {
  const load = loadAggregate({ store: peer.store });
  const runtime = sagaRuntime(visits, { store: peer.store });
  const places = new Map();
  const sagas = new Map();
  return {
    append: async (writer) => {
      const { stream, version } = places.get(writer) ?? { stream: newStream(), version: 0 };
      await peer.append(stream, version, someData(1));
      if (version === 19) places.delete(writer);
      else places.set(writer, { stream, version: version + 1 });
    },
    load: async () => {
      const { version } = await toPromise(load(orders, `ten${Math.floor(Math.random() * tens)}`));
      if (version !== perStream) throw new Error(`a stream is at version ${version}`);
    },
    message: async (writer, turn) => {
      if (turn % 5 === 0) sagas.set(writer, newStream());
      const message = { id: randomUUID(), sagaId: sagas.get(writer), type: 'Visit', data: { by: 'ada' } };
      await toPromise(runtime.handle(message));
    },
  };
};

const cases = [
  { work: 'append', name: 'append one event' },
  { work: 'load', name: 'load a stream of 10 events' },
  { work: 'message', name: 'handle a message of a saga' },
];

export const run = async (context) => {
  const { commit, rounds, ms, warmUpMs, say, database, poolMax } = context;
  const opened = [];
  for (const size of sizesOf(context)) {
    const url = await database();
    const peer = await open(url, { poolMax });
    const from = performance.now();
    await fill(url, peer, size);
    say(`filled ${size.name} in ${Math.round((performance.now() - from) / 1_000)} s`);
    opened.push({ size, peer, works: worksOf(peer, size) });
  }
  const rows = [];
  for (const one of cases)
    for (const writers of [1, 8]) {
      const subjects = opened.map(({ size, works }) => ({
        name: size.name,
        run: async () => {
          const { p50Ms, p99Ms, perSecond } = await drive({ writers, ms }, works[one.work]);
          return { value: writers === 1 ? p50Ms * 1_000 : 1_000_000 / perSecond, p50Ms, p99Ms };
        },
      }));
      const how = writers === 1 ? '1 writer, median' : '8 writers, each costs';
      const what = { bench: name, commit, name: `${one.name}, ${how}`, unit: 'µs', lessIsBetter: true };
      rows.push(...(await measureCase({ ...what, subjects, rounds, warmUpMs, say })));
    }
  for (const { peer } of opened) await peer.close();
  return rows;
};
