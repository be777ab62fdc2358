/** Counts what happens when saves meet: conflicts, attempts and waits, per aggregate type and per busy key. */
import { categoryOf, type StreamName } from '../../core/stream.js';
import { realTimers, type Timers } from '../../store/timers.js';
import { busiest } from './busiest.js';
import {
  type Counted,
  countedFor,
  type KeyStats,
  readKey,
  readType,
  type SaveNotice,
  type TypeStats,
} from './concurrency-counts.js';
import { statsText } from './concurrency-text.js';
import { sagaCounts } from './concurrency-sagas.js';
import type { SagaHooks } from '../saga/saga-context.js';

export type { KeyStats, RateNow, SaveNotice, TypeStats } from './concurrency-counts.js';

export interface ConcurrencyStatsOptions {
  /** Conflict rates fade by half in so many milliseconds; 1 or more. Default 60,000. */
  readonly windowMs?: number;
  /** Aggregate types, and keys, that are told apart: so many of each, 1 to 100,000; the least busy make room. Default 1,000. */
  readonly keysMax?: number;
  /** Default: the machine's clock. */
  readonly timers?: Pick<Timers, 'now'>;
  /** Told of every save that is counted. What it throws surfaces where the save was counted. */
  readonly onSave?: (save: SaveNotice) => void;
}

export interface ConcurrencySnapshot {
  /** Most saves first. */
  readonly types: ReadonlyArray<TypeStats>;
  /** Hottest first: those that meet other writers most often now. */
  readonly keys: ReadonlyArray<KeyStats>;
}

export interface ConcurrencyStats {
  /** Counts a save. */
  readonly observe: (save: SaveNotice) => void;
  /**
   * For `SagaContext.hooks`: counts each handled message as a save, under the strategy by which its conflict was answered. A
   * message that was decided anew counts once, with its attempts.
   */
  readonly sagaHooks: SagaHooks;
  /** What was counted since the beginning, and the rates of now. Frozen: later saves do not change it. */
  readonly read: () => ConcurrencySnapshot;
  /** The same as two tables for people: the types, and the keys that are hottest. */
  readonly text: (keysShown?: number) => string;
}

const checked = (field: string, value: number, max: number): number => {
  if (!(value >= 1 && value <= max) || (field === 'keysMax' && !Number.isInteger(value)))
    throw new TypeError(
      `concurrencyStats: ${field} must be a number from 1 to ${max}, found ${String(value)}`,
    );
  return value;
};

const contendedNow = ({ rate }: { readonly rate: { readonly contended: number } }): number => rate.contended;

/**
 * A collector in this process's memory, for any number of repositories and sagas. Throws a `TypeError` on options that cannot
 * work.
 *
 * ```ts
 * const stats = concurrencyStats();
 * const products = repository({ store, stats })(product);
 * console.log(stats.text());
 * ```
 */
export const concurrencyStats = (options: ConcurrencyStatsOptions = {}): ConcurrencyStats => {
  const { timers = realTimers, onSave } = options;
  const keysMax = checked('keysMax', options.keysMax ?? 1_000, 100_000);
  // As for an adaptive strategy: about so many saves tell of now, however fast they come.
  const window = {
    windowMs: checked('windowMs', options.windowMs ?? 60_000, Number.MAX_VALUE),
    savesMax: 500,
  };
  const types = busiest<Counted>(keysMax, (one, nowMs) => one.savesNow(nowMs));
  const keys = busiest<Counted>(keysMax, (one, nowMs) => one.savesNow(nowMs));
  const within = (all: typeof types, type: string, key: string, nowMs: number): Counted => {
    const known = all.get(key);
    if (known !== undefined) return known;
    const fresh = countedFor(type, key, window, nowMs);
    all.set(key, fresh, nowMs);
    return fresh;
  };
  const both = (streamName: string, work: (one: Counted, nowMs: number) => void): void => {
    const nowMs = timers.now();
    const type = categoryOf(streamName as StreamName);
    work(within(types, type, type, nowMs), nowMs);
    work(within(keys, type, streamName, nowMs), nowMs);
  };
  const observe = (save: SaveNotice): void => {
    const nowMs = timers.now();
    const { aggregateType, key } = save;
    within(types, aggregateType, aggregateType, nowMs).add(save, nowMs);
    within(keys, aggregateType, key, nowMs).add(save, nowMs);
    onSave?.(save);
  };
  const read = (): ConcurrencySnapshot => {
    const nowMs = timers.now();
    const readTypes = [...types.entries()].map(([, one]) => readType(one, nowMs));
    const readKeys = [...keys.entries()].map(([, one]) => readKey(one, nowMs));
    return Object.freeze({
      types: Object.freeze(readTypes.sort((a, b) => b.saves - a.saves)),
      keys: Object.freeze(readKeys.sort((a, b) => contendedNow(b) - contendedNow(a) || b.saves - a.saves)),
    });
  };
  return {
    observe,
    sagaHooks: sagaCounts(both, keysMax),
    read,
    text: (keysShown = 10) => statsText(read(), keysShown),
  };
};
