/** Tries laws over random histories of any kind: each until it breaks, then again for the smallest history that breaks it. */
import * as fc from 'fast-check';
import { guardPrototypes } from './purity.js';

/** Something that a breach shows: a state, an answer, or why there is none. */
export interface Shown {
  readonly label: string;
  readonly value: unknown;
}

/** Where a law does not hold. */
export interface BreachOf<Track> {
  /** In one sentence. */
  readonly problem: string;
  /** The history, cut down to what matters. */
  readonly track: Track;
  /** What came of it. Where there are two, they should be equal and are not. */
  readonly merged: ReadonlyArray<Shown>;
}

/** `refused`: what is tried did not answer. `aside`: no conflict came of this history, or one on which the law has nothing to say. */
export type VerdictOf<Track> = 'held' | 'refused' | 'aside' | BreachOf<Track>;

export type Equals = (a: unknown, b: unknown) => boolean;

export interface LawOf<Track> {
  readonly name: string;
  /** In words. */
  readonly says: string;
  readonly formula?: string;
  readonly judge: (track: Track, equals: Equals) => VerdictOf<Track>;
}

export interface Trial<Track, Example> {
  /** Each is laid when it is judged, so that a mistake in it is told as one. */
  readonly histories: fc.Arbitrary<() => Track>;
  /** Where one of these is broken, the other laws cannot be told. */
  readonly purity: ReadonlyArray<LawOf<Track>>;
  readonly exampleOf: (breach: BreachOf<Track>, law: LawOf<Track>, path: string, seed: number) => Example;
  readonly equals: Equals;
  readonly seed: number;
  readonly runs: number;
  readonly path: string | undefined;
}

/** What came of one law. */
export interface Tried<Example> {
  readonly name: string;
  readonly says: string;
  readonly status: 'holds' | 'broken' | 'untested' | 'skipped';
  readonly runs: number;
  readonly refused: number;
  readonly aside: number;
  readonly counterexample?: Example;
}

/** Runs a judgement on each history; `isHeld` false ends the runs, and fast-check looks for a smaller history. */
const overHistories = <Track, Example>(trial: Trial<Track, Example>, isHeld: (track: Track) => boolean) => {
  // No verdict: a mistake in an arbitrary, an `equals` or an invariant.
  let mistake: { readonly thrown: unknown } | undefined;
  const property = fc.property(trial.histories, (lay) => {
    if (mistake !== undefined) return true;
    try {
      return isHeld(lay());
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

/** What is done to the prototypes of the process ends with the judgement. */
const judged = <Track>(law: LawOf<Track>, track: Track, equals: Equals): VerdictOf<Track> => {
  const undo = guardPrototypes();
  try {
    return law.judge(track, equals);
  } finally {
    undo();
  }
};

/** The same histories again, for one law that does not hold on all of them: up to the smallest on which it does not. */
const smallest = <Track, Example>(trial: Trial<Track, Example>, law: LawOf<Track>): Example | undefined => {
  let breach: BreachOf<Track> | undefined;
  const details = overHistories(trial, (track) => {
    const verdict = judged(law, track, trial.equals);
    if (typeof verdict === 'string') return true;
    // The last one is the smallest: shrinking goes on from what still breaks the law.
    breach = verdict;
    return false;
  });
  return breach && trial.exampleOf(breach, law, details.counterexamplePath ?? '', trial.seed);
};

interface Tally<Track> {
  readonly law: LawOf<Track>;
  runs: number;
  refused: number;
  aside: number;
  first: BreachOf<Track> | undefined;
}

const judgeInto = <Track>(tally: Tally<Track>, track: Track, equals: Equals): void => {
  const verdict = judged(tally.law, track, equals);
  tally.runs += 1;
  if (verdict === 'refused') tally.refused += 1;
  else if (verdict === 'aside') tally.aside += 1;
  else if (verdict !== 'held') tally.first = verdict;
};

const resultOf = <Track, Example>(
  trial: Trial<Track, Example>,
  { law, runs, refused, aside, first }: Tally<Track>,
): Tried<Example> => {
  const said = { name: law.name, says: law.says, runs, refused, aside };
  if (first === undefined) return { ...said, status: runs === aside ? 'untested' : 'holds' };
  // What is not deterministic need not fail twice.
  const counterexample = smallest(trial, law) ?? trial.exampleOf(first, law, '', trial.seed);
  return { ...said, status: 'broken', counterexample };
};

const skipped = <Track>({ name, says }: LawOf<Track>): Tried<never> => ({
  name,
  says,
  status: 'skipped',
  runs: 0,
  refused: 0,
  aside: 0,
});

/** All laws over the same histories, each until it breaks. */
export const tryLaws = <Track, Example>(
  trial: Trial<Track, Example>,
  chosen: ReadonlyArray<LawOf<Track>>,
): ReadonlyArray<Tried<Example>> => {
  const isPurity = (law: LawOf<Track>): boolean => trial.purity.includes(law);
  const tallies = chosen.map(
    (law): Tally<Track> => ({ law, runs: 0, refused: 0, aside: 0, first: undefined }),
  );
  const isImpure = (): boolean => tallies.some(({ law, first }) => first !== undefined && isPurity(law));
  overHistories(trial, (track) => {
    for (const tally of tallies)
      if (tally.first === undefined && (isPurity(tally.law) || !isImpure()))
        judgeInto(tally, track, trial.equals);
    return true;
  });
  return tallies.map((tally) =>
    isImpure() && !isPurity(tally.law) ? skipped(tally.law) : resultOf(trial, tally),
  );
};

export interface TrialOptions {
  readonly runs?: number;
  readonly seed?: number;
  readonly path?: string;
  readonly laws?: ReadonlyArray<string>;
}

export const seedOf = ({ seed }: TrialOptions): number => seed ?? Math.floor(Math.random() * 0x7fffffff);

/** The laws that the options choose of `all`; a TypeError where there is no such law, or a path without its one law. */
export const chooseLaws = <Track>(
  caller: string,
  all: ReadonlyArray<LawOf<Track>>,
  { laws: wanted, path, seed }: TrialOptions,
): ReadonlyArray<LawOf<Track>> => {
  const chosen = wanted === undefined ? all : all.filter(({ name }) => wanted.includes(name));
  const names = new Set(all.map(({ name }) => name));
  const unknown = (wanted ?? []).filter((name) => !names.has(name));
  if (unknown.length > 0 || chosen.length === 0)
    throw new TypeError(`${caller}: no law ${unknown.join(', ')}; there are ${[...names].join(', ')}`);
  if (path !== undefined && (seed === undefined || chosen.length !== 1))
    throw new TypeError(`${caller}: a path leads through the histories of one seed and one law: give both`);
  return chosen;
};
