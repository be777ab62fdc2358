// What a merge costs by how many branches it takes in: their number, and not its square.
import * as t from 'io-ts';
import { left } from 'fp-ts/lib/Either.js';
import { counter, memoryStore, mergeRefused, merger, record, saga, sagaRuntime, toPromise } from 'watersmeet';
import { figure, measureCase } from '../lib/harness.mjs';

export const name = 'merge';
export const title = 'Merges of many branches';
export const about =
  'So many branches of one saga wait in the store in memory; another runtime reads the stream, merges all of them in one step, appends the merge and takes it in. What that costs for one branch; microseconds, less is better.';
export const commits = ['disk'];

const tally = (parts) =>
  saga({
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
    ...parts,
  });
const refusing = tally({ merge: merger(() => left(mergeRefused('later'))), mergerVersion: '1' });
const merging = tally({ merge: { threeWay: record({ count: counter }) }, mergerVersion: '2' });

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

/** A saga whose merge is refused for as long as its branches come, so that all of them wait. */
const withBranches = async (store, count) => {
  const runtime = sagaRuntime(refusing, { store, hooks: { onReacted: gate(count + 1) } });
  const messages = Array.from({ length: count + 1 }, (_, index) => ({
    ...{ id: `message ${index}`, sagaId: 'one', type: 'Add', data: { by: index + 1 } },
  }));
  await Promise.all(messages.map((message) => toPromise(runtime.handle(message))));
};

const subjectOf = (count) => ({
  name: `${figure(count)} branches`,
  run: async () => {
    const store = memoryStore();
    await withBranches(store, count);
    const merged = [];
    const hooks = { onMerged: ({ branchIds }) => merged.push(branchIds.length) };
    const runtime = sagaRuntime(merging, { store, hooks });
    const from = performance.now();
    await toPromise(runtime.resolve('one'));
    const value = ((performance.now() - from) * 1_000) / count;
    const { state } = await toPromise(runtime.load('one'));
    await store.close();
    if (merged.join() !== `${count}`) throw new Error(`merges took in ${merged.join()} branches`);
    if (state.count !== ((count + 1) * (count + 2)) / 2) throw new Error(`the merged sum is ${state.count}`);
    return { value };
  },
});

export const run = ({ commit, rounds, warmUpMs, say, isQuick }) =>
  measureCase({
    ...{ bench: name, commit, name: 'one merge, each branch costs', unit: 'µs', lessIsBetter: true },
    ...{ rounds, warmUpMs, say },
    subjects: (isQuick ? [16, 256] : [16, 64, 256, 1_024, 4_096, 10_000]).map(subjectOf),
  });
