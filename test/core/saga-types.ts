/** Proofs for the compiler: what `saga` infers, and what it refuses. Never run; the type check fails when one of them does. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { counter, map, max, mergeRefused, orSet, record, saga, type StateOfSaga, threeWay } from 'watersmeet';

const parts = {
  name: 'proof',
  messages: { Add: t.type({ by: t.number }) },
  sends: { Notice: t.type({ text: t.string }) },
  events: { Added: t.type({ by: t.number }) },
  state: t.type({
    count: t.number,
    items: t.record(t.string, t.readonlyArray(t.string)),
    prices: t.record(t.string, t.number),
  }),
  initialState: { count: 0, items: {}, prices: {} },
} as const;

export const byParts = saga({
  ...parts,
  evolve: { Added: (state, { by }) => ({ ...state, count: state.count + by }) },
  react: { Add: (_state, data) => ({ events: [{ type: 'Added', data }] }) },
  onConflict: 'merge',
  merge: { threeWay: record({ count: counter, items: orSet, prices: map(max, 0) }) },
});

export const byValue = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: { Add: () => ({}) },
  onConflict: 'merge',
  merge: threeWay(record({ count: counter, items: orSet, prices: map(max, 0) })),
});

export const count: number = (undefined as unknown as StateOfSaga<typeof byParts>).count;

export const byFunction = saga({
  ...parts,
  evolve: { Added: (state, { by }) => ({ ...state, count: state.count + by }) },
  react: {
    Add: (_state, data) => ({
      events: [{ type: 'Added', data }],
      send: [{ type: 'Notice', data: { text: 'hi' }, key: 'k' }],
    }),
  },
  onConflict: 'merge',
  merge: {
    threeWay: (base, ours, theirs) => ({ ...ours, count: ours.count + theirs.count - base.count }),
  },
  onMerged: ({ state, conflict }) => ({
    send: [{ type: 'Notice', data: { text: `${state.count} ${conflict.branches[0].events[0]?.data.by}` } }],
  }),
});

export const byStates = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: { Add: () => ({}) },
  onConflict: 'merge',
  merge: {
    states: (states) => ({ ...states[0], count: Math.max(...states.map((each) => each.count)) }),
  },
});

export const plain = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: { Add: () => ({}) },
  onConflict: 'merge',
  merge: ({ current, branches, completed }) =>
    completed
      ? E.left(mergeRefused('too late'))
      : E.right({ state: current, events: branches[0].events.filter(({ data }) => data.by > 1) }),
});

// @ts-expect-error -- `merge` without a merger
export const withoutMerger = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: { Add: () => ({}) },
  onConflict: 'merge',
});

// @ts-expect-error -- a merger that would never be asked
export const withNeedlessMerger = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: { Add: () => ({}) },
  onConflict: 'retry',
  merge: { threeWay: ((_base: unknown, ours: unknown) => ours) as never },
});

export const withoutEvolve = saga({
  ...parts,
  // @ts-expect-error -- no handler for Added
  evolve: {},
  react: { Add: () => ({}) },
  onConflict: 'reject',
});

export const withUnknownEvent = saga({
  ...parts,
  evolve: { Added: (state) => state },
  // @ts-expect-error -- there is no event of that type
  react: { Add: () => ({ events: [{ type: 'Removed', data: { by: 1 } }] }) },
  onConflict: 'reject',
});

export const withWrongData = saga({
  ...parts,
  evolve: { Added: (state) => state },
  // @ts-expect-error -- the event's data is of another type
  react: { Add: () => ({ events: [{ type: 'Added', data: { by: 'one' } }] }) },
  onConflict: 'reject',
});

export const withTimeouts = saga({
  ...parts,
  evolve: { Added: (state) => state },
  react: {
    Add: (_state, { by }) => ({
      timeouts: [{ type: 'Add', data: { by }, afterMs: 1_000, key: 'again' }],
      cancelTimeouts: ['before'],
    }),
  },
  onConflict: 'merge',
  merge: { threeWay: (_base, ours) => ours },
  onMerged: ({ state }) => ({ timeouts: [{ type: 'Add', data: { by: state.count }, afterMs: 0 }] }),
});

export const withUnknownTimeout = saga({
  ...parts,
  evolve: { Added: (state) => state },
  // @ts-expect-error -- a timeout is one of the saga's own messages, and Notice leaves it
  react: { Add: () => ({ timeouts: [{ type: 'Notice', data: { text: 'hi' }, afterMs: 1 }] }) },
  onConflict: 'reject',
});

export const withTimeoutOfWrongData = saga({
  ...parts,
  evolve: { Added: (state) => state },
  // @ts-expect-error -- the timeout's data is of another type
  react: { Add: () => ({ timeouts: [{ type: 'Add', data: { by: 'one' }, afterMs: 1 }] }) },
  onConflict: 'reject',
});
