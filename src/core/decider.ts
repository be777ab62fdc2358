/** Aggregates as deciders: the rules of one kind of stream as pure functions, with every type inferred from one object. */
import * as E from 'fp-ts/lib/Either.js';
import type { TypeOf } from 'io-ts';
import type { Codec, DataOf, Definitions, TaggedOf } from './codec.js';
import { deepFreeze } from './json.js';
import type { RetryPolicy } from './retry.js';
import { categoryOf, streamName } from './stream.js';

/** When a folded state is kept beside its stream, so that loading need not begin at the first event. */
export interface SnapshotPolicy {
  /** A snapshot is taken when so many events were folded since the last one; 1 or more. */
  readonly everyEvents: number;
  /**
   * Name of what wrote the snapshot. Change it whenever `state` or a result of `evolve` changes: snapshots with another
   * one are ignored, and nothing else would notice that they are the fold of older rules.
   */
  readonly codecVersion: string;
  /**
   * How many event ids of identified commands a snapshot carries on, 0 to 10,000, so that a repeated command is
   * recognised although its events lie before the snapshot. Each takes about 40 bytes. Default 256.
   */
  readonly idsRemembered?: number;
}

/** What a command comes to: events, perhaps none, or a rejection of the aggregate's own type. */
export type Decision<Rejection, Event> = E.Either<Rejection, ReadonlyArray<Event>>;

// The compiler shows a handler the type it must answer (and so keeps `'Open'` from becoming `string`) only where that type
// waits for inference as a whole, as a conditional type does. Without it every union of states would need `as const`.
type WhenInferred<Codecs, Handlers> = Codecs extends unknown ? Handlers : never;
type EvolveHandlers<Events extends Definitions, State> = {
  readonly [K in keyof Events & string]: (state: State, data: DataOf<Events[K]>) => State;
};
/** Any rejection. Without naming its `left`, so that an `E.right` beside it does not infer one of type unknown. */
interface Rejecting {
  readonly _tag: 'Left';
}
type DecideHandlers<Commands extends Definitions, Events extends Definitions, State> = {
  readonly [K in keyof Commands & string]: (
    state: State,
    data: DataOf<Commands[K]>,
  ) => Rejecting | E.Right<ReadonlyArray<TaggedOf<Events>>>;
};
/** Makes a handler for a command that is not declared an error at its own key. */
type NothingElse<Decide, Commands> = { readonly [K in Exclude<keyof Decide, keyof Commands>]: never };

type LeftOf<Result> = Result extends E.Left<infer Rejection> ? Rejection : never;
type RejectionIn<Decide> = {
  [K in keyof Decide]: Decide[K] extends (...args: never[]) => infer Result ? LeftOf<Result> : never;
}[keyof Decide];

/** The rules of one kind of stream. A value: the runtime loads, asks it and appends. */
export interface Aggregate<Commands extends Definitions, Events extends Definitions, State, Rejection> {
  /** Streams are named `<category>-<id>`. */
  readonly category: string;
  readonly commands: Commands;
  readonly events: Events;
  readonly state: Codec<State>;
  readonly initialState: State;
  /** The state after an event. */
  readonly evolve: (state: State, event: TaggedOf<Events>) => State;
  /** What a command comes to in a state. */
  readonly decide: (state: State, command: TaggedOf<Commands>) => Decision<Rejection, TaggedOf<Events>>;
  readonly snapshot: SnapshotPolicy | undefined;
  readonly retry: Partial<RetryPolicy>;
}

/** What is needed to fold a stream, without its commands. */
export type Folding<Events extends Definitions, State> = Pick<
  Aggregate<Definitions, Events, State, unknown>,
  'category' | 'events' | 'state' | 'initialState' | 'evolve' | 'snapshot'
>;

export type EventOf<A> = A extends { readonly events: infer Events extends Definitions }
  ? TaggedOf<Events>
  : never;
export type CommandOf<A> = A extends { readonly commands: infer Commands extends Definitions }
  ? TaggedOf<Commands>
  : never;
export type StateOf<A> = A extends { readonly initialState: infer State } ? State : never;
export type RejectionOf<A> = A extends { readonly decide: (...args: never[]) => infer Result }
  ? LeftOf<Result>
  : never;

/** Decides these events, in order; `accept()` decides that nothing has to happen. The same as `E.right([...events])`. */
export const accept = <const Events extends ReadonlyArray<{ readonly type: string; readonly data: unknown }>>(
  ...events: Events
): E.Either<never, Events> => E.right(events);

/** Refuses the command with a value of your own; nothing is written. `E.left` that keeps literal types. */
export const reject = <const Rejection>(rejection: Rejection): E.Either<Rejection, never> =>
  E.left(rejection);

const own = <Handler>(handlers: Readonly<Record<string, Handler>>, kind: string, type: string): Handler => {
  const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined;
  if (typeof handler !== 'function') throw new TypeError(`aggregate: ${kind} has no handler for ${type}`);
  return handler;
};

const checkCount = (field: string, value: number, min: number, max: number): void => {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new TypeError(
      `aggregate: ${field} must be a whole number from ${min} to ${max}, found ${String(value)}`,
    );
};

const checkPolicies = (snapshot: SnapshotPolicy | undefined, retry: Partial<RetryPolicy>): void => {
  if (snapshot !== undefined) {
    checkCount('snapshot.everyEvents', snapshot.everyEvents, 1, Number.MAX_SAFE_INTEGER);
    checkCount('snapshot.idsRemembered', snapshot.idsRemembered ?? 0, 0, 10_000);
  }
  checkCount('retry.attemptsMax', retry.attemptsMax ?? 1, 1, Number.MAX_SAFE_INTEGER);
};

const checkCategory = (category: string): void => {
  const name = streamName(`${category}-0`);
  if (E.isLeft(name)) throw new TypeError(`aggregate: the category ${name.left.value} ${name.left.reason}`);
  if (category === '' || categoryOf(name.right) !== category)
    throw new TypeError(
      `aggregate: the category '${category}' must not be empty or hold a '-', which ends it in a stream's name`,
    );
};

/**
 * Defines an aggregate. No type is written by hand: `evolve` and `decide` get theirs from the codecs, and what `decide`
 * rejects with becomes `RejectionOf<typeof it>`.
 *
 * ```ts
 * const account = aggregate({
 *   category: 'account',
 *   commands: { Open: t.type({ owner: t.string }), Deposit: t.type({ amount: t.number }) },
 *   events: { Opened: t.type({ owner: t.string }), Deposited: t.type({ amount: t.number }) },
 *   state: t.type({ open: t.boolean, balance: t.number }),
 *   initialState: { open: false, balance: 0 },
 *   evolve: {
 *     Opened: (state) => ({ ...state, open: true }),
 *     Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
 *   },
 *   decide: {
 *     Open: (state, { owner }) =>
 *       state.open ? reject({ _tag: 'AlreadyOpen' }) : accept({ type: 'Opened', data: { owner } }),
 *     Deposit: (state, { amount }) =>
 *       state.open ? accept({ type: 'Deposited', data: { amount } }) : reject({ _tag: 'NotOpen' }),
 *   },
 * });
 * ```
 * `evolve` and `decide` are pure: they may run any number of times for one command. `initialState` is frozen here, and
 * `decide` is given a frozen state, so that a rule which changes its input fails at once and not on the first conflict.
 * A definition that cannot work throws a TypeError.
 */
export const aggregate = <
  Commands extends Definitions,
  Events extends Definitions,
  StateCodec extends Codec,
  Decide extends { readonly [K in keyof Commands]: unknown },
>(definition: {
  readonly category: string;
  readonly commands: Commands;
  readonly events: Events;
  /** Codec of the state: its type, and how snapshots are written. */
  readonly state: StateCodec;
  readonly initialState: TypeOf<StateCodec>;
  readonly evolve: WhenInferred<StateCodec, EvolveHandlers<Events, TypeOf<StateCodec>>>;
  readonly decide: Decide &
    WhenInferred<StateCodec, DecideHandlers<Commands, Events, TypeOf<StateCodec>>> &
    NothingElse<Decide, Commands>;
  /** Default: no snapshots. */
  readonly snapshot?: SnapshotPolicy;
  /** Default: the runtime's. */
  readonly retry?: Partial<RetryPolicy>;
}): Aggregate<Commands, Events, TypeOf<StateCodec>, RejectionIn<Decide>> => {
  type State = TypeOf<StateCodec>;
  type Evolve = (state: State, data: unknown) => State;
  type Decider = (state: State, data: unknown) => Decision<RejectionIn<Decide>, TaggedOf<Events>>;
  const evolve = definition.evolve as Readonly<Record<string, Evolve>>;
  const decide = definition.decide as unknown as Readonly<Record<string, Decider>>;
  const { category, commands, events, state, snapshot, retry = {} } = definition;
  checkCategory(category);
  checkPolicies(snapshot, retry);
  for (const type of Object.keys(events)) own(evolve, 'evolve', type);
  for (const type of Object.keys(commands)) own(decide, 'decide', type);
  return {
    category,
    commands,
    events,
    state,
    initialState: deepFreeze(definition.initialState),
    evolve: (before, event) => own(evolve, 'evolve', event.type)(before, event.data),
    decide: (before, command) => own(decide, 'decide', command.type)(before, command.data),
    snapshot,
    retry,
  };
};

/** The state after `events`, oldest first, from `from` on; by default from the initial state. */
export const fold = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  rules: Aggregate<Commands, Events, State, Rejection>,
  events: Iterable<TaggedOf<NoInfer<Events>>>,
  from: NoInfer<State> = rules.initialState,
): State => {
  let state = from;
  for (const event of events) state = rules.evolve(state, event);
  return state;
};
