/** Scenarios of aggregates: given events, when a command, then events or a rejection. Pure: no store, no promise to wait for. */
import * as E from 'fp-ts/lib/Either.js';
import { type CommandInput, decodeCommand, encodeEvent } from '../../core/aggregate-codec.js';
import type { Definitions, TaggedOf } from '../../core/codec.js';
import { type Aggregate, fold } from '../../core/decider.js';
import { deepFreeze } from '../../core/json.js';
import { type Expected, linesOf, meets } from './expected.js';
import { difference, placeOf, scenarioFailed, type Story, storyLines, valueDifference } from './failure.js';

/** What a command came to. */
export interface AggregateOutcome<Event, State, Rejection> {
  /** What was decided, as it would be read back from a store; none where the command was rejected. */
  readonly events: ReadonlyArray<Event>;
  /** `undefined` where the command was accepted. */
  readonly rejection: Rejection | undefined;
  readonly isRejected: boolean;
  /** After the events; where the command was rejected, the state it was decided on. */
  readonly state: State;
}

/**
 * Checks of one command. Each fails at once, with an error that shows the difference, and answers the same checks again.
 * It can also stand where a promise is wanted, as the answer of a test function; nothing has to be awaited.
 */
export interface AggregateThen<Event, State, Rejection>
  extends Pick<
    Promise<AggregateOutcome<Event, State, Rejection>>,
    'then' | 'catch' | 'finally' | typeof Symbol.toStringTag
  > {
  readonly outcome: AggregateOutcome<Event, State, Rejection>;
  /** The command was rejected; with just this where it is given. */
  readonly thenRejected: (rejection?: Expected<Rejection>) => AggregateThen<Event, State, Rejection>;
  /** The command was accepted, and nothing had to happen. */
  readonly thenNothing: () => AggregateThen<Event, State, Rejection>;
  /** The state after what was decided. */
  readonly thenState: (state: Expected<State>) => AggregateThen<Event, State, Rejection>;
}

export interface AggregateWhen<Event, State, Rejection>
  extends Pick<
    AggregateThen<Event, State, Rejection>,
    'outcome' | 'thenRejected' | 'thenNothing' | 'thenState'
  > {
  /** The command was accepted, and came to just these events. */
  readonly then: (events: ReadonlyArray<Expected<Event>>) => AggregateThen<Event, State, Rejection>;
}

export interface AggregateScenario<Commands extends Definitions, Event, State, Rejection> {
  /** What has happened before, oldest first; more is added to what was given before. */
  readonly given: (events: ReadonlyArray<Event>) => AggregateScenario<Commands, Event, State, Rejection>;
  /** The command, as it comes from outside. What `decide` or `evolve` throws is thrown from here. */
  readonly when: (command: CommandInput<Commands>) => AggregateWhen<Event, State, Rejection>;
}

type Outcome<Events extends Definitions, State, Rejection> = AggregateOutcome<
  TaggedOf<Events>,
  State,
  Rejection
>;

const shown = (events: ReadonlyArray<unknown>, rejection: unknown, isRejected: boolean): string =>
  isRejected ? `rejected: ${linesOf(rejection)}` : `accepted: ${linesOf(events)}`;

const checks = <Events extends Definitions, State, Rejection>(
  story: Story,
  outcome: Outcome<Events, State, Rejection>,
): AggregateWhen<TaggedOf<Events>, State, Rejection> => {
  const { events, rejection, isRejected, state } = outcome;
  const promise = Promise.resolve(outcome);
  const thenEvents = (expected: ReadonlyArray<unknown>, place: Error, what: string): void => {
    if (isRejected) {
      const parts = [difference(shown(expected, undefined, false), shown(events, rejection, true))];
      throw scenarioFailed(place, story, 'the command was rejected', parts);
    }
    if (!meets(expected, events))
      throw scenarioFailed(place, story, what, [valueDifference(expected, events)]);
  };
  const all: AggregateThen<TaggedOf<Events>, State, Rejection> = {
    outcome,
    then: (...args: ReadonlyArray<unknown>) => {
      const [expected] = args;
      // A promise is asked with functions, by `await` and by test runners; a test asks with events.
      if (!Array.isArray(expected))
        return promise.then(...(args as Parameters<typeof promise.then>)) as never;
      thenEvents(expected, placeOf(all.then), 'the events are not those expected');
      return all as never;
    },
    thenNothing: () => {
      thenEvents([], placeOf(all.thenNothing), 'something was decided where nothing was expected');
      return all;
    },
    thenRejected: (...expected) => {
      const place = placeOf(all.thenRejected);
      if (!isRejected) {
        const wanted = expected.length === 0 ? 'rejected' : shown([], expected[0], true);
        const parts = [difference(wanted, shown(events, undefined, false))];
        throw scenarioFailed(place, story, 'the command was accepted, a rejection was expected', parts);
      }
      if (expected.length > 0 && !meets(expected[0], rejection))
        throw scenarioFailed(place, story, 'the rejection is not the one expected', [
          valueDifference(expected[0], rejection),
        ]);
      return all;
    },
    thenState: (expected) => {
      if (!meets(expected, state))
        throw scenarioFailed(placeOf(all.thenState), story, 'the state is not the one expected', [
          valueDifference(expected, state),
        ]);
      return all;
    },
    catch: (onRejected) => promise.catch(onRejected),
    finally: (onFinally) => promise.finally(onFinally),
    [Symbol.toStringTag]: 'AggregateThen',
  };
  return all as unknown as AggregateWhen<TaggedOf<Events>, State, Rejection>;
};

/** Events as a stream would give them back; what a codec does not accept is a mistake of the test or of the rules. */
const throughCodec = <Events extends Definitions>(
  definitions: Events,
  events: ReadonlyArray<{ readonly type: string; readonly data: unknown }>,
  fail: (problem: string) => Error,
): ReadonlyArray<TaggedOf<Events>> =>
  events.map((event) => {
    const encoded = encodeEvent(definitions, event);
    if (E.isLeft(encoded)) throw fail(encoded.left.message);
    return encoded.right.event;
  });

export const aggregateScenario = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  rules: Aggregate<Commands, Events, State, Rejection>,
  past: ReadonlyArray<TaggedOf<Events>> = [],
): AggregateScenario<Commands, TaggedOf<Events>, State, Rejection> => {
  const storyOf = (...more: ReadonlyArray<string>): Story => ({
    of: rules.category,
    lines: [...storyLines('given', past), ...more],
  });
  const self: AggregateScenario<Commands, TaggedOf<Events>, State, Rejection> = {
    given: (events) => {
      const place = placeOf(self.given);
      const read = throughCodec(rules.events, events, (problem) =>
        scenarioFailed(place, storyOf(), 'a given event cannot be stored', [[problem]]),
      );
      return aggregateScenario(rules, [...past, ...read]);
    },
    when: (command) => {
      const place = placeOf(self.when);
      const story = storyOf(...storyLines('when', [command]));
      const decoded = decodeCommand(rules.commands, command);
      if (E.isLeft(decoded))
        throw scenarioFailed(place, story, 'the command is none that its codec accepts', [
          [decoded.left.message],
        ]);
      const before = fold(rules, past);
      const decision = rules.decide(deepFreeze(before), decoded.right);
      if (E.isLeft(decision))
        return checks<Events, State, Rejection>(story, {
          events: [],
          rejection: decision.left,
          isRejected: true,
          state: before,
        });
      const events = throughCodec(rules.events, decision.right, (problem) =>
        scenarioFailed(place, story, 'a decided event cannot be stored', [[problem]]),
      );
      const state = fold(rules, events, before);
      return checks<Events, State, Rejection>(story, {
        events,
        rejection: undefined,
        isRejected: false,
        state,
      });
    },
  };
  return self;
};
