/** Sagas whose mergers look right and are not, as people write them first; and the same one without a merger. */
import * as t from 'io-ts';
import { type ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js';
import { counter, record, saga, type SagaMessage } from 'watersmeet';

type Tally = { readonly total: number };

const parts = {
  name: 'tally',
  messages: { Count: t.type({ by: t.number }) },
  sends: {},
  events: { Counted: t.type({ by: t.number }) },
  state: t.type({ total: t.number }),
  initialState: { total: 0 },
  evolve: { Counted: ({ total }: Tally, { by }: { by: number }) => ({ total: total + by }) },
  react: {
    Count: (_state: Tally, data: { by: number }) => ({ events: [{ type: 'Counted' as const, data }] }),
  },
};

/** The branch's state replaces the trunk's. */
export const lastWriteWins = () =>
  saga({ ...parts, onConflict: 'merge', merge: { threeWay: (_base, _ours, theirs) => theirs } });

/** All states are added up, as if each had begun from nothing. */
export const tally = () =>
  saga({
    ...parts,
    onConflict: 'merge',
    merge: {
      states: (states: ReadonlyNonEmptyArray<Tally>) => ({
        total: states.reduce((sum, { total }) => sum + total, 0),
      }),
    },
  });

export const rightTally = () =>
  saga({ ...parts, onConflict: 'merge', merge: { threeWay: record<Tally>({ total: counter }) } });

export const retrying = (onConflict: 'retry' | 'reject') => saga({ ...parts, onConflict });

export const tallyBy = (by: number) =>
  ({ id: `count-${by}`, sagaId: 's', type: 'Count', data: { by } }) as SagaMessage<never>;

type Words = { readonly added: ReadonlyArray<string>; readonly removed: ReadonlyArray<string> };

/** A set as two lists, both merged by union: what was removed once can never be added again. */
export const addRemoveSet = () =>
  saga({
    name: 'words',
    messages: { Add: t.type({ word: t.string }), Remove: t.type({ word: t.string }) },
    sends: {},
    events: { Added: t.type({ word: t.string }), Removed: t.type({ word: t.string }) },
    state: t.readonly(t.type({ words: t.readonlyArray(t.string) })),
    initialState: { words: [] },
    evolve: {
      Added: ({ words }, { word }) => ({ words: [...new Set([...words, word])].sort() }),
      Removed: ({ words }, { word }) => ({ words: words.filter((other) => other !== word) }),
    },
    react: {
      Add: (_state, data) => ({ events: [{ type: 'Added', data }] }),
      Remove: (_state, data) => ({ events: [{ type: 'Removed', data }] }),
    },
    onConflict: 'merge',
    merge: {
      states: (states) => ({ words: [...new Set(states.flatMap(({ words }) => words))].sort() }),
    },
  });

export const word = (type: 'Add' | 'Remove', text: string) =>
  ({ id: `${type.toLowerCase()}-${text}`, sagaId: 's', type, data: { word: text } }) as SagaMessage<never>;

export type { Words };
