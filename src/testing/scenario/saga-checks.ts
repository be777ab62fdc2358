/** What a saga's scenario is checked for, one aspect or several at a time. */
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Handled } from '../../runtime/saga/saga-context.js';
import type { MessageConflict } from '../../runtime/saga/saga-context.js';
import { type Expected, linesOf, meets } from './expected.js';
import { difference, placeOf, scenarioFailed, type Story, valueDifference } from './failure.js';
import type { Compensated, SagaOutcome } from './outcome.js';

type Parts<T> = { readonly [K in keyof T]?: Expected<T[K]> };
/** A compensation by its hook, and by as much more as is named. */
export type ExpectedCompensation = Pick<Compensated, 'hook'> & Parts<Omit<Compensated, 'hook'>>;
/** A message by its type and data; its key is compared where it is named. */
export type ExpectedMessage<Out> = Expected<Out>;

/** Aspects of an outcome; those that are left out are not checked. */
export interface SagaExpectation<S, Ev, Out> {
  readonly state?: Expected<S>;
  readonly events?: ReadonlyArray<Expected<Ev>>;
  readonly sent?: ReadonlyArray<ExpectedMessage<Out>>;
  readonly cancelled?: ReadonlyArray<ExpectedMessage<Out>>;
  readonly held?: ReadonlyArray<ExpectedMessage<Out>>;
  readonly compensations?: ReadonlyArray<ExpectedCompensation>;
  readonly completed?: boolean;
  /** The refusal that parked the saga, by as much as is named; `undefined` where none is expected. */
  readonly refused?: Parts<NonNullable<SagaOutcome['refused']>> | undefined;
  /** Tags of the answers, in the order of the messages: `['Appended', 'Merged']`. */
  readonly handled?: ReadonlyArray<SagaOutcome['handled'][number]['_tag']>;
}

interface Checks<S, Ev, Out> {
  /** Branches were merged, none waits, and the state after that is this one. */
  readonly thenMerged: (state?: Expected<S>) => SagaThen<S, Ev, Out>;
  readonly thenState: (state: Expected<S>) => SagaThen<S, Ev, Out>;
  /** All messages that left, in order. */
  readonly thenSent: (messages: ReadonlyArray<ExpectedMessage<Out>>) => SagaThen<S, Ev, Out>;
  /** Messages that will not leave, in order. */
  readonly thenCancelled: (messages: ReadonlyArray<ExpectedMessage<Out>>) => SagaThen<S, Ev, Out>;
  /** Messages that wait with their branches, because the merge was refused. */
  readonly thenHeld: (messages: ReadonlyArray<ExpectedMessage<Out>>) => SagaThen<S, Ev, Out>;
  readonly thenCompensations: (compensations: ReadonlyArray<ExpectedCompensation>) => SagaThen<S, Ev, Out>;
  readonly thenCompleted: () => SagaThen<S, Ev, Out>;
  /** A message was given back with a conflict, as `reject` does and `retry` after its last attempt. */
  readonly thenConflict: (conflict?: Parts<MessageConflict>) => SagaThen<S, Ev, Out>;
}

/** The outcome, as a promise that rejects where a check fails, with more checks. */
export interface SagaThen<S, Ev, Out> extends Promise<SagaOutcome<S, Ev, Out>>, Checks<S, Ev, Out> {}

export interface SagaWhen<S, Ev, Out> extends Checks<S, Ev, Out> {
  /** Several aspects in one. */
  readonly then: (expected: SagaExpectation<S, Ev, Out>) => SagaThen<S, Ev, Out>;
  /** The outcome, for checks of one's own. */
  readonly run: () => Promise<SagaOutcome<S, Ev, Out>>;
}

type Check = (outcome: SagaOutcome, story: Story, place: Error) => void;

const answers: ReadonlySet<string> = new Set<Handled['_tag']>([
  'Appended',
  'Merged',
  'Branched',
  'Duplicate',
  'Nothing',
  'Completed',
  'TimeoutIgnored',
]);

/** The fields of an item that are spoken of: its type, its data, and whatever else is named. */
const spokenOf = (expected: unknown, item: object, always: ReadonlyArray<string>): unknown => {
  const isNamed = typeof expected === 'object' && expected !== null && !('asymmetricMatch' in expected);
  const named = isNamed ? Object.keys(expected) : [];
  const keys = new Set([...always, ...named]);
  return Object.fromEntries(Object.entries(item).filter(([key]) => keys.has(key)));
};

/** Items that nobody expected are shown with their data. */
const itemsSpokenOf = (
  expected: unknown,
  items: ReadonlyArray<object>,
  always: ReadonlyArray<string>,
): ReadonlyArray<unknown> => {
  const wanted: ReadonlyArray<unknown> = Array.isArray(expected) ? expected : [];
  return items.map((item, index) =>
    index < wanted.length
      ? spokenOf(wanted[index], item, always)
      : spokenOf(undefined, item, [...always, 'data']),
  );
};

/** An outcome's side of an aspect, in the words of what is expected. */
const actualOf = (
  aspect: keyof SagaExpectation<unknown, unknown, unknown>,
  expected: unknown,
  outcome: SagaOutcome,
) => {
  switch (aspect) {
    case 'sent':
    case 'cancelled':
    case 'held':
      return itemsSpokenOf(expected, outcome[aspect], ['type', 'data']);
    case 'compensations':
      return itemsSpokenOf(expected, outcome.compensations, ['hook']);
    case 'refused':
      return outcome.refused === undefined
        ? undefined
        : expected === undefined
          ? spokenOf(undefined, outcome.refused, ['reason', 'paths'])
          : spokenOf(expected, outcome.refused, []);
    case 'handled':
      return outcome.handled.map(({ _tag }) => _tag);
    case 'state':
    case 'events':
    case 'completed':
      return outcome[aspect];
  }
};

const drawn = (outcome: SagaOutcome): ReadonlyArray<string> =>
  outcome.stream.length === 0 ? ['the stream is empty'] : outcome.drawing.split('\n');

const fail = (
  outcome: SagaOutcome,
  story: Story,
  place: Error,
  what: string,
  parts: ReadonlyArray<ReadonlyArray<string>>,
) => scenarioFailed(place, story, what, [...parts, drawn(outcome)]);

const checkAll =
  (expected: SagaExpectation<unknown, unknown, unknown>): Check =>
  (outcome, story, place) => {
    const failing = outcome.handled.find(({ _tag }) => !answers.has(_tag) && _tag !== 'ConcurrencyConflict');
    if (failing !== undefined && expected.handled === undefined)
      throw fail(outcome, story, place, 'a message was not handled', []);
    const keys = Object.keys(expected) as ReadonlyArray<keyof typeof expected>;
    const aspects = keys.filter((aspect) => expected[aspect] !== undefined || aspect === 'refused');
    const wrong = aspects.flatMap((aspect) => {
      const actual = actualOf(aspect, expected[aspect], outcome);
      return meets(expected[aspect], actual) ? [] : [{ aspect, actual }];
    });
    if (wrong.length === 0) return;
    const parts = wrong.map(({ aspect, actual }) => [
      `${aspect}:`,
      ...valueDifference(expected[aspect], actual),
    ]);
    const names = wrong.map(({ aspect }) => aspect).join(', ');
    throw fail(outcome, story, place, `not as expected: ${names}`, parts);
  };

const checkMerged: Check = (outcome, story, place) => {
  const live = outcome.conflicts.filter((conflict) => conflict.outcome._tag !== 'Void');
  if (live.length === 0) throw fail(outcome, story, place, 'nothing diverged, so nothing was merged', []);
  if (live.some((conflict) => conflict.outcome._tag !== 'Merged')) {
    const why = outcome.refused === undefined ? [] : [[`refused: ${outcome.refused.reason}`]];
    throw fail(outcome, story, place, 'a branch waits and is not merged', why);
  }
};

const checkConflict =
  (expected: object): Check =>
  (outcome, story, place) => {
    const conflicts = outcome.handled.filter(({ _tag }) => _tag === 'ConcurrencyConflict');
    const sides = conflicts.map((conflict) => spokenOf(expected, conflict, []));
    if (sides.some((side) => meets(expected, side))) return;
    const parts = sides.map((side) => valueDifference(expected, side));
    if (parts.length === 0) parts.push(difference(`a conflict ${linesOf(expected)}`, 'no conflict'));
    throw fail(outcome, story, place, 'no message was given back with such a conflict', parts);
  };

/** The checks over an outcome that is yet to come; each adds itself to those before it. */
const chain = <S, Ev extends AnyEvent, Out extends AnyEvent>(
  before: () => Promise<SagaOutcome<S, Ev, Out>>,
  story: (outcome: SagaOutcome) => Story,
): SagaWhen<S, Ev, Out> => {
  const add = (place: Error, ...all: ReadonlyArray<Check>): SagaThen<S, Ev, Out> => {
    const checked = before().then((outcome) => {
      for (const check of all) check(outcome, story(outcome), place);
      return outcome;
    });
    const { then: _then, run: _run, ...more } = chain(() => checked, story);
    return Object.assign(checked, more);
  };
  const self: SagaWhen<S, Ev, Out> = {
    run: before,
    then: (...args: ReadonlyArray<unknown>) => {
      const [expected] = args;
      // A promise is asked with functions, by `await`; a test asks with an expectation.
      if (typeof expected !== 'object' || expected === null)
        return before().then(...(args as [])) as unknown as SagaThen<S, Ev, Out>;
      return add(placeOf(self.then), checkAll(expected));
    },
    thenMerged: (...state) => {
      const more = state.length === 0 ? [] : [checkAll({ state: state[0] })];
      return add(placeOf(self.thenMerged), checkAll({}), checkMerged, ...more);
    },
    thenState: (state) => add(placeOf(self.thenState), checkAll({ state })),
    thenSent: (sent) => add(placeOf(self.thenSent), checkAll({ sent })),
    thenCancelled: (cancelled) => add(placeOf(self.thenCancelled), checkAll({ cancelled })),
    thenHeld: (held) => add(placeOf(self.thenHeld), checkAll({ held })),
    thenCompensations: (compensations) => add(placeOf(self.thenCompensations), checkAll({ compensations })),
    thenCompleted: () => add(placeOf(self.thenCompleted), checkAll({ completed: true })),
    thenConflict: (conflict = {}) => add(placeOf(self.thenConflict), checkAll({}), checkConflict(conflict)),
  };
  return self;
};

/** The checks of one scenario. It is played once, when first asked for. */
export const sagaChecks = <S, Ev extends AnyEvent, Out extends AnyEvent>(
  run: () => Promise<SagaOutcome<S, Ev, Out>>,
  story: (outcome: SagaOutcome) => Story,
): SagaWhen<S, Ev, Out> => {
  let running: Promise<SagaOutcome<S, Ev, Out>> | undefined;
  return chain(() => (running ??= run()), story);
};
