/** What tries of an aggregate's conflicts share: their options, the run of the laws, and the counterexample in words. */
import type * as fc from 'fast-check';
import type { Definitions } from '../../core/codec.js';
import type { StateOf } from '../../core/decider.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import {
  type AggregateStepKind,
  type AggregateTrack,
  aggregateScenarios,
  type AnyAggregate,
  layAggregateTrack,
} from './aggregate-scenario.js';
import { arbitrariesFor } from './arbitraries.js';
import { areStoredEqual } from './laws.js';
import { resultLines, stateLines, stepText } from './text.js';
import {
  type BreachOf,
  chooseLaws,
  type Equals,
  type LawOf,
  type Shown,
  type Tried,
  tryLaws,
} from './try-laws.js';

/** The smallest conflict that was found to break a law. States and events are decoded values. */
export interface AggregateCounterexample {
  readonly problem: string;
  /** What the aggregate had handled before both sides began. */
  readonly before: ReadonlyArray<AnyEvent>;
  readonly original: unknown;
  readonly theirs: ReadonlyArray<AnyEvent>;
  readonly current: unknown;
  readonly ours: ReadonlyArray<AnyEvent>;
  readonly attempted: unknown;
  /** What came of it. Where there are two, they should be equal. */
  readonly merged: ReadonlyArray<Shown>;
  /** For the option `path`; empty where the second time nothing was broken. */
  readonly path: string;
  readonly text: string;
}

/** How conflicts of an aggregate are made up. */
export interface AggregateTrialOptions<A extends AnyAggregate = AnyAggregate> {
  /** For each type of command (with `steps: 'events'`, of event) whose data cannot be derived from its codec, or should be likelier to meet. */
  readonly arbitraries?: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  /** Conflicts tried for each law, 1 or more. Default 300. */
  readonly runs?: number;
  /** The same seed tries the same conflicts. Default: a random one, which the report names. */
  readonly seed?: number;
  /** Of a counterexample, as its report gives it: goes straight to it. Only together with `seed` and one law in `laws`. */
  readonly path?: string;
  /** When two states are the same. Default: they are written as the same JSON, whatever the order of their keys. */
  readonly equals?: (a: StateOf<A>, b: StateOf<A>) => boolean;
  /**
   * What a history is made of. `commands` (default) are decided by the aggregate, so that only states occur that can occur.
   * `events` are drawn from the codecs of the events.
   */
  readonly steps?: AggregateStepKind;
}

const sideLines = (
  name: string,
  label: string,
  events: ReadonlyArray<AnyEvent>,
  state: unknown,
): ReadonlyArray<string> => [
  `  ${name}`,
  ...(events.length === 0 ? ['    nothing'] : events.map((event) => `    ${stepText(event)}`)),
  ...stateLines([{ label: `= ${label}`, value: state }]),
];

/** The history and both sides as text, by event. */
const trackLines = ({ before, theirs, ours }: AggregateTrack): ReadonlyArray<string> => [
  ...sideLines('before', 'original', before.events, before.state),
  ...sideLines('theirs', 'current', theirs.events, theirs.state),
  ...sideLines('ours', 'attempted', ours.events, ours.state),
];

const counterexampleOf =
  (call: string) =>
  (
    { problem, track, merged }: BreachOf<AggregateTrack>,
    law: LawOf<AggregateTrack>,
    path: string,
    seed: number,
  ): AggregateCounterexample => {
    const where = path === '' ? '' : `, path: '${path}'`;
    const title = law.formula === undefined ? law.name : `${law.name}: ${law.formula}`;
    const shown = [`  ${problem}`, '', ...trackLines(track), ...resultLines(merged)];
    const again = `  Again: ${call} seed: ${seed}, laws: ['${law.name}']${where} })`;
    return {
      problem,
      before: track.before.events,
      original: track.before.state,
      theirs: track.theirs.events,
      current: track.theirs.state,
      ours: track.ours.events,
      attempted: track.ours.state,
      merged,
      path,
      text: [title, ...shown.map((line) => line.trimEnd()), '', again].join('\n'),
    };
  };

interface Tries {
  /** The function that is called, for what it throws; and its call, for `Again:`. */
  readonly caller: string;
  readonly call: string;
  readonly purity: ReadonlyArray<LawOf<AggregateTrack>>;
  readonly laws: ReadonlyArray<LawOf<AggregateTrack>>;
  readonly seed: number;
}

/** Tries the laws on random conflicts of the aggregate. */
export const tryOnAggregate = <A extends AnyAggregate>(
  aggregate: A,
  { caller, call, purity, laws, seed }: Tries,
  options: AggregateTrialOptions<A> & { readonly laws?: ReadonlyArray<string> },
): ReadonlyArray<Tried<AggregateCounterexample>> => {
  const kind = options.steps ?? 'commands';
  const lacks = `${aggregate.category} has no ${kind}`;
  const data = arbitrariesFor(caller, lacks, aggregate[kind] as Definitions, options.arbitraries);
  const histories = aggregateScenarios(data).map(
    (scenario) => () => layAggregateTrack(caller, aggregate, kind, scenario),
  );
  const equals = (options.equals as Equals | undefined) ?? areStoredEqual(aggregate);
  const { runs = 300, path } = options;
  const trial = { histories, purity, exampleOf: counterexampleOf(call), equals, seed, runs, path };
  return tryLaws(trial, chooseLaws(caller, laws, options));
};
