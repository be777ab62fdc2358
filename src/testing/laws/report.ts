/** What came of trying a merger, as a value and as text. */
import type { Breach, Law } from './laws.js';
import { breachLines } from './text.js';

/** `prototypes`, `deterministic` and `inputUntouched` come first; where one is broken the rest is skipped. */
export type LawName =
  | 'prototypes'
  | 'deterministic'
  | 'inputUntouched'
  | 'answers'
  | 'unchangedBranch'
  | 'unmovedTrunk'
  | 'diamond'
  | 'grouping'
  | `invariant ${string}`;

export interface LawResult<Name extends string = LawName, Example = MergerCounterexample> {
  readonly name: Name;
  readonly says: string;
  /** `untested`: no history led to a conflict. `skipped`: what is tried is no pure function, and the law cannot be told. */
  readonly status: 'holds' | 'broken' | 'untested' | 'skipped';
  /** Histories tried, up to the first that breaks the law. */
  readonly runs: number;
  /** Of these, such that it was refused. */
  readonly refused: number;
  /** Of these, such that led to no conflict, or on which the law has nothing to say. */
  readonly aside: number;
  readonly counterexample?: Example;
}

/** The smallest history that was found to break a law. States are decoded values. */
export interface MergerCounterexample {
  readonly problem: string;
  /** What the trunk handled, in order. */
  readonly trunk: ReadonlyArray<{ readonly type: string; readonly data: unknown }>;
  /** The trunk's tip. */
  readonly ours: unknown;
  readonly branches: ReadonlyArray<{
    readonly type: string;
    readonly data: unknown;
    readonly baseVersion: number;
    readonly base: unknown;
    readonly theirs: unknown;
  }>;
  /** What came of it. Where there are two, they should be equal. */
  readonly merged: ReadonlyArray<{ readonly label: string; readonly value: unknown }>;
  /** For the option `path`; empty where the second time nothing was broken. */
  readonly path: string;
  readonly text: string;
}

export interface MergerReport {
  /** Every law was tried and holds. */
  readonly ok: boolean;
  readonly saga: string;
  readonly seed: number;
  readonly laws: ReadonlyArray<LawResult>;
  /** For people: a line for each law, then the counterexamples. */
  readonly text: string;
}

export const counterexampleOf = (
  breach: Breach,
  law: Law,
  path: string,
  seed: number,
): MergerCounterexample => {
  const { problem, track, merged } = breach;
  // Without a path where the second time nothing was broken: the merger is not deterministic.
  const where = path === '' ? '' : `, path: '${path}'`;
  const again = `  Again: checkMerger(saga, { seed: ${seed}, laws: ['${law.name}']${where} })`;
  const title = law.formula === undefined ? law.name : `${law.name}: ${law.formula}`;
  return {
    problem,
    trunk: track.steps.map(({ step: { type, data } }) => ({ type, data })),
    ours: track.tip.state,
    branches: track.forks.map(({ step: { type, data }, base, state }) => ({
      type,
      data,
      baseVersion: base.version,
      base: base.state,
      theirs: state,
    })),
    merged,
    path,
    text: [title, ...breachLines(breach), '', again].join('\n'),
  };
};

type AnyResult = LawResult<string, { readonly text: string }>;

/** What a report calls its subject, and what it says where nothing was tried. */
export interface ReportWords {
  /** Begins the report: 'The merger of order'. */
  readonly subject: string;
  readonly untested: string;
  readonly advice: string;
}

const share = (part: number, whole: number): string => {
  const percent = Math.round((100 * part) / whole);
  return percent === 0 ? 'under 1 %' : `${percent} %`;
};

const resultLine = ({ name, says, status, runs, refused, aside }: AnyResult, width: number): string => {
  const counted = [
    ...(status === 'broken' ? [`after ${runs} runs`] : []),
    ...(status === 'holds' ? [`${runs - aside} conflicts`] : []),
    ...(refused > 0 ? [`${share(refused, runs - aside)} refused`] : []),
  ];
  const numbers = counted.length === 0 ? '' : ` (${counted.join(', ')})`;
  const word = status === 'broken' ? 'BROKEN' : status;
  return `  ${word.padEnd(8)}  ${name.padEnd(width)}  ${says}${numbers}`;
};

export const reportText = (words: ReportWords, seed: number, results: ReadonlyArray<AnyResult>): string => {
  const broken = results.filter(({ status }) => status === 'broken');
  const untested = results.filter(({ status }) => status === 'untested');
  const width = Math.max(...results.map((result) => result.name.length));
  const verdict =
    broken.length > 0
      ? `breaks ${results.length === 1 ? 'the law' : `${broken.length} of ${results.length} laws`}`
      : untested.length > 0
        ? words.untested
        : `keeps ${results.length === 1 ? 'the law' : `all ${results.length} laws`}`;
  const advice = untested.length > 0 ? ['', words.advice] : [];
  return [
    `${words.subject} ${verdict} (seed ${seed}).`,
    '',
    ...results.map((result) => resultLine(result, width)),
    ...advice,
    ...broken.flatMap(({ counterexample }) => ['', counterexample?.text ?? '']),
  ].join('\n');
};
