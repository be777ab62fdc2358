// What a merge costs by how many branches it takes in: their number, and not its square.
import * as t from 'io-ts';
import { counter, memoryStore, record, saga, sagaRuntime, toPromise } from 'watersmeet';
import { figure, measureCase } from '../lib/harness.mjs';

export const name = 'merge';
export const title = 'Merges of many branches';
export const about =
  'So many messages of one saga are decided at the same moment, on the store in memory: all but the first are recorded as branches, and merged. What one message costs, from its handling to its merge; microseconds, less is better.';
export const commits = ['disk'];

const tally = saga({
  name: 'tally',
  messages: { Add: t.type({ by: t.number }) },
  sends: { Added: t.type({ by: t.number }) },
  events: { Counted: t.type({ by: t.number }) },
  state: t.type({ count: t.number }),
  initialState: { count: 0 },
  evolve: { Counted: (state, { by }) => ({ count: state.count + by }) },
  react: {
    Add: (_state, { by }) => ({
      events: [{ type: 'Counted', data: { by } }],
      send: [{ type: 'Added', data: { by }, key: `added ${by}` }],
    }),
  },
  onConflict: 'merge',
  merge: { threeWay: record({ count: counter }) },
});

/** Holds all who come until there are so many. */
const gate = (count) => {
  let arrived = 0;
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return () => {
    arrived += 1;
    if (arrived === count) open();
    return opened;
  };
};

const subjectOf = (count) => ({
  name: `${figure(count)} messages`,
  run: async () => {
    const store = memoryStore();
    let merges = 0;
    const hooks = { onReacted: gate(count), onMerged: () => (merges += 1) };
    const runtime = sagaRuntime(tally, { store, hooks });
    const messages = Array.from({ length: count }, (_, index) => ({
      ...{ id: `message ${index}`, sagaId: 'one', type: 'Add', data: { by: index + 1 } },
    }));
    const from = performance.now();
    await Promise.all(messages.map((message) => toPromise(runtime.handle(message))));
    const value = ((performance.now() - from) * 1_000) / count;
    const { state } = await toPromise(runtime.load('one'));
    await store.close();
    if (state.count !== (count * (count + 1)) / 2) throw new Error(`the merged sum is ${state.count}`);
    return { value, merges };
  },
});

export const run = ({ commit, rounds, warmUpMs, say, isQuick }) =>
  measureCase({
    ...{ bench: name, commit, name: 'decided at the same moment, each costs', unit: 'µs', lessIsBetter: true },
    ...{ rounds, warmUpMs, say },
    subjects: (isQuick ? [16, 256] : [16, 64, 256, 1_024, 4_096, 16_384]).map(subjectOf),
  });
