/** Small sagas for the tests of `checkMerger`: a shelf that holds names and a count, with whatever merger a test gives it. */
import * as t from 'io-ts';
import { type Merger, merger, saga, type ThreeWay, threeWay } from 'watersmeet';
import * as E from 'fp-ts/lib/Either.js';

const shelfState = t.type({ count: t.number, names: t.array(t.string) });
export type Shelf = t.TypeOf<typeof shelfState>;

const messages = {
  Add: t.type({ by: t.number }),
  Put: t.type({ name: t.string }),
  Take: t.type({ name: t.string }),
};

/** A counter, and names that are put and taken. */
export const shelfSaga = (merge: Merger<Shelf>) =>
  saga({
    name: 'shelf',
    messages,
    sends: { Noted: t.type({}) },
    events: { Added: messages.Add, Put: messages.Put, Taken: messages.Take },
    state: shelfState,
    initialState: { count: 0, names: [] },
    evolve: {
      Added: (state, { by }) => ({ ...state, count: state.count + by }),
      Put: (state, { name }) => ({ ...state, names: [...new Set([...state.names, name])].sort() }),
      Taken: (state, { name }) => ({ ...state, names: state.names.filter((other) => other !== name) }),
    },
    react: {
      Add: (_state, data) => ({ events: [{ type: 'Added', data }], send: [{ type: 'Noted', data: {} }] }),
      Put: (_state, data) => ({ events: [{ type: 'Put', data }] }),
      Take: (_state, data) => ({ events: [{ type: 'Taken', data }] }),
    },
    onConflict: 'merge',
    merge,
  });

type Sides = (base: Shelf, ours: Shelf, theirs: Shelf) => Shelf;
export const byThree = (merge: Sides): Merger<Shelf> => threeWay<Shelf>(merge);

const setWise = (base: ReadonlyArray<string>, ours: ReadonlyArray<string>, theirs: ReadonlyArray<string>) =>
  [
    ...new Set([
      ...ours.filter((name) => theirs.includes(name) || !base.includes(name)),
      ...theirs.filter((name) => !base.includes(name)),
    ]),
  ].sort();

/** Lawful for names that are only put, with a counter: no name that was taken is put again while a branch waits. */
export const addingUp: Sides = (base, ours, theirs) => ({
  count: ours.count + theirs.count - base.count,
  names: [...new Set([...ours.names, ...theirs.names])].sort(),
});

/** The textbook three-way merge of sets. */
export const textbook: Sides = (base, ours, theirs) => ({
  ...addingUp(base, ours, theirs),
  names: setWise(base.names, ours.names, theirs.names),
});

let calls = 0;

/** Mergers as they are first written, by what is wrong with them. */
export const naive: Readonly<Record<string, Merger<Shelf>>> = {
  'last write wins': byThree((_base, _ours, theirs) => theirs),
  'a branch is ignored': byThree((_base, ours) => ours),
  'counts are summed without their base': byThree((base, ours, theirs) => ({
    ...textbook(base, ours, theirs),
    count: ours.count + theirs.count,
  })),
  'the textbook set': byThree(textbook),
  'the trunk is changed in place': byThree((_base, ours, theirs) => {
    ours.count += theirs.count;
    return ours;
  }),
  'random numbers': byThree((_base, ours) => ({ ...ours, count: Math.random() })),
  'a counter of its own': byThree((_base, ours) => ({ ...ours, count: (calls += 1) })),
  'the clock': byThree((_base, ours) => ({ ...ours, count: new Date().getTime() })),
  'it throws': byThree((_base, ours, theirs) => {
    if (theirs.count === 2) throw new Error('two is too many');
    return ours;
  }),
  'what no store takes': byThree((_base, ours) => ({ ...ours, count: Number.NaN })),
  // Each branch alone is merged well; of several at once only the first is.
  'the first of several branches': merger<Shelf>(({ current, branches: [first] }) =>
    E.right({ state: addingUp(first.base, current, first.state) }),
  ),
};

const table = t.record(t.string, t.record(t.string, t.number));
export type Table = t.TypeOf<typeof table>;

/** Numbers by two names. The keys are texts from messages. */
export const tableSaga = (merge: (base: Table, ours: Table, theirs: Table) => Table) =>
  saga({
    name: 'table',
    messages: { Set: t.type({ row: t.string, column: t.string, to: t.number }) },
    sends: {},
    events: { Set: t.type({ row: t.string, column: t.string, to: t.number }) },
    state: table,
    initialState: {},
    evolve: {
      Set: (state, { row, column, to }) => ({
        ...state,
        [row]: { ...(Object.hasOwn(state, row) ? state[row] : {}), [column]: to },
      }),
    },
    react: { Set: (_state, data) => ({ events: [{ type: 'Set', data }] }) },
    onConflict: 'merge',
    merge: { threeWay: merge },
  });

/** One value under a rule; each message takes it a step on. */
export const valueSaga = <A, D>(parts: {
  readonly rule: ThreeWay<A>;
  readonly value: t.Type<A, unknown>;
  readonly start: A;
  readonly data: t.Type<D, unknown>;
  readonly step: (value: A, data: D, writer: string) => A;
}) => {
  const stepped = t.type({ data: parts.data, writer: t.string });
  return saga({
    name: 'value',
    messages: { Step: parts.data },
    sends: {},
    events: { Stepped: stepped },
    state: t.type({ value: parts.value }),
    initialState: { value: parts.start },
    evolve: {
      Stepped: ({ value }: { value: A }, { data, writer }: { data: D; writer: string }) => ({
        value: parts.step(value, data, writer),
      }),
    },
    react: {
      Step: (_state: { value: A }, data: D, { messageId }: { readonly messageId: string }) => ({
        events: [{ type: 'Stepped' as const, data: { data, writer: messageId } }],
      }),
    },
    onConflict: 'merge',
    merge: threeWay({
      description: parts.rule.description,
      merge: (base: { value: A }, ours: { value: A }, theirs: { value: A }) =>
        E.map((value: A) => ({ value }))(parts.rule.merge(base.value, ours.value, theirs.value)),
    }) as never,
  } as never);
};
