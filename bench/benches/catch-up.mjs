// Catching up: how fast one subscriber comes to the end of a store.
import { randomUUID } from 'node:crypto';
import { postgreSQLEventStoreConsumer } from '@event-driven-io/emmett-postgresql';
import { longStream } from '../lib/copy-rows.mjs';
import { measureCase } from '../lib/harness.mjs';

export const name = 'catch-up';
export const title = 'A subscription that catches up';
export const about =
  'One subscriber reads the whole store from its beginning, in pages of 512; Emmett’s with the same page and no pause between pages, but it keeps its place in the database as it goes, which ours leaves to the handler; plain pg reads the table by position. Events per second.';
export const commits = ['disk'];

const page =
  'select position, stream, version, type, data, metadata from plain_events where position > $1 order by position limit 512';

const pulling = { batchSize: 512, pullingFrequencyInMs: 0 };

const catchUp = {
  watersmeet: async ({ store }) => {
    let count = 0;
    for await (const item of store.subscribe({})) {
      if (item._tag === 'CaughtUp') return count;
      if (item._tag === 'Event') count += 1;
    }
    return count;
  },
  Emmett: async ({ url }) => {
    let count = 0;
    const consumer = postgreSQLEventStoreConsumer({
      connectionString: url,
      stopWhen: { noMessagesLeft: true },
      pulling,
    });
    consumer.reactor({
      ...{ processorId: randomUUID(), startFrom: 'BEGINNING' },
      eachMessage: () => {
        count += 1;
      },
    });
    await consumer.start();
    await consumer.close();
    return count;
  },
  'plain pg': async ({ select }) => {
    let count = 0;
    for (let after = 0; ; ) {
      const rows = await select('all-page', page, [after]);
      count += rows.length;
      if (rows.length < 512) return count;
      after = rows.at(-1).position;
    }
  },
};

const catchUpSubject = (peer, length) => ({
  name: peer.name,
  run: async () => {
    const from = performance.now();
    const count = await catchUp[peer.name](peer);
    if (count < length) throw new Error(`${peer.name} caught up after ${count} events of ${length}`);
    return { value: (count / (performance.now() - from)) * 1_000 };
  },
});

export const run = async ({ commit, rounds, say, peer, isQuick }) => {
  const length = isQuick ? 2_000 : 50_000;
  const opened = [];
  for (const each of ['watersmeet', 'Emmett', 'plain pg']) opened.push(await peer(each));
  for (const each of opened) await longStream(each, length);
  const subjects = opened.map((each) => catchUpSubject(each, length));
  return measureCase({
    ...{ bench: name, commit, name: `${length.toLocaleString('en')} events`, unit: 'events/s' },
    ...{ subjects, rounds: Math.min(3, rounds), warmUp: false, say },
  });
};
