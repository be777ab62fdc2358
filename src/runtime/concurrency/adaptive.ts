/** An adaptive strategy in this process's memory: what the saves of each type and each busy key have come to lately. */
import {
  adaptiveChoices,
  type AdaptiveDecision,
  type AdaptiveExplanation,
  type AdaptiveObservation,
  type AdaptiveQuestion,
  type AdaptiveRow,
  type AdaptiveRule,
  type AdaptiveStrategy,
  type AdaptiveChoice,
  adaptiveTable,
  choiceOf,
  type Contention,
  contentionAfter,
  noContention,
  reasonOf,
  rowAt,
} from '../../core/concurrency/adaptive.js';
import { faded, shareOf } from '../../core/concurrency/conflict-rate.js';
import { type Busiest, busiest } from './busiest.js';

/** Saves of a key, or of the keys of a type that have few of their own, are now met in another way. */
export interface AdaptiveSwitch {
  readonly aggregateType: string;
  /** Absent where it is the type that moved. */
  readonly key?: string;
  readonly from: AdaptiveChoice;
  readonly to: AdaptiveChoice;
  readonly reason: string;
  readonly nowMs: number;
}

export interface AdaptiveOptions extends Partial<AdaptiveRule> {
  /** Asked with a key, then with its type: one that says yes is met as the table's last row says, however calm. Default: none is. */
  readonly critical?: (keyOrType: string) => boolean;
  /** Keys, and types, that are remembered: so many of each, 1 to 100,000; the least busy make room. Default 10,000. */
  readonly keysMax?: number;
  /** Told of each switch. What it throws surfaces in `observe`. */
  readonly onSwitch?: (notice: AdaptiveSwitch) => void;
}

const must = (isSo: boolean, words: string): void => {
  if (!isSo) throw new TypeError(`adaptive: ${words}`);
};

const isChoice = (name: unknown): boolean => adaptiveChoices.some((choice) => choice === name);

const checkTable = (table: ReadonlyArray<AdaptiveRow>): void => {
  must(table[0]?.above === 0, 'the first row of the table must be for above 0');
  for (const [index, { above, strategy, withResolver }] of table.entries()) {
    const isHigher = index === 0 || above > (table[index - 1]?.above ?? 0);
    must(isHigher && above < 1, `row ${index + 1} must be for above more than the row before, and below 1`);
    must(
      isChoice(strategy) && (withResolver === undefined || isChoice(withResolver)),
      `row ${index + 1} must choose one of ${adaptiveChoices.join(', ')}`,
    );
  }
};

const ruleOf = (options: AdaptiveOptions): AdaptiveRule => {
  const {
    table = adaptiveTable,
    windowMs = 60_000,
    savesMax = 500,
    minSaves = 20,
    hysteresis = 0.5,
  } = options;
  const { dwellMs = windowMs / 4 } = options;
  checkTable(table);
  must(windowMs >= 1 && windowMs < Infinity, `windowMs must be 1 or more, found ${windowMs}`);
  must(savesMax >= 50, `savesMax must be 50 or more, found ${savesMax}`);
  must(minSaves >= 1 && minSaves < savesMax, `minSaves must be from 1 to savesMax, found ${minSaves}`);
  must(hysteresis >= 0 && hysteresis < 1, `hysteresis must be from 0 up to 1, found ${hysteresis}`);
  must(dwellMs >= 0, `dwellMs must be 0 or more, found ${dwellMs}`);
  return { table, windowMs, savesMax, minSaves, hysteresis, dwellMs };
};

interface Known extends Contention {
  readonly aggregateType: string;
  /** As it was asked last, for the words of a switch. */
  readonly hasResolver: boolean;
}

interface Memory {
  readonly rule: AdaptiveRule;
  readonly isCritical: (key: string, type: string) => boolean;
  readonly keys: Busiest<Known>;
  readonly types: Busiest<Known>;
}

/** A key that nobody fights over has room to be forgotten; one that stands on a higher row is kept before it. */
const busyness =
  (rule: AdaptiveRule) =>
  ({ rate, row }: Known, nowMs: number): number =>
    faded(rate, rule, nowMs).saves * (1 + (row ?? 0));

const few = (name: string, saves: number, { minSaves }: AdaptiveRule, choice: AdaptiveChoice): string =>
  `${name}: too few saves yet (${Math.floor(saves)} of ${minSaves}): ${choice}`;

const decideIn = (memory: Memory, question: AdaptiveQuestion): AdaptiveDecision => {
  const { rule, keys, types, isCritical } = memory;
  const { aggregateType, key, hasResolver, nowMs } = question;
  const decided = (by: AdaptiveDecision['by'], row: number, reason: string): AdaptiveDecision => ({
    ...{ strategy: choiceOf(rule, row, hasResolver), reason, by },
  });
  if (isCritical(key, aggregateType)) {
    const last = rule.table.length - 1;
    return decided('critical', last, `${key} is critical: ${choiceOf(rule, last, hasResolver)}`);
  }
  const own = keys.get(key);
  const ownRow = own && rowAt(rule, own, nowMs);
  if (own !== undefined && ownRow !== undefined)
    return decided('key', ownRow, reasonOf(rule, key, own, hasResolver));
  const type = types.get(aggregateType);
  const typeRow = type && rowAt(rule, type, nowMs);
  if (type !== undefined && typeRow !== undefined) {
    const reason = reasonOf(rule, `keys of ${aggregateType} with few saves`, type, hasResolver);
    return decided('type', typeRow, `${key} is one of them; ${reason}`);
  }
  const saves = own === undefined ? 0 : faded(own.rate, rule, nowMs).saves;
  return decided('default', 0, few(key, saves, rule, choiceOf(rule, 0, hasResolver)));
};

/**
 * Of its `minSaves` a key lends so small a part to its type: what fresh keys come to is told by many keys with few saves each, and a
 * hot key must not make a hot type of it before it speaks for itself.
 */
const lentPart = 0.25;

/** Counts for the key; and for its type as long as the key has very few saves. */
const observeIn = (
  memory: Memory,
  { aggregateType, key, contended, nowMs }: AdaptiveObservation,
  onSwitch: AdaptiveOptions['onSwitch'],
): void => {
  const { rule, keys, types } = memory;
  const step = (all: Busiest<Known>, name: string, told: string): void => {
    const before = all.get(name) ?? { ...noContention(nowMs), aggregateType, hasResolver: false };
    const { hasResolver } = before;
    const after = { ...contentionAfter(rule, before, { contended, nowMs }), aggregateType, hasResolver };
    all.set(name, after, nowMs);
    const from = choiceOf(rule, before.row ?? 0, hasResolver);
    const to = choiceOf(rule, after.row ?? 0, hasResolver);
    if (from === to) return;
    const reason =
      after.row === undefined
        ? `${told}: nearly no saves for long: ${to} instead of ${from}`
        : reasonOf(rule, told, after, hasResolver);
    onSwitch?.({ aggregateType, ...(all === keys && { key }), from, to, reason, nowMs });
  };
  const own = keys.get(key);
  const lends =
    own === undefined ||
    (rowAt(rule, own, nowMs) === undefined && faded(own.rate, rule, nowMs).saves < rule.minSaves * lentPart);
  step(keys, key, key);
  if (lends) step(types, aggregateType, `keys of ${aggregateType} with few saves`);
};

/**
 * Measures how often saves meet other writers, for each key that has enough of them and for each type, and answers by a table, from
 * optimistic to retry to pessimistic or merge. It moves up as soon as the measured share is surely above a row, and down only
 * when it is surely below, by a band, and after a dwell. Throws a `TypeError` on options that cannot work.
 *
 * ```ts
 * const rules = policies(when(always).then({ strategy: 'adaptive', adaptive: adaptive({ critical: (key) => key === 'account' }) }));
 * ```
 */
export const adaptive = (options: AdaptiveOptions = {}): AdaptiveStrategy => {
  const { critical, keysMax = 10_000, onSwitch } = options;
  must(Number.isInteger(keysMax) && keysMax >= 1 && keysMax <= 100_000, `keysMax must be from 1 to 100,000`);
  const rule = ruleOf(options);
  const memory: Memory = {
    rule,
    isCritical: (key, type) => critical !== undefined && (critical(key) || critical(type)),
    keys: busiest(keysMax, busyness(rule)),
    types: busiest(keysMax, busyness(rule)),
  };
  let lastMs = 0;
  const remember = ({ aggregateType, key, hasResolver, nowMs }: AdaptiveQuestion): void => {
    for (const [all, name] of [[memory.keys, key] as const, [memory.types, aggregateType] as const]) {
      const known = all.get(name) ?? { ...noContention(nowMs), aggregateType, hasResolver };
      if (known.hasResolver !== hasResolver || all.get(name) === undefined)
        all.set(name, { ...known, hasResolver }, nowMs);
    }
  };
  const explain = (key: string): AdaptiveExplanation | undefined => {
    const own = memory.keys.get(key);
    if (own === undefined) return undefined;
    const { aggregateType, hasResolver } = own;
    const rate = faded(own.rate, rule, lastMs);
    const decision = decideIn(memory, { aggregateType, key, hasResolver, nowMs: lastMs });
    return { ...decision, aggregateType, key, share: shareOf(rate), saves: rate.saves };
  };
  return {
    decide: (question) => {
      lastMs = question.nowMs;
      remember(question);
      return decideIn(memory, question);
    },
    observe: (observation) => {
      lastMs = observation.nowMs;
      observeIn(memory, observation, onSwitch);
    },
    explain,
  };
};
