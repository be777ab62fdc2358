/** Tries a saga's merger against the laws of merging, over histories that its own handlers make. */
import * as fc from 'fast-check';
import type { AnyEvent } from '../../core/merge.js';
import type { Saga, StateOfSaga } from '../../core/saga.js';
import { arbitraryOf } from './arbitraries.js';
import {
  areStoredEqual,
  type Breach,
  type Equals,
  invariant,
  type Law,
  laws,
  purity,
  type Verdict,
} from './laws.js';
import type { Track } from './play.js';
import { guardPrototypes } from './purity.js';
import { layTrack, scenarios, type StepKind } from './scenario.js';
import {
  counterexampleOf,
  type LawName,
  type LawResult,
  type MergerCounterexample,
  type MergerReport,
  reportText,
  skipped,
} from './report.js';

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

interface Trial {
  readonly saga: Saga;
  readonly kind: StepKind;
  readonly data: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  readonly equals: Equals;
  readonly seed: number;
  readonly runs: number;
  readonly path: string | undefined;
}

/** Runs a judgement on each history; `isHeld` false ends the runs, and fast-check looks for a smaller history. */
const overHistories = (trial: Trial, isHeld: (track: Track) => boolean) => {
  // No verdict: a mistake in an arbitrary, an `equals` or an invariant.
  let mistake: { readonly thrown: unknown } | undefined;
  const property = fc.property(scenarios(trial.data), (scenario) => {
    if (mistake !== undefined) return true;
    try {
      return isHeld(layTrack(trial.saga, trial.kind, scenario));
    } catch (thrown) {
      mistake = { thrown };
      return false;
    }
  });
  const { seed, runs: numRuns, path } = trial;
  const details = fc.check(property, { seed, numRuns, ...(path !== undefined && { path }) });
  if (mistake !== undefined) throw mistake.thrown;
  return details;
};

/** What a merger does to the prototypes of the process ends with the judgement. */
const judged = (law: Law, track: Track, equals: Equals): Verdict => {
  const undo = guardPrototypes();
  try {
    return law.judge(track, equals);
  } finally {
    undo();
  }
};

/** The same histories again, for one law that does not hold on all of them: up to the smallest on which it does not. */
const smallest = (trial: Trial, law: Law): MergerCounterexample | undefined => {
  let breach: Breach | undefined;
  const details = overHistories(trial, (track) => {
    const verdict = judged(law, track, trial.equals);
    if (typeof verdict === 'string') return true;
    // The last one is the smallest: shrinking goes on from what still breaks the law.
    breach = verdict;
    return false;
  });
  return breach && counterexampleOf(breach, law, details.counterexamplePath ?? '', trial.seed);
};

interface Tally {
  readonly law: Law;
  runs: number;
  refused: number;
  aside: number;
  first: Breach | undefined;
}

const judgeInto = (tally: Tally, track: Track, equals: Equals): void => {
  const verdict = judged(tally.law, track, equals);
  tally.runs += 1;
  if (verdict === 'refused') tally.refused += 1;
  else if (verdict === 'aside') tally.aside += 1;
  else if (verdict !== 'held') tally.first = verdict;
};

const resultOf = (trial: Trial, { law, runs, refused, aside, first }: Tally): LawResult => {
  const said = { name: law.name as LawName, says: law.says, runs, refused, aside };
  if (first === undefined) return { ...said, status: runs === aside ? 'untested' : 'holds' };
  // A merger that is not deterministic need not fail twice.
  const counterexample = smallest(trial, law) ?? counterexampleOf(first, law, '', trial.seed);
  return { ...said, status: 'broken', counterexample };
};

/** All laws over the same histories, each until it breaks. */
const tryLaws = (trial: Trial, chosen: ReadonlyArray<Law>): ReadonlyArray<LawResult> => {
  const tallies = chosen.map((law): Tally => ({ law, runs: 0, refused: 0, aside: 0, first: undefined }));
  const isImpure = (): boolean =>
    tallies.some(({ law, first }) => first !== undefined && purity.includes(law));
  overHistories(trial, (track) => {
    for (const tally of tallies)
      if (tally.first === undefined && (purity.includes(tally.law) || !isImpure()))
        judgeInto(tally, track, trial.equals);
    return true;
  });
  return tallies.map((tally) =>
    isImpure() && !purity.includes(tally.law) ? skipped(tally.law) : resultOf(trial, tally),
  );
};

const dataOf = (saga: Saga, kind: StepKind, given: CheckMergerOptions['arbitraries'] = {}) => {
  const unknown = Object.keys(given).filter((type) => !Object.hasOwn(saga[kind], type));
  if (unknown.length > 0)
    throw new TypeError(
      `checkMerger: ${saga.name} has no ${kind} ${unknown.join(', ')}; there are ${Object.keys(saga[kind]).join(', ')}`,
    );
  return Object.fromEntries(
    Object.entries(saga[kind]).map(([type, definition]) => [
      type,
      given[type] ?? arbitraryOf(definition, type),
    ]),
  );
};

const chosenLaws = (options: CheckMergerOptions): ReadonlyArray<Law> => {
  const invariants = Object.entries(options.invariants ?? {}).map(([name, holds]) => invariant(name, holds));
  const all = [...purity, ...laws, ...invariants];
  const chosen =
    options.laws === undefined ? all : all.filter(({ name }) => options.laws?.includes(name as LawName));
  const names = new Set(all.map(({ name }) => name));
  const unknown = (options.laws ?? []).filter((name) => !names.has(name));
  if (unknown.length > 0 || chosen.length === 0)
    throw new TypeError(`checkMerger: no law ${unknown.join(', ')}; there are ${[...names].join(', ')}`);
  if (options.path !== undefined && (options.seed === undefined || chosen.length !== 1))
    throw new TypeError('checkMerger: a path leads through the histories of one seed and one law: give both');
  return chosen;
};

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
  const seed = options.seed ?? Math.floor(Math.random() * 0x7fffffff);
  const checked: Saga<unknown, AnyEvent> =
    options.withOnMerged === false ? { ...saga, onMerged: undefined } : saga;
  const trial: Trial = {
    saga: checked,
    kind,
    data: dataOf(saga, kind, options.arbitraries),
    equals: (options.equals as Equals | undefined) ?? areStoredEqual(checked),
    seed,
    runs: options.runs ?? 300,
    path: options.path,
  };
  const results = tryLaws(trial, chosenLaws(options as CheckMergerOptions));
  const ok = results.every(({ status }) => status === 'holds');
  return { ok, saga: saga.name, seed, laws: results, text: reportText(saga.name, seed, results) };
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
