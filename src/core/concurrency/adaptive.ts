/** Chooses how saves meet other writers by how often they meet: the table, and when to move from one row to another. */
import { type ConflictRate, counted, faded, noRate, shareBounds, shareOf } from './conflict-rate.js';
import type { ConcurrencyStrategy } from './concurrency-strategy.js';

/** What the table may choose. */
export const adaptiveChoices = ['expectedVersion', 'retry', 'pessimistic', 'merge'] as const;
export type AdaptiveChoice = Extract<ConcurrencyStrategy, (typeof adaptiveChoices)[number]>;

export interface AdaptiveRow {
  /** The row is for more than this share of saves that meet another writer, 0 up to 1; the first row's is 0. */
  readonly above: number;
  readonly strategy: AdaptiveChoice;
  /** Where the settings have a resolver. Default: `strategy`. */
  readonly withResolver?: AdaptiveChoice;
}

/**
 * The decision table of the EF Core article: optimistic under 1 %, with retry to 5 %, pessimistic above that; where a resolver is
 * at hand, merging does not wait for anybody. What the article keeps apart above 10 % is answered the same here. Where most saves
 * meet, though, one who merges meets the next while he appends, and so on: there a line is quicker than a crowd, with a resolver
 * too (`npm run adaptive`).
 */
export const adaptiveTable: ReadonlyArray<AdaptiveRow> = [
  { above: 0, strategy: 'expectedVersion' },
  { above: 0.01, strategy: 'retry' },
  { above: 0.05, strategy: 'pessimistic', withResolver: 'merge' },
  { above: 0.5, strategy: 'pessimistic' },
];

export interface AdaptiveRule {
  /** Default `adaptiveTable`. */
  readonly table: ReadonlyArray<AdaptiveRow>;
  /** A save weighs half after so many milliseconds, 1 or more. Default 60,000. */
  readonly windowMs: number;
  /** About so many saves are remembered, however fast they come, 50 or more. Default 500. */
  readonly savesMax: number;
  /** With fewer recent saves of its own a key is treated as its type is, and a type as the first row says; 1 or more. Default 20. */
  readonly minSaves: number;
  /** A row is left when the share is below its `above` by this part of it, 0 up to 1. Default 0.5: in above 5 %, out below 2.5 %. */
  readonly hysteresis: number;
  /** How long a row stays at least before it is left for a lower one, in milliseconds, 0 or more. Default `windowMs` / 4. */
  readonly dwellMs: number;
}

/** Moving up takes a share that lies above with 99 %; moving down one that lies below with 84 %, and a band and a dwell besides. */
const deviationsUp = 2.5;
const deviationsDown = 1;
/** What was found out is forgotten when so small a part of `minSaves` is left of it. */
const forgottenPart = 0.25;

/** Why a row was chosen: as measured when that happened. */
export interface AdaptiveCause {
  readonly from: number;
  readonly share: number;
  readonly saves: number;
  /** The share that it was above, or below. */
  readonly threshold: number;
}

/** What is known of one key or type. */
export interface Contention {
  readonly rate: ConflictRate;
  /** Index into the table; `undefined` as long as there are too few saves to say. */
  readonly row: number | undefined;
  readonly sinceMs: number;
  /** Absent where it never moved. */
  readonly cause?: AdaptiveCause;
}

export const noContention = (nowMs: number): Contention => ({
  rate: noRate(nowMs),
  row: undefined,
  sinceMs: nowMs,
});

/** The row, unless what it rests on is too long ago. */
export const rowAt = (rule: AdaptiveRule, { rate, row }: Contention, nowMs: number): number | undefined =>
  faded(rate, rule, nowMs).saves < rule.minSaves * forgottenPart ? undefined : row;

const aboveOf = ({ table }: AdaptiveRule, row: number): number => table[row]?.above ?? 1;
const leftBelow = (rule: AdaptiveRule, row: number): number => aboveOf(rule, row) * (1 - rule.hysteresis);

/** The highest row that is surely called for, or the lowest that surely is enough; the row itself where neither can be said. */
const nextRow = (
  rule: AdaptiveRule,
  rate: ConflictRate,
  row: number,
  mayFall: boolean,
): { readonly row: number; readonly threshold: number } => {
  const { low } = shareBounds(rate, deviationsUp);
  for (let up = rule.table.length - 1; up > row; up -= 1)
    if (low > aboveOf(rule, up)) return { row: up, threshold: aboveOf(rule, up) };
  const { high } = shareBounds(rate, deviationsDown);
  let down = row;
  while (mayFall && down > 0 && high < leftBelow(rule, down)) down -= 1;
  return { row: down, threshold: leftBelow(rule, Math.min(down + 1, row)) };
};

/** What is known after one save more. It moved where `row` is another one. */
export const contentionAfter = (
  rule: AdaptiveRule,
  before: Contention,
  { contended, nowMs }: { readonly contended: boolean; readonly nowMs: number },
): Contention => {
  const known = rowAt(rule, before, nowMs);
  const rate = counted(before.rate, rule, contended, nowMs);
  if (rate.saves < rule.minSaves)
    return known === undefined ? { rate, row: undefined, sinceMs: nowMs } : { ...before, rate };
  const from = known ?? 0;
  const mayFall = nowMs - before.sinceMs >= rule.dwellMs;
  const { row, threshold } = nextRow(rule, rate, from, mayFall);
  if (row !== from)
    return {
      ...{ rate, row, sinceMs: nowMs },
      cause: { from, share: shareOf(rate), saves: rate.saves, threshold },
    };
  return known === undefined ? { rate, row, sinceMs: nowMs } : { ...before, rate };
};

export const choiceOf = ({ table }: AdaptiveRule, row: number, hasResolver: boolean): AdaptiveChoice => {
  const { strategy, withResolver } = table[row] as AdaptiveRow;
  return hasResolver ? (withResolver ?? strategy) : strategy;
};

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

const measured = (share: number, saves: number): string =>
  `${percent(share)} of the last ${Math.round(saves)} saves met another writer`;

/** Why a row is chosen, in words that begin with the name. */
export const reasonOf = (
  rule: AdaptiveRule,
  name: string,
  { rate, row, cause }: Contention,
  hasResolver: boolean,
): string => {
  const choice = choiceOf(rule, row ?? 0, hasResolver);
  if (row === undefined || cause === undefined)
    return `${name}: ${measured(shareOf(rate), rate.saves)}: ${choice}`;
  const { from, share, saves, threshold } = cause;
  const side = row > from ? 'above' : 'below';
  const was = choiceOf(rule, from, hasResolver);
  const instead = was === choice ? '' : ` instead of ${was}`;
  return `${name}: ${measured(share, saves)} (${side} ${percent(threshold)}): ${choice}${instead}`;
};

export interface AdaptiveQuestion {
  /** The category. */
  readonly aggregateType: string;
  /** What is fought over: the stream's name. */
  readonly key: string;
  /** Whether the settings have a resolver. */
  readonly hasResolver: boolean;
  /** Milliseconds on a clock that never goes back, the same for all calls. */
  readonly nowMs: number;
}

export interface AdaptiveObservation {
  readonly aggregateType: string;
  readonly key: string;
  /**
   * It met another writer: an append was refused, a lock was waited for, or others had written since the load. Under `pessimistic`
   * and `merge` few appends are refused, though writers meet as before; counting refusals alone would go back and forth.
   */
  readonly contended: boolean;
  readonly nowMs: number;
}

export interface AdaptiveDecision {
  readonly strategy: AdaptiveChoice;
  /** In words: what was measured, against which threshold, and what it replaced. */
  readonly reason: string;
  /** What it rests on: `critical` as told; `key`, its own saves; `type`, those of keys that have few; `default`, the first row. */
  readonly by: 'critical' | 'key' | 'type' | 'default';
}

/** What is known of a key now. */
export interface AdaptiveExplanation extends AdaptiveDecision {
  readonly aggregateType: string;
  readonly key: string;
  /** Share of the key's own recent saves that met another writer, 0 to 1. */
  readonly share: number;
  /** The saves that it is of, weighed by how recent they are. */
  readonly saves: number;
}

/** Remembers how often saves met, and says what to do about it. */
export interface AdaptiveStrategy {
  readonly decide: (question: AdaptiveQuestion) => AdaptiveDecision;
  readonly observe: (observation: AdaptiveObservation) => void;
  /** As of the last call; `undefined` where the key was never saved, or too long ago. */
  readonly explain: (key: string) => AdaptiveExplanation | undefined;
}
