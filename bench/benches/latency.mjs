// Live subscriptions: how long after its commit an event reaches its handlers.
import { randomUUID } from 'node:crypto';
import { postgreSQLEventStoreConsumer } from '@event-driven-io/emmett-postgresql';
import { toPromise } from 'watersmeet';
import { openPostgres } from 'watersmeet/postgres';
import { newStream, someData } from '../lib/events.mjs';
import { measureCase, quantile } from '../lib/harness.mjs';

export const name = 'latency';
export const title = 'From commit to handler';
export const about =
  'From the answer of the append to the handler, with 1, 10 and 100 subscribers, one event every 20 ms. Ours in the process that writes, and in another one, with the defaults of each: ours polls every 100 ms there, Emmett’s consumer every 100 ms and, while it finds less than a page, up to every second. Median of a round, less is better.';
export const commits = ['disk'];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Each of `start` begins one subscriber, that calls `seen` with what it is handed, and answers how it is ended. */
const latencySubject = (label, subscribers, ms, append, start) => ({
  name: label,
  run: async () => {
    const written = new Map();
    const latencies = [];
    const seen = (mark) => {
      const at = performance.now();
      // Not yet answered to the writer: its handler was faster than the answer.
      if (written.has(mark)) latencies.push(Math.max(0, at - (written.get(mark) ?? at)));
    };
    const awake = new Set();
    const seenBy = (subscriber) => (mark) => (mark.startsWith('wake') ? awake.add(subscriber) : seen(mark));
    const ends = await Promise.all(Array.from({ length: subscribers }, (_, index) => start(seenBy(index))));
    for (let asked = 0; awake.size < subscribers; asked += 1) {
      if (asked === 200) throw new Error(`${label}: ${awake.size} of ${subscribers} subscribers began`);
      await append(`wake ${asked}`);
      await pause(100);
    }
    const count = Math.max(10, Math.floor((2 * ms) / 20));
    for (let index = 0; index < count; index += 1) {
      const mark = randomUUID();
      written.set(mark, undefined);
      await append(mark);
      written.set(mark, performance.now());
      await pause(20);
    }
    for (let waited = 0; latencies.length < count * subscribers && waited < 200; waited += 1) await pause(50);
    for (const end of ends) await end();
    if (latencies.length !== count * subscribers)
      throw new Error(`${label}: ${latencies.length} of ${count * subscribers} events came`);
    return {
      value: quantile(latencies, 0.5),
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
    };
  },
});

const marked = (mark) => [{ ...someData(1)[0], orderId: mark }];

const followOurs = (store) => async (seen) => {
  const ending = new AbortController();
  const { last } = await toPromise(store.readAll({ filter: { types: ['none'] } }));
  const after = { position: last, epoch: await toPromise(store.epoch()) };
  const running = (async () => {
    for await (const item of store.subscribe({ after, signal: ending.signal }))
      if (item._tag === 'Event') seen(item.event.data.orderId);
  })();
  return async () => {
    ending.abort();
    await running;
  };
};

const followEmmett = (url) => async (seen) => {
  const consumer = postgreSQLEventStoreConsumer({ connectionString: url });
  consumer.reactor({
    ...{ processorId: randomUUID(), startFrom: 'END' },
    eachMessage: ({ data }) => seen(data.orderId),
  });
  const running = consumer.start();
  return async () => {
    await consumer.close();
    await running;
  };
};

export const run = async ({ commit, rounds, ms, say, peer, isQuick, poolMax }) => {
  const [ours, emmett] = [await peer('watersmeet'), await peer('Emmett')];
  const other = await toPromise(openPostgres({ connectionString: ours.url, poolMax }));
  const writeOurs = (mark) => ours.append(newStream(), 0, marked(mark));
  const writeEmmett = (mark) => emmett.append(newStream(), 0, marked(mark));
  const rows = [];
  for (const subscribers of isQuick ? [1, 10] : [1, 10, 100]) {
    const subjects = [
      latencySubject('watersmeet, same process', subscribers, ms, writeOurs, followOurs(ours.store)),
      latencySubject('watersmeet, another process', subscribers, ms, writeOurs, followOurs(other)),
      latencySubject('Emmett', subscribers, ms, writeEmmett, followEmmett(emmett.url)),
    ];
    const what = `${subscribers} ${subscribers === 1 ? 'subscriber' : 'subscribers'}`;
    rows.push(
      ...(await measureCase({
        ...{ bench: name, commit, name: what, unit: 'ms', lessIsBetter: true },
        ...{ subjects, rounds: Math.min(3, rounds), warmUp: false, say },
      })),
    );
  }
  await other.close();
  return rows;
};
