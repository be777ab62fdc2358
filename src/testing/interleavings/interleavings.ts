/**
 * Every interleaving of a few concurrent handlers: runs the real runtime through all orders in which their calls of the store
 * can take effect, and checks that all of them end the same.
 */
import * as E from 'fp-ts/lib/Either.js';
import { encodeTagged } from '../../core/codec.js';
import { taggedError } from '../../core/fault.js';
import { derivedId } from '../../core/ids.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { instanceOf, type SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import { any, defaultTenant, escapeForDisplay } from '../../core/stream.js';
import { followerOf, handlerOf } from './actors.js';
import { explore, type Explored, type Exploring, finish, runAlone } from './explore.js';
import type { FailureKind, Invariant } from './judge.js';
import { type Actor, localsOf } from './local.js';
import { type LogNode, logTree } from './log.js';
import type { Outcome } from './outcome.js';
import { type Part, watchSaga } from './watch.js';
import { reportText, type ScheduleStep } from './report.js';

export type { FailureKind, Invariant } from './judge.js';
export type { CancelledMessage, CompensationOutcome, Outcome, SentMessage } from './outcome.js';
export type { ScheduleStep } from './report.js';

export interface InterleavingOptions<S, Ev extends AnyEvent, M extends AnyEvent> {
  /** What was there before: messages, handled one after another, or the saga's own events. Default: nothing. */
  readonly given?: ReadonlyArray<SagaMessage<M>> | ReadonlyArray<Ev>;
  /** What must hold at the end of every schedule, by name or as a list. Answer false or a text, or throw, where it does not. */
  readonly invariants?:
    | Readonly<Record<string, Invariant<Outcome<S, Ev>>>>
    | ReadonlyArray<Invariant<Outcome<S, Ev>>>;
  /** What must be the same at the end of every schedule. Default: the whole state. Must be JSON, unless `equals` is given. */
  readonly view?: (outcome: Outcome<S, Ev>) => unknown;
  /** When two views are the same. Default: equal as JSON, whatever the order of keys. */
  readonly equals?: (a: unknown, b: unknown) => boolean;
  /** Processes besides the handlers that do what is owed, once each, at any moment. Default false: 0; true: 1. */
  readonly followers?: boolean | number;
  /** Merges may be refused: schedules that end parked are not failures. Default false. */
  readonly mayPark?: boolean;
  /** More runs than this, and it samples instead. Default 1,000,000; 0 samples at once. */
  readonly schedulesMax?: number;
  /** How many schedules it samples where it does not run all. Default 2,000. */
  readonly samples?: number;
  /** What the sampled schedules are chosen by, 0 to 4,294,967,295. Default 1. The same seed chooses the same. */
  readonly seed?: number;
}

export interface InterleavingFailure {
  /** `diverged`: another end than the others, or parked. `invariant`: one of the user's, or a message that was given back. `engine`: a bug of the engine. */
  readonly kind: FailureKind;
  /** Everything about it, for people. */
  readonly report: string;
  /** The smallest schedule that fails. */
  readonly schedule: ReadonlyArray<ScheduleStep>;
  /** Ids of the messages in it: fewer than were given, where fewer are enough. */
  readonly messages: ReadonlyArray<string>;
}

export interface Exploration {
  /** Whether every schedule is accounted for. */
  readonly complete: boolean;
  /**
   * How many schedules there are: orders of the processes' steps. A step is a read that a decision is made on, an append that is
   * written, or a merge with the read before it. A refused append and a merge that came too late leave no trace, and are part
   * of the step that follows; which of those that wait does a merge makes no difference. Exact up to 2^53. `undefined`
   * where they were sampled.
   */
  readonly schedules: number | undefined;
  /** How many were run, each to its end or until it came into a situation that another had been in. */
  readonly ran: number;
  /** How many were not run, because they are equivalent to one that was; `undefined` where they were sampled. */
  readonly equivalent: number | undefined;
  /** How many different ends there are. */
  readonly ends: number;
  readonly sampled?: { readonly seed: number; readonly schedules: number };
  readonly failure?: InterleavingFailure;
}

/** With more messages than this it samples: there would be minutes of schedules. */
export const messagesMax = 5;

/* eslint-disable @typescript-eslint/no-explicit-any -- inside, the types of a saga do not matter */
type AnyOptions = InterleavingOptions<any, any, any>;
/* eslint-enable @typescript-eslint/no-explicit-any */

const namedInvariants = (
  invariants: AnyOptions['invariants'] = [],
): ReadonlyArray<readonly [string, Invariant]> =>
  Array.isArray(invariants)
    ? invariants.map(
        (invariant: Invariant, index) =>
          [invariant.name === '' ? `number ${index + 1}` : invariant.name, invariant] as const,
      )
    : Object.entries(invariants as Readonly<Record<string, Invariant>>);

const isMessage = (given: SagaMessage | AnyEvent): given is SagaMessage => 'sagaId' in given;

const sagaIdOf = (messages: ReadonlyArray<SagaMessage>): string => {
  const ids = [...new Set(messages.map(({ sagaId }) => sagaId))];
  if (ids[0] === undefined) throw new TypeError('exploreInterleavings: there are no messages to interleave');
  if (ids.length > 1)
    throw new TypeError(
      `exploreInterleavings: the messages are for different sagas (${ids.join(', ')}), which never meet; give those of one`,
    );
  return ids[0];
};

/** Two deliveries of one message are two processes. */
const namesOf = (messages: ReadonlyArray<SagaMessage>): ReadonlyArray<string> => {
  const seen = new Map<string, number>();
  return messages.map(({ id }) => {
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    return escapeForDisplay(count === 1 ? id : `${id} (again)`, 60);
  });
};

/** The stream as it stands when the messages meet. */
const prepare = async (
  exploring: Exploring,
  given: ReadonlyArray<SagaMessage | AnyEvent>,
): Promise<LogNode> => {
  let node = exploring.from;
  for (const [index, item] of given.entries()) {
    if (!isMessage(item)) {
      const encoded = encodeTagged(exploring.saga.events, item);
      if (E.isLeft(encoded)) throw taggedError(encoded.left);
      const { tenant, streamName } = instanceOf(exploring.saga, defaultTenant, exploring.sagaId);
      const event = { ...encoded.right, eventId: derivedId(streamName, 'given', index), metadata: {} };
      const request = { tenant, streamName, expected: any, events: [event] };
      node = exploring.tree.ask(node, { operation: 'append', request }, -1 - index).node;
      continue;
    }
    const handler = handlerOf(exploring.saga, -2 - index, item, item.id);
    const { node: after, local } = await runAlone(exploring, handler, node);
    if (local.ended?._tag !== 'Answered')
      throw new Error(
        `exploreInterleavings: the given message ${item.id} was not handled: ${JSON.stringify(local.ended)}`,
      );
    node = (await finish(exploring, after)).node;
  }
  return node;
};

const actorsOf = (
  exploring: Exploring,
  messages: ReadonlyArray<SagaMessage>,
  names: ReadonlyArray<string>,
  followers: number,
): ReadonlyArray<Actor> => [
  ...messages.map((message, index) => handlerOf(exploring.saga, index, message, names[index] as string)),
  ...Array.from({ length: followers }, (_, index) =>
    followerOf(
      exploring.saga,
      messages.length + index,
      exploring.sagaId,
      followers === 1 ? 'follower' : `follower ${index + 1}`,
    ),
  ),
];

const subsets = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  size === 0
    ? [[]]
    : items.flatMap((item, index) =>
        subsets(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]),
      );

const counted = (count: number, word: string): string =>
  `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;

const headlines: Record<FailureKind, string> = {
  diverged: 'the messages do not converge',
  invariant: 'an invariant is broken',
  engine:
    'the engine broke a promise of its own; this is a bug in Watersmeet, or in a function of the saga that is not pure',
};

/**
 * Runs all schedules of concurrent handlers of one saga, each in a process of its own, with the merges that they do: the real
 * runtime on one store, every order of its reads and appends. Waits take no time. A message that a saga with `reject` gives
 * back because of a conflict is delivered again. Compensation hooks run, many times: give the saga harmless ones.
 *
 * Checks that all schedules end in the same view; the invariants given; and always that each message takes effect once, each
 * branch is merged once, an epoch completes once, and nothing held leaves early. Failures are a value: see `failure.report`.
 * Throws a TypeError where there is nothing to interleave.
 *
 * ```ts
 * const exploration = await exploreInterleavings(acceptableCredit, [scoreOfEquifax, scoreOfExperian], { given: [request] });
 * // { complete: true, schedules: 6, ran: ..., equivalent: ..., ends: ... }
 * ```
 */
export const exploreInterleavings = async <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  messages: ReadonlyArray<SagaMessage<M>>,
  options: InterleavingOptions<S, Ev, M> = {},
): Promise<Exploration> => {
  const looked = new Set<Part>();
  const anySaga = watchSaga(saga as unknown as Saga, (part) => looked.add(part));
  const all = messages as unknown as ReadonlyArray<SagaMessage>;
  const { seed = 1, samples = 2_000, schedulesMax = 1_000_000, followers = 0 } = options as AnyOptions;
  const sagaId = sagaIdOf(all);
  const tree = logTree(anySaga, instanceOf(anySaga, defaultTenant, sagaId));
  const locals = localsOf(anySaga, tree, looked);
  const judging = {
    saga: anySaga,
    invariants: namedInvariants(options.invariants as AnyOptions['invariants']),
    view: options.view as AnyOptions['view'],
    equals: options.equals,
    mayPark: options.mayPark ?? false,
    looked,
  };
  const empty: Exploring = { saga: anySaga, sagaId, tree, locals, judging, from: tree.root };
  const exploring = { ...empty, from: await prepare(empty, options.given ?? []) };
  const actors = actorsOf(exploring, all, namesOf(all), Number(followers));
  const budget = {
    runsMax: schedulesMax,
    seed,
    samples,
    sampleOnly: all.length > messagesMax || schedulesMax === 0,
  };
  const explored = await explore(exploring, actors, budget);
  const { complete, schedules, ran, ends } = explored;
  const failure = explored.failing && (await smallest(exploring, actors, explored, budget));
  return {
    complete,
    schedules,
    ran,
    equivalent: schedules === undefined ? undefined : Math.max(0, schedules - ran),
    ends,
    ...(!complete && { sampled: { seed, schedules: ran } }),
    ...(failure !== undefined && { failure }),
  };
};

/** Fewer messages that fail alike are easier to think about. An invariant may speak of all messages, so that these keep theirs. */
const smallest = async (
  exploring: Exploring,
  actors: ReadonlyArray<Actor>,
  explored: Explored,
  budget: Parameters<typeof explore>[2],
): Promise<InterleavingFailure> => {
  const kind = explored.failing?.verdict.kind as FailureKind;
  const handlers = actors.filter(({ isFollower }) => !isFollower);
  const followers = actors.filter(({ isFollower }) => isFollower);
  for (let size = 2; kind !== 'invariant' && size < Math.min(handlers.length, 4); size += 1)
    for (const some of subsets(handlers, size)) {
      const fewer = await explore(exploring, [...some, ...followers], { ...budget, sampleOnly: false });
      if (fewer.failing?.verdict.kind === kind)
        return failureOf(exploring, some, fewer, `${size} of the ${handlers.length} messages are enough`);
    }
  return failureOf(exploring, handlers, explored, '');
};

const failureOf = (
  { saga }: Exploring,
  handlers: ReadonlyArray<Actor>,
  { failing, complete, schedules, ran }: Explored,
  note: string,
): InterleavingFailure => {
  const { verdict, steps, node } = failing as NonNullable<Explored['failing']>;
  const how =
    complete && schedules !== undefined
      ? `${counted(schedules, 'schedule')} of these messages, all accounted for`
      : `${counted(ran, 'schedule')} sampled`;
  const headline = `${headlines[verdict.kind]} (${[how, note].filter((part) => part !== '').join('; ')})`;
  const messages = handlers.map(({ name }) => name);
  return {
    kind: verdict.kind,
    report: reportText(verdict, steps, node, { saga: saga.name, headline, messages }),
    schedule: steps,
    messages: handlers.map(({ messageId }) => messageId as string),
  };
};

/** The same, as an assertion: throws an error whose message is the report. Answers the exploration where all is well. */
export const assertConverges = async <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  messages: ReadonlyArray<SagaMessage<M>>,
  options: InterleavingOptions<S, Ev, M> = {},
): Promise<Exploration> => {
  const exploration = await exploreInterleavings(saga, messages, options);
  if (exploration.failure !== undefined) throw new Error(exploration.failure.report);
  return exploration;
};
