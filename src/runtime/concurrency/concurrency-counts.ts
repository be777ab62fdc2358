/** What is counted of one aggregate type or one key, and how it is read. */
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import {
  counted,
  type ConflictRate,
  faded,
  noRate,
  type RateWindow,
  shareOf,
} from '../../core/concurrency/conflict-rate.js';
import { deepFreeze } from '../../core/json.js';
import { spread, type SpreadRead } from './spread.js';

/** One save that has ended, written or not. */
export interface SaveNotice {
  /** The category. */
  readonly aggregateType: string;
  /** What was fought over: the stream's name. */
  readonly key: string;
  /** What the save did about other writers; for `adaptive`, what that chose. */
  readonly strategy: ConcurrencyStrategy;
  /** Appends that were tried, the last one included; 1 or more. */
  readonly attempts: number;
  /** Appends that were refused since another writer was first. */
  readonly conflicts: number;
  /** It met another writer, in whichever way: a refusal, a wait for a lock, events in between. Default: there were conflicts. */
  readonly contended?: boolean;
  /** How long it waited for a lock, in milliseconds; absent where it took none. */
  readonly waitedMs?: number;
  /** Time in all its appends, in milliseconds; absent where it was not measured. */
  readonly appendMs?: number;
  /** Tag of what it failed with; absent where it was written, or nothing had to be. */
  readonly failure?: string;
  /** Work of the system. Default false. */
  readonly isSystemWork?: boolean;
}

/** Saves by how many attempts they took. */
export const attemptBuckets = ['1', '2', '3', '4', '5-8', '9+'] as const;
export type AttemptBucket = (typeof attemptBuckets)[number];

const bucketOf = (attempts: number): AttemptBucket =>
  attempts <= 4 ? (String(attempts) as AttemptBucket) : attempts <= 8 ? '5-8' : '9+';

/** How often saves meet now. */
export interface RateNow {
  /** Share of the saves that met another writer, 0 to 1. */
  readonly share: number;
  /** The saves that it is of, weighed by how recent they are. */
  readonly saves: number;
  /** Those of them that met another writer. */
  readonly contended: number;
}

/** What both tell. Counts are of saves since the collector began, or since the key was let go of. */
export interface KeyStats {
  readonly aggregateType: string;
  /** The stream's name; of a type, the type. */
  readonly key: string;
  /** Saves that have ended, written or not. */
  readonly saves: number;
  readonly failed: number;
  /** Appends that were refused since another writer was first. */
  readonly conflicts: number;
  /** Saves that met another writer, in whichever way. */
  readonly contended: number;
  readonly rate: RateNow;
  readonly attempts: { readonly mean: number; readonly max: number };
  /** Waits for a lock. */
  readonly lockWaits: SpreadRead;
  /** How the last of them was saved; undefined where nobody said. */
  readonly strategy: ConcurrencyStrategy | undefined;
}

export interface TypeStats extends KeyStats {
  readonly attempts: KeyStats['attempts'] & { readonly saves: Readonly<Record<AttemptBucket, number>> };
  /** Time in appends, for each save. */
  readonly append: SpreadRead;
  /** By tag. */
  readonly failures: Readonly<Record<string, number>>;
  /** Saves by strategy. */
  readonly strategies: Readonly<Partial<Record<ConcurrencyStrategy, number>>>;
  readonly systemWork: number;
  /** Of sagas: conflicts that were kept as a branch, and merges. */
  readonly branches: number;
  readonly merges: number;
}

/** The counters of one type or key. */
export interface Counted {
  readonly savesNow: (nowMs: number) => number;
  readonly add: (save: SaveNotice, nowMs: number) => void;
  /** A message of a saga is handled for the `attempt`th time; 1 is the first. */
  readonly reacted: (attempt: number, nowMs: number) => void;
  /** It met another writer; `isFirst` where this message had not before. */
  readonly met: (how: { readonly strategy?: ConcurrencyStrategy; readonly isFirst: boolean }) => void;
  readonly failed: (tag: string) => void;
  readonly branched: () => void;
  readonly merged: () => void;
  readonly read: (nowMs: number) => TypeStats;
}

/** Different tags that are told apart; the rest is `other`. A union of tags has fewer. */
const tagsMax = 64;

const increase = <K extends string>(counts: Map<K, number>, key: K, by = 1): void =>
  void counts.set(key, (counts.get(key) ?? 0) + by);

interface Attempts {
  readonly bySaves: Map<AttemptBucket, number>;
  sum: number;
  max: number;
}

const addAttempts = (attempts: Attempts, saves: number, count: number): void => {
  increase(attempts.bySaves, bucketOf(count), saves);
  attempts.sum += saves * count;
  if (saves > 0) attempts.max = Math.max(attempts.max, count);
};

const readAttempts = ({ bySaves, sum, max }: Attempts, saves: number): TypeStats['attempts'] => ({
  mean: saves === 0 ? 0 : sum / saves,
  max,
  saves: Object.fromEntries(attemptBuckets.map((bucket) => [bucket, bySaves.get(bucket) ?? 0])) as Record<
    AttemptBucket,
    number
  >,
});

const rateAt = (rate: ConflictRate, window: RateWindow, nowMs: number): RateNow => {
  const now = faded(rate, window, nowMs);
  return { share: shareOf(now), saves: now.saves, contended: now.contended };
};

// One closure over the counters: what is counted and what is read stand beside each other.
export const countedFor = (
  aggregateType: string,
  key: string,
  window: RateWindow,
  startedMs: number,
): Counted => {
  const attempts: Attempts = { bySaves: new Map(), sum: 0, max: 0 };
  const failures = new Map<string, number>();
  const strategies = new Map<ConcurrencyStrategy, number>();
  const [lockWaits, append] = [spread(), spread()];
  const counts = { saves: 0, conflicts: 0, contended: 0, failed: 0, systemWork: 0, branches: 0, merges: 0 };
  let rate = noRate(startedMs);
  let strategy: ConcurrencyStrategy | undefined;
  const used = (by: ConcurrencyStrategy): void => {
    strategy = by;
    increase(strategies, by);
  };
  const failed = (tag: string): void => {
    counts.failed += 1;
    increase(failures, failures.has(tag) || failures.size < tagsMax ? tag : 'other');
  };
  return {
    savesNow: (nowMs) => faded(rate, window, nowMs).saves,
    add: (save, nowMs) => {
      const contended = save.contended ?? save.conflicts > 0;
      rate = counted(rate, window, contended, nowMs);
      counts.saves += 1;
      counts.conflicts += save.conflicts;
      if (contended) counts.contended += 1;
      if (save.isSystemWork === true) counts.systemWork += 1;
      addAttempts(attempts, 1, save.attempts);
      used(save.strategy);
      if (save.waitedMs !== undefined) lockWaits.add(save.waitedMs);
      if (save.appendMs !== undefined) append.add(save.appendMs);
      if (save.failure !== undefined) failed(save.failure);
    },
    reacted: (attempt, nowMs) => {
      if (attempt === 1) {
        rate = counted(rate, window, false, nowMs);
        counts.saves += 1;
      } else addAttempts(attempts, -1, attempt - 1);
      addAttempts(attempts, 1, attempt);
    },
    met: ({ strategy: by, isFirst }) => {
      counts.conflicts += 1;
      if (by !== undefined) used(by);
      if (!isFirst) return;
      counts.contended += 1;
      rate = { ...rate, contended: rate.contended + 1 };
    },
    failed,
    branched: () => void (counts.branches += 1),
    merged: () => void (counts.merges += 1),
    read: (nowMs) => ({
      ...{ aggregateType, key, ...counts, strategy },
      rate: rateAt(rate, window, nowMs),
      attempts: readAttempts(attempts, counts.saves),
      lockWaits: lockWaits.read(),
      append: append.read(),
      failures: Object.fromEntries(failures),
      strategies: Object.fromEntries(strategies),
    }),
  };
};

export const readType = (one: Counted, nowMs: number): TypeStats => deepFreeze(one.read(nowMs));

/** Less is told of a key: there are many. */
export const readKey = (one: Counted, nowMs: number): KeyStats => {
  const { aggregateType, key, saves, failed, conflicts, contended, rate, ...more } = one.read(nowMs);
  const { mean, max } = more.attempts;
  return deepFreeze({
    ...{ aggregateType, key, saves, failed, conflicts, contended, rate },
    attempts: { mean, max },
    lockWaits: more.lockWaits,
    strategy: more.strategy,
  });
};
