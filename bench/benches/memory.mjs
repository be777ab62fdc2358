// What the process still holds after work of different length: what is flat holds the same.
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { handleCommand, sagaRuntime, toPromise } from 'watersmeet';
import { tally } from '../contention/merge.mjs';
import { dataOf, newStream } from '../lib/events.mjs';
import { drive, figure, measureCase } from '../lib/harness.mjs';
import { orders } from '../peers/watersmeet.mjs';

export const name = 'memory';
export const title = 'Memory';
export const about =
  'What the process holds more of than before, after a collection of garbage, while runtime and handler are still in use: megabytes, less is better. Both keep the folds of the 1,000 used last. The fold of a saga holds the ids of the messages that it has handled, as long as it is kept.';
export const commits = ['disk'];

const collector = () => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
};

const heapMb = (collect) => {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

const messaging = (sagaIdOf) => (store) => {
  const runtime = sagaRuntime(tally, { store });
  const run = newStream();
  return (index) => {
    const message = { id: randomUUID(), sagaId: sagaIdOf(run, index), type: 'Add', data: { by: 1 } };
    return toPromise(runtime.handle(message));
  };
};

/** What begins work on a store, and then does a piece of it. */
const works = {
  'one message to each of so many sagas': messaging((run, index) => `${run}-${index}`),
  'so many messages to one saga': messaging((run) => run),
  'one command to each of so many aggregates': (store) => {
    const handle = handleCommand({ store });
    return () =>
      toPromise(handle(orders, { id: newStream(), command: { type: 'PlaceOrder', data: dataOf(1) } }));
  },
};

const subjectOf = ({ store, collect }, begin, count) => ({
  name: figure(count),
  run: async () => {
    const before = heapMb(collect);
    const work = begin(store);
    let begun = 0;
    const { done } = await drive({ writers: 16, ms: Infinity, max: count }, () => work((begun += 1)));
    const value = heapMb(collect) - before;
    if (done !== count) throw new Error(`${done} of ${count} were done`);
    // Still in use, and so not collected before.
    await work(0);
    return { value };
  },
});

export const run = async ({ commit, rounds, say, peer, isQuick }) => {
  const { store } = await peer('watersmeet');
  const context = { store, collect: collector() };
  const counts = isQuick ? [100, 500] : [1_000, 4_000, 16_000];
  const rows = [];
  for (const [what, begin] of Object.entries(works))
    rows.push(
      ...(await measureCase({
        ...{ bench: name, commit, name: what, unit: 'MB', lessIsBetter: true },
        ...{ rounds: Math.min(2, rounds), say },
        subjects: counts.map((count) => subjectOf(context, begin, count)),
      })),
    );
  return rows;
};
