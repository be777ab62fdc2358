/** Random histories of an aggregate: what it had done, and two saves that began from there, each decided by its own rules. */
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decodeCommand, encodeEvent } from '../../core/aggregate-codec.js';
import { type Definitions, encodeTagged, encodeWith } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import { deepFreeze, isJsonEqual, type Json } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { ResolverConflict } from '../../core/concurrency/resolver.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an aggregate of any types, which are inferred where it is defined
export type AnyAggregate = Aggregate<any, any, any, any>;

/** What a history is made of: commands, decided as a runtime would; or events, recorded whether or not a rule would. */
export type AggregateStepKind = 'commands' | 'events';

export interface AggregateStep {
  readonly type: string;
  readonly data: unknown;
}

export interface AggregateScenario {
  readonly before: ReadonlyArray<AggregateStep>;
  readonly theirs: ReadonlyArray<AggregateStep>;
  readonly ours: ReadonlyArray<AggregateStep>;
}

/** One line of a stream: where it began, what was handled, what came of it. */
export interface Line {
  readonly from: unknown;
  readonly steps: ReadonlyArray<AggregateStep>;
  readonly events: ReadonlyArray<AnyEvent>;
  readonly state: unknown;
}

export interface AggregateTrack {
  readonly rules: AnyAggregate;
  readonly kind: AggregateStepKind;
  readonly before: Line;
  readonly theirs: Line;
  readonly ours: Line;
}

export const aggregateScenarios = (
  data: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<AggregateScenario> => {
  const step: fc.Arbitrary<AggregateStep> = fc.oneof(
    ...Object.entries(data).map(([type, value]) => fc.record({ type: fc.constant(type), data: value })),
  );
  // Mostly one against one, so that every pair of types meets alone before long.
  const side = fc
    .tuple(fc.array(step, { maxLength: 3 }), fc.nat({ max: 2 }))
    .map(([steps, long]) => (long === 2 ? steps : steps.slice(-1)));
  return fc.record({ before: fc.array(step, { maxLength: 4 }), theirs: side, ours: side });
};

const mistaken = (caller: string, type: string, message: string): TypeError =>
  new TypeError(`${caller}: the arbitrary of ${type} gives what its codec refuses: ${message}`);

/** What a step comes to on a state; `undefined` where the rules reject it, or throw on it. */
const decided = (
  caller: string,
  rules: AnyAggregate,
  kind: AggregateStepKind,
  state: unknown,
  step: AggregateStep,
): ReadonlyArray<AnyEvent> | undefined => {
  if (kind === 'events') return [step];
  const encoded = encodeTagged(rules.commands as Definitions, step);
  if (E.isLeft(encoded)) throw mistaken(caller, step.type, encoded.left.message);
  const command = decodeCommand(rules.commands as Definitions, encoded.right);
  if (E.isLeft(command)) throw mistaken(caller, step.type, command.left.message);
  try {
    const decision = rules.decide(state, command.right);
    return E.isLeft(decision) ? undefined : (decision.right as ReadonlyArray<AnyEvent>);
  } catch {
    return undefined;
  }
};

/** An event as it is read back from a stream; `undefined` where it cannot be written. */
const stored = (rules: AnyAggregate, event: AnyEvent): AnyEvent | undefined => {
  const encoded = encodeEvent(rules.events as Definitions, event);
  return E.isLeft(encoded) ? undefined : (encoded.right.event as AnyEvent);
};

export const isStorableState = (rules: AnyAggregate, state: unknown): boolean =>
  E.isRight(encodeWith('state', rules.state, state));

/** Events folded on a state; what is wrong with them, in words, where they cannot be. */
export const foldStored = (
  rules: AnyAggregate,
  from: unknown,
  events: ReadonlyArray<AnyEvent>,
): E.Either<string, unknown> => {
  let state = from;
  for (const event of events) {
    const encoded = encodeEvent(rules.events as Definitions, event);
    if (E.isLeft(encoded)) return E.left(encoded.left.message);
    try {
      state = deepFreeze(rules.evolve(state, encoded.right.event)) as unknown;
    } catch (thrown) {
      return E.left(
        `evolve threw on ${event.type}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      );
    }
  }
  return isStorableState(rules, state) ? E.right(state) : E.left('the state after it cannot be stored');
};

/** Plays steps from a state on; those that come to nothing, or to what cannot be stored, are left out. */
const layLine = (
  caller: string,
  rules: AnyAggregate,
  kind: AggregateStepKind,
  from: unknown,
  steps: ReadonlyArray<AggregateStep>,
): Line => {
  let line: Line = { from, steps: [], events: [], state: from };
  for (const step of steps) {
    const made = decided(caller, rules, kind, line.state, step)?.map((event) => stored(rules, event));
    if (made === undefined || made.length === 0) continue;
    const events = made.filter((event) => event !== undefined);
    const state = foldStored(rules, line.state, events);
    if (events.length < made.length || E.isLeft(state)) continue;
    line = { from, steps: [...line.steps, step], events: [...line.events, ...events], state: state.right };
  }
  return line;
};

export const layAggregateTrack = (
  caller: string,
  rules: AnyAggregate,
  kind: AggregateStepKind,
  scenario: AggregateScenario,
): AggregateTrack => {
  const lay = (from: unknown, steps: ReadonlyArray<AggregateStep>): Line =>
    layLine(caller, rules, kind, from, steps);
  const before = lay(rules.initialState, scenario.before);
  return {
    rules,
    kind,
    before,
    theirs: lay(before.state, scenario.theirs),
    ours: lay(before.state, scenario.ours),
  };
};

/** What the steps of a line decide when they are handled on another state; `undefined` where one of them is rejected there. */
export const decidedAgain = (
  caller: string,
  { rules, kind, ours }: AggregateTrack,
  from: unknown,
): ReadonlyArray<AnyEvent> | undefined => {
  const line = layLine(caller, rules, kind, from, ours.steps);
  return line.steps.length === ours.steps.length ? line.events : undefined;
};

/** Whether two lists of events are written alike. */
export const areEventsEqual = (
  rules: AnyAggregate,
  some: ReadonlyArray<AnyEvent>,
  others: ReadonlyArray<AnyEvent>,
): boolean => {
  const written = (events: ReadonlyArray<AnyEvent>): Json =>
    events.map((event) => {
      const encoded = encodeTagged(rules.events as Definitions, event);
      return E.isRight(encoded) ? { type: event.type, data: encoded.right.data } : { type: event.type };
    });
  return isJsonEqual(written(some), written(others));
};

/** A save that came to nothing, in the place of one side. */
export const without = (track: AggregateTrack, side: 'ours' | 'theirs'): AggregateTrack => ({
  ...track,
  [side]: { from: track.before.state, steps: [], events: [], state: track.before.state },
});

/** Both sides in each other's place. */
export const swapped = (track: AggregateTrack): AggregateTrack => ({
  ...track,
  ours: track.theirs,
  theirs: track.ours,
});

export type ConflictData = Omit<ResolverConflict<unknown>, 'rules'>;

/** The conflict that a repository would give to a resolver, but for the rules: frozen, and made anew at each call. */
export const conflictOfTrack = ({ before, theirs, ours }: AggregateTrack): ConflictData =>
  deepFreeze({
    original: before.state,
    current: theirs.state,
    attempted: ours.state,
    ours: ours.events.map((event) => ({ ...event })),
    theirs: theirs.events.map((event) => ({ ...event })),
  });
