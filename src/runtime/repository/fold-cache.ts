/** Folds that a repository keeps, so that a load reads only what is newer. Nothing is ever decided by them alone. */
import type { Timers } from '../../store/timers.js';
import type { Loaded } from '../aggregate/aggregate-context.js';
import type { RepositoryOptions } from './context.js';
import { usedLast } from '../used-last.js';

interface Entry<State> {
  readonly loaded: Loaded<State>;
  /** When the store was asked for the stream, on the clock of `Timers`. */
  readonly at: number;
  /** This process has written to the stream since, or what was looked at may have been behind. */
  readonly isBehind: boolean;
}

export interface Found<State> {
  readonly loaded: Loaded<State>;
  readonly ageMs: number;
  readonly isBehind: boolean;
}

/** A load that has begun. */
export interface Look<State> {
  readonly keep: (loaded: Loaded<State>) => void;
  readonly end: () => void;
}

export interface FoldCache<State> {
  readonly find: (key: string) => Found<State> | undefined;
  /** The store is about to be asked for the stream, or a replica of it, which may be behind. Ended whatever comes of it. */
  readonly look: (key: string, mayBeBehind: boolean) => Look<State>;
  /** The stream has been written to. */
  readonly wrote: (key: string) => void;
}

const checkAtLeastOne = (field: string, value: number, isWhole: boolean): void => {
  if (!(value >= 1) || (isWhole && !Number.isInteger(value)))
    throw new TypeError(`repository: cache.${field} must be 1 or more, found ${String(value)}`);
};

/** The one that was not used for longest makes room. */
export const foldCache = <State>(
  options: RepositoryOptions['cache'],
  { now }: Pick<Timers, 'now'>,
): FoldCache<State> | undefined => {
  if (options === undefined) return undefined;
  const { max, maxAgeMs } = options;
  checkAtLeastOne('max', max, true);
  checkAtLeastOne('maxAgeMs', maxAgeMs, false);
  const entries = usedLast<Entry<State>>(max);
  /** Loads that run; whether this process has written to the stream since they began. */
  const looking = new Map<string, Set<{ isBehind: boolean }>>();
  return {
    find: (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      const ageMs = now() - entry.at;
      if (ageMs > maxAgeMs) {
        entries.delete(key);
        return undefined;
      }
      entries.set(key, entry);
      return { loaded: entry.loaded, ageMs, isBehind: entry.isBehind };
    },
    look: (key, mayBeBehind) => {
      const at = now();
      const one = { isBehind: mayBeBehind };
      const all = looking.get(key) ?? new Set();
      looking.set(key, all.add(one));
      return {
        keep: (loaded) => {
          const known = entries.get(key);
          // Two loads may end in another order than they began in.
          const isOlder = known !== undefined && known.loaded.version > loaded.version;
          entries.set(key, isOlder ? known : { loaded, at, isBehind: one.isBehind });
        },
        end: () => {
          all.delete(one);
          if (all.size === 0) looking.delete(key);
        },
      };
    },
    wrote: (key) => {
      const entry = entries.get(key);
      if (entry !== undefined) entries.set(key, { ...entry, isBehind: true });
      for (const one of looking.get(key) ?? []) one.isBehind = true;
    },
  };
};
