/** Proofs that an aggregate's types are inferred; the compiler checks this file, nothing runs it. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import * as t from 'io-ts';
import { versioned } from '../../src/core/codec.js';
import {
  accept,
  aggregate,
  type CommandOf,
  type EventOf,
  fold,
  reject,
  type RejectionOf,
  type StateOf,
} from '../../src/core/decider.js';
import type { AggregateContext } from '../../src/runtime/aggregate/aggregate-context.js';
import type { Rejected } from '../../src/runtime/aggregate/command-request.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { loadAggregate } from '../../src/runtime/aggregate/load-aggregate.js';
import { DateFromText } from '../support/date-from-text.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const proven = <Claim extends true>(): Claim | undefined => undefined;
/** Spells an inferred type out, so that it compares with one written by hand. */
type Spelt<T> = T extends object ? { [K in keyof T]: Spelt<T[K]> } : T;

const State = t.union([
  t.type({ _tag: t.literal('Closed') }),
  t.type({ _tag: t.literal('Open'), owner: t.string, balance: t.number }),
]);

export const account = aggregate({
  category: 'account',
  commands: {
    Open: t.type({ owner: t.string }),
    Deposit: t.type({ amounts: t.array(t.number) }),
    Touch: t.type({}),
    Close: t.type({ reason: t.union([t.literal('wish'), t.literal('law')]) }),
  },
  events: {
    Opened: t.type({ owner: t.string }),
    Deposited: t.type({ amounts: t.array(t.number) }),
    Closed: versioned({
      codec: t.type({ reason: t.union([t.literal('wish'), t.literal('law')]) }),
      upcasts: { 1: () => ({ reason: 'wish' }) },
    }),
  },
  state: State,
  initialState: { _tag: 'Closed' },
  evolve: {
    Opened: (state, { owner }) => {
      proven<Equal<typeof state, t.TypeOf<typeof State>>>();
      proven<Equal<typeof owner, string>>();
      return { _tag: 'Open', owner, balance: 0 };
    },
    Deposited: (state, { amounts }) =>
      state._tag === 'Open' ? { ...state, balance: amounts.reduce((a, b) => a + b, state.balance) } : state,
    Closed: (_state, { reason }) => {
      proven<Equal<typeof reason, 'wish' | 'law'>>();
      return reason === 'law' ? { _tag: 'Closed' } : { _tag: 'Closed' };
    },
  },
  decide: {
    Open: (state, { owner }) => {
      proven<Equal<typeof state, t.TypeOf<typeof State>>>();
      proven<Equal<typeof owner, string>>();
      if (state._tag === 'Open') return reject({ _tag: 'AlreadyOpen', by: state.owner });
      return accept({ type: 'Opened', data: { owner } }, { type: 'Deposited', data: { amounts: [1, 2] } });
    },
    Deposit: (state, { amounts }) =>
      state._tag === 'Closed'
        ? reject({ _tag: 'NotOpen' })
        : accept({ type: 'Deposited', data: { amounts } }),
    Touch: () => accept(),
    Close: (state, { reason }) =>
      state._tag === 'Closed' ? E.left('closed' as const) : E.right([{ type: 'Closed', data: { reason } }]),
  },
  snapshot: { everyEvents: 100, codecVersion: '1' },
  retry: { attemptsMax: 3 },
});

proven<Equal<StateOf<typeof account>, t.TypeOf<typeof State>>>();
proven<
  Equal<
    Spelt<RejectionOf<typeof account>>,
    { readonly _tag: 'AlreadyOpen'; readonly by: string } | { readonly _tag: 'NotOpen' } | 'closed'
  >
>();
proven<Equal<EventOf<typeof account>['type'], 'Opened' | 'Deposited' | 'Closed'>>();
proven<
  Equal<
    Extract<EventOf<typeof account>, { type: 'Closed' }>,
    { readonly type: 'Closed'; readonly data: { reason: 'wish' | 'law' } }
  >
>();
proven<Equal<CommandOf<typeof account>['type'], 'Open' | 'Deposit' | 'Touch' | 'Close'>>();

// The types follow into what is done with the value.
fold(account, [{ type: 'Opened', data: { owner: 'Ada' } }]);
// @ts-expect-error -- no such event
fold(account, [{ type: 'Open', data: { owner: 'Ada' } }]);
// @ts-expect-error -- an owner is a string
fold(account, [{ type: 'Opened', data: { owner: 1 } }]);
// @ts-expect-error -- a claim that is wrong does not compile, so the claims above say something
proven<Equal<StateOf<typeof account>, { balance: number }>>();

type LeftOf<T> = T extends TaskEither<infer L, unknown> ? L : never;
type RightOf<T> = T extends TaskEither<unknown, infer A> ? A : never;

export const handling = (context: AggregateContext) => {
  const handle = handleCommand(context);
  const handled = handle(account, { id: '42', command: { type: 'Open', data: { owner: 'Ada' } } });
  proven<
    Equal<Extract<LeftOf<typeof handled>, { _tag: 'Rejected' }>, Rejected<RejectionOf<typeof account>>>
  >();
  proven<Equal<RightOf<typeof handled>['state'], StateOf<typeof account>>>();
  proven<Equal<RightOf<typeof handled>['events'], ReadonlyArray<EventOf<typeof account>>>>();
  const loaded = loadAggregate(context)(account, '42');
  proven<Equal<RightOf<typeof loaded>['state'], StateOf<typeof account>>>();
  // A command is given as it comes from outside: by the output side of its codec.
  const stamps = aggregate({
    ...rules,
    commands: { Stamp: t.type({ at: DateFromText }) },
    evolve,
    decide: { Stamp: (_, { at }) => accept({ type: 'Added', data: { by: at.getTime() } }) },
  });
  return [
    handled,
    loaded,
    handle(stamps, { id: '1', command: { type: 'Stamp', data: { at: '2024-02-29' } } }),
    // @ts-expect-error -- no such command
    handle(account, { id: '42', command: { type: 'Opened', data: { owner: 'Ada' } } }),
    // @ts-expect-error -- an owner is a string
    handle(account, { id: '42', command: { type: 'Open', data: { owner: 1 } } }),
    // @ts-expect-error -- the data of another command
    handle(account, { id: '42', command: { type: 'Close', data: { owner: 'Ada' } } }),
  ];
};

const rules = {
  category: 'counter',
  commands: { Add: t.type({ by: t.number }), Clear: t.type({}) },
  events: { Added: t.type({ by: t.number }), Cleared: t.type({}) },
  state: t.type({ total: t.number }),
  initialState: { total: 0 },
};
const evolve = {
  Added: (state: { total: number }, { by }: { by: number }) => ({ total: state.total + by }),
  Cleared: () => ({ total: 0 }),
};
const Clear = () => accept({ type: 'Cleared', data: {} });

export const counters = () => [
  aggregate({
    ...rules,
    evolve,
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }), Clear },
  }),
  aggregate({
    ...rules,
    evolve,
    // @ts-expect-error -- Clear has no handler
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }) },
  }),
  aggregate({
    ...rules,
    // @ts-expect-error -- Cleared has no handler
    evolve: { Added: (state, { by }) => ({ total: state.total + by }) },
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }), Clear },
  }),
  aggregate({
    ...rules,
    evolve: {
      ...evolve,
      // @ts-expect-error -- evolve must answer a whole state
      Cleared: () => ({ sum: 0 }),
    },
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }), Clear },
  }),
  aggregate({
    ...rules,
    evolve: {
      Added: (state) => state,
      Cleared: (state) => state,
      // @ts-expect-error -- no such event
      Removed: (state) => state,
    },
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }), Clear },
  }),
  aggregate({
    ...rules,
    evolve,
    decide: {
      // @ts-expect-error -- no such event
      Add: (_, { by }) => accept({ type: 'Subtracted', data: { by } }),
      Clear,
    },
  }),
  aggregate({
    ...rules,
    evolve,
    decide: {
      // @ts-expect-error -- the event's data are not those of its codec
      Add: (_, { by }) => accept({ type: 'Added', data: { by: String(by) } }),
      Clear,
    },
  }),
  aggregate({
    ...rules,
    evolve,
    decide: {
      // @ts-expect-error -- a command has no such field
      Add: (_, { amount }) => accept({ type: 'Added', data: { by: amount } }),
      Clear,
    },
  }),
  aggregate({
    ...rules,
    evolve,
    decide: {
      Add: (_, { by }) => accept({ type: 'Added', data: { by } }),
      Clear,
      // @ts-expect-error -- no such command
      Remove: () => accept(),
    },
  }),
  aggregate({
    ...rules,
    // @ts-expect-error -- not a state of this codec
    initialState: { total: 'none' },
    evolve,
    decide: { Add: (_, { by }) => accept({ type: 'Added', data: { by } }), Clear },
  }),
];
