/** Tries a saga's merger against the laws of merging, over histories that its own handlers make. */
import type * as fc from 'fast-check';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Saga, StateOfSaga } from '../../core/saga/saga.js';
import { arbitrariesFor } from './arbitraries.js';
import { areStoredEqual, invariant, type Law, laws, purity } from './laws.js';
import type { Track } from './play.js';
import {
  counterexampleOf,
  type LawName,
  type LawResult,
  type MergerCounterexample,
  type MergerReport,
  reportText,
  type ReportWords,
} from './report.js';
import { layTrack, scenarios, type StepKind } from './scenario.js';
import { chooseLaws, type Equals, seedOf, type Trial, tryLaws } from './try-laws.js';

export interface CheckMergerOptions<S = unknown> {
  /** For each type of message (with `steps: 'events'`, of event) whose data cannot be derived from its codec, or should be likelier to meet. */
  readonly arbitraries?: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  /** Histories tried for each law, 1 or more. Default 300. */
  readonly runs?: number;
  /** The same seed tries the same histories. Default: a random one, which the report names. */
  readonly seed?: number;
  /** Of a counterexample, as its report gives it: goes straight to it. Only together with `seed` and one law in `laws`. */
  readonly path?: string;
  /** Default: all, and every invariant. */
  readonly laws?: ReadonlyArray<LawName>;
  /** What must hold of a merged state wherever it holds of trunk and branches, by name. */
  readonly invariants?: Readonly<Record<string, (state: S) => boolean>>;
  /** When two states are the same. Default: they are written as the same JSON, whatever the order of their keys. */
  readonly equals?: (a: S, b: S) => boolean;
  /**
   * What a history is made of. `messages` (default) are handled by `react`, so that only states occur that can occur.
   * `events` are drawn from the codecs of the events: states that no handler leads to occur as well, and ids or tags in them
   * are not unique.
   */
  readonly steps?: StepKind;
  /** Whether the state after a merge is the one after `onMerged`, as in the stream, or the merger's own. Default true. */
  readonly withOnMerged?: boolean;
}

const chosenLaws = (options: CheckMergerOptions): ReadonlyArray<Law> => {
  const invariants = Object.entries(options.invariants ?? {}).map(([name, holds]) => invariant(name, holds));
  return chooseLaws('checkMerger', [...purity, ...laws, ...invariants], options);
};

const wordsOf = (name: string): ReportWords => ({
  subject: `The merger of ${name}`,
  untested: 'was not asked: no history led to a conflict',
  advice: 'Give `arbitraries` with which handlers decide something that does not commute.',
});

/**
 * Tries the laws of merging on random histories of the saga, each played by the engine itself, without a store. Answers a
 * report; throws a TypeError where the saga has no merger or the options do not fit, and an `Error` whose `tagged` is
 * `ArbitraryMissing` where no data can be derived for a type.
 *
 * A law holds where both of its ways lead to one state, or both are refused. A refusal of a branch that changed nothing, or
 * of one on a trunk that did not move, is counted and breaks no law: nothing wrong is written. States count, not the events
 * that are accepted or added: it is the state that the stream keeps.
 */
export const checkMerger = <T extends Saga>(
  saga: T,
  options: CheckMergerOptions<StateOfSaga<T>> = {},
): MergerReport => {
  if (saga.merger === undefined)
    throw new TypeError(
      `checkMerger: saga ${saga.name} has no merger, it answers a conflict by ${saga.onConflict}`,
    );
  const kind = options.steps ?? 'messages';
  const seed = seedOf(options);
  const checked: Saga<unknown, AnyEvent> =
    options.withOnMerged === false ? { ...saga, onMerged: undefined } : saga;
  const data = arbitrariesFor('checkMerger', `${saga.name} has no ${kind}`, saga[kind], options.arbitraries);
  const trial: Trial<Track, MergerCounterexample> = {
    histories: scenarios(data).map((scenario) => () => layTrack(checked, kind, scenario)),
    purity,
    exampleOf: counterexampleOf,
    equals: (options.equals as Equals | undefined) ?? areStoredEqual(checked),
    seed,
    runs: options.runs ?? 300,
    path: options.path,
  };
  // Their names are those of the laws that were chosen.
  const results = tryLaws(trial, chosenLaws(options as CheckMergerOptions)) as ReadonlyArray<LawResult>;
  const ok = results.every(({ status }) => status === 'holds');
  return { ok, saga: saga.name, seed, laws: results, text: reportText(wordsOf(saga.name), seed, results) };
};

/** As `checkMerger`, but throws an `Error` with the report's text unless every law holds; else it answers the report. */
export const assertMerger = <T extends Saga>(
  saga: T,
  options: CheckMergerOptions<StateOfSaga<T>> = {},
): MergerReport => {
  const report = checkMerger(saga, options);
  if (!report.ok) throw new Error(report.text);
  return report;
};
