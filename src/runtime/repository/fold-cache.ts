/** Folds that a repository keeps, so that a load reads only what is newer. Nothing is ever decided by them alone. */
import type { Timers } from '../../store/timers.js';
import type { Loaded } from '../aggregate/aggregate-context.js';
import type { RepositoryOptions } from './context.js';

interface Entry<State> {
  readonly loaded: Loaded<State>;
  /** When the stream was looked at, on the clock of `Timers`. */
  readonly at: number;
  /** This process has written to the stream since. */
  readonly isBehind: boolean;
}

export interface Found<State> {
  readonly loaded: Loaded<State>;
  readonly ageMs: number;
  readonly isBehind: boolean;
}

export interface FoldCache<State> {
  readonly find: (key: string) => Found<State> | undefined;
  readonly keep: (key: string, loaded: Loaded<State>) => void;
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
  // A Map remembers the order in which its keys were set: the first is the one that was not used for longest.
  const entries = new Map<string, Entry<State>>();
  return {
    find: (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      const ageMs = now() - entry.at;
      entries.delete(key);
      if (ageMs > maxAgeMs) return undefined;
      entries.set(key, entry);
      return { loaded: entry.loaded, ageMs, isBehind: entry.isBehind };
    },
    keep: (key, loaded) => {
      const known = entries.get(key);
      entries.delete(key);
      // Two loads may end in another order than they began in.
      const isOlder = known !== undefined && known.loaded.version > loaded.version;
      entries.set(key, isOlder ? known : { loaded, at: now(), isBehind: false });
      if (entries.size > max) entries.delete(entries.keys().next().value as string);
    },
    wrote: (key) => {
      const entry = entries.get(key);
      if (entry !== undefined) entries.set(key, { ...entry, isBehind: true });
    },
  };
};
