/** What the workers work on while they are disturbed: a saga, an aggregate, and the messages of a round, drawn from its seed. */
import * as t from 'io-ts';
import {
  accept,
  aggregate,
  counter,
  map,
  record,
  saga,
  type Conflict,
  type ConflictBranch,
  type ThreeWay,
} from '../../src/index.js';
import { dice } from '../../src/runtime/dice.js';
import type { Poison } from './poisons.js';

const tallyState = t.type({
  sum: t.number,
  /** How often each message has taken effect. */
  seen: t.record(t.string, t.number),
  /** How often the timeout of each message that told was handled. */
  reminded: t.record(t.string, t.number),
});
type Tally = t.TypeOf<typeof tallyState>;
const tallyEvents = {
  Added: t.type({ id: t.string, by: t.number }),
  Told: t.type({ id: t.string }),
  Reminded: t.type({ of: t.string }),
};
type TallyEvent =
  | { readonly type: 'Added'; readonly data: t.TypeOf<typeof tallyEvents.Added> }
  | { readonly type: 'Told'; readonly data: t.TypeOf<typeof tallyEvents.Told> }
  | { readonly type: 'Reminded'; readonly data: t.TypeOf<typeof tallyEvents.Reminded> };

/** How soon a saga wants to be reminded, in milliseconds. */
const remindAfterMs = 40;

const effect = (seen: Tally['seen'], id: string): Tally['seen'] => ({ ...seen, [id]: (seen[id] ?? 0) + 1 });

const counts = map(counter, 0) as ThreeWay<Tally['seen']>;

/** Adds and tells until it is closed; what it tells it is reminded of by a timeout, unless it has closed before. Its merges have compensations, whose outcome leaves as a message too. */
export const tally = saga({
  name: 'tally',
  messages: {
    Add: t.type({ by: t.number }),
    Tell: t.type({}),
    Remind: t.type({ of: t.string }),
    Close: t.type({}),
  },
  events: tallyEvents,
  sends: {
    Notice: t.type({ id: t.string }),
    Checked: t.type({ id: t.string }),
    Closed: t.type({ sum: t.number }),
  },
  state: tallyState,
  initialState: { sum: 0, seen: {}, reminded: {} },
  evolve: {
    Added: (state, { id, by }) => ({ ...state, sum: state.sum + by, seen: effect(state.seen, id) }),
    Told: (state, { id }) => ({ ...state, seen: effect(state.seen, id) }),
    Reminded: (state, { of }) => ({ ...state, reminded: effect(state.reminded, of) }),
  },
  react: {
    Add: (_state, { by }, { messageId: id }) => ({ events: [{ type: 'Added', data: { id, by } }] }),
    Tell: (_state, _data, { messageId: id }) => ({
      events: [{ type: 'Told', data: { id } }],
      send: [{ type: 'Notice', data: { id } }],
      timeouts: [{ type: 'Remind', data: { of: id }, afterMs: remindAfterMs }],
    }),
    Remind: (_state, { of }) => ({ events: [{ type: 'Reminded', data: { of } }] }),
    Close: ({ sum }) => ({ send: [{ type: 'Closed', data: { sum }, key: 'closed' }], complete: true }),
  },
  commuting: { Told: ['Told'] },
  onConflict: 'merge',
  merge: { threeWay: record<Tally>({ sum: counter, seen: counts, reminded: counts }) },
  onMerged: ({ conflict }) => ({ complete: conflict.branches.some(({ completes }) => completes) }),
  compensate: ({ conflict }: { readonly conflict: Conflict<Tally, TallyEvent> }) =>
    conflict.branches
      .filter(({ cause }: ConflictBranch<Tally, TallyEvent>) => cause.type === 'Tell')
      .map(({ cause }) => ({ hook: 'check', data: { id: cause.messageId } })),
  hooks: {
    check: ({ id }: { readonly id: string }) => ({ send: [{ type: 'Checked', data: { id } }] }),
  },
});

/** Counts. Every command has one effect, told by its causation id. */
export const register = aggregate({
  category: 'register',
  commands: { Count: t.type({ by: t.number }) },
  events: { Counted: t.type({ by: t.number }) },
  state: t.type({ total: t.number }),
  initialState: { total: 0 },
  evolve: { Counted: ({ total }, { by }) => ({ total: total + by }) },
  decide: { Count: (_state, { by }) => accept({ type: 'Counted', data: { by } }) },
  retry: { attemptsMax: 40 },
});

/** One message of a round. */
export interface Task {
  /** `<kind>-<key>:<number>`. */
  readonly id: string;
  readonly kind: 'saga' | 'command' | 'queue';
  /** The saga, aggregate or key of the queue. */
  readonly key: string;
  /** 1 is the first of its key. */
  readonly number: number;
  readonly type: string;
  readonly by: number;
  /** Delivered only after the one before it was acknowledged: such a key must keep its order. */
  readonly ordered: boolean;
  /** What its handler does wrong. */
  readonly poison?: Poison;
}

export interface Size {
  /** Keys of each kind; every other one is ordered. */
  readonly keys: number;
  /** Messages of each key, without the last of a saga, which closes it. */
  readonly messages: number;
  readonly kinds: ReadonlyArray<Task['kind']>;
  /** For each of these one more key of the queue, with one such message among its good ones. Default: none. */
  readonly poisons?: ReadonlyArray<Poison>;
}

const tasksOfKey = (
  kind: Task['kind'],
  key: string,
  ordered: boolean,
  messages: number,
  random: () => number,
): ReadonlyArray<Task> => {
  const task = (number: number, type: string, isOrdered: boolean): Task => {
    const by = 1 + Math.floor(9 * random());
    return { id: `${kind}-${key}:${number}`, kind, key, number, type, by, ordered: isOrdered };
  };
  const types = {
    saga: () => (random() < 0.6 ? 'Add' : 'Tell'),
    command: () => 'Count',
    queue: () => 'Work',
  };
  const all = Array.from({ length: messages }, (_, index) => task(index + 1, types[kind](), ordered));
  // Whatever else is free, a saga is closed after all of the rest.
  return kind === 'saga' ? [...all, task(messages + 1, 'Close', true)] : all;
};

/** Good messages of a key before and behind a poison one. */
const goodOnes = 4;

const poisonedKey = (poison: Poison, random: () => number): ReadonlyArray<Task> => {
  // Another key each time, so that it falls into another partition.
  const key = `${poison}${Math.floor(1_000 * random())}`;
  const place = 1 + Math.floor(goodOnes * random());
  return tasksOfKey('queue', key, true, goodOnes + 1, random).map((task) =>
    task.number === place ? { ...task, poison } : task,
  );
};

/** The messages of a round. */
export const tasksOf = (seed: number, { keys, messages, kinds, poisons = [] }: Size): ReadonlyArray<Task> => {
  const random = dice(seed ^ 0x7a5c);
  const good = kinds.flatMap((kind) =>
    Array.from({ length: keys }, (_, index) => index).flatMap((index) =>
      // Messages of a queue are enqueued in order; who handles them has nothing to do with it.
      tasksOfKey(kind, `k${index + 1}`, kind === 'queue' || index % 2 === 1, messages, random),
    ),
  );
  return [...good, ...poisons.flatMap((poison) => poisonedKey(poison, random))];
};
