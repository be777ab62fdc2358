/**
 * The folds of the aggregates that a handler's commands used last. What is kept is never trusted with an answer: every append names
 * the version it was decided on, the store refuses it when others were first, and who writes nothing looks again.
 */
import type { About } from '../../core/concurrency/about.js';
import type { Definitions } from '../../core/codec.js';
import { deepFreeze } from '../../core/json.js';
import type { StreamVersion } from '../../core/stream.js';
import type { Fold, Source } from './aggregate-context.js';
import { type UsedLast, usedLast } from '../used-last.js';

export interface Found<State> {
  readonly fold: Fold<State>;
  /** Others have been seen writing to the stream. */
  readonly isShared: boolean;
}

/** What is kept of one aggregate. */
export interface KeptFold<State> {
  /** False where nothing is ever kept. */
  readonly isKeeping: boolean;
  /** Undefined where there is nothing, or nothing that could tell whether an event with the id `knownId` is in the stream. */
  readonly find: (knownId: string | undefined) => Found<State> | undefined;
  /** Keeps a fold that is newer than what is kept. Its state is frozen: the next command decides on the very same one. */
  readonly keep: (fold: Fold<State>) => void;
  /**
   * As `keep`, of what was read or handed over on top of a fold of version `from`; an older one replaces what is kept, since the store
   * was then restored to an earlier time. Says whether it brings what no append of this handler has written or may have.
   */
  readonly moved: (from: StreamVersion, fold: Fold<State>) => boolean;
  /** A snapshot was saved, and what people saw at its version: what is kept goes on as if it had begun with it. */
  readonly saved: (version: StreamVersion, about: About) => void;
  readonly drop: () => void;
  /** Counts the append as under way; one that rejects leaves nothing kept. */
  readonly whileWriting: <A>(append: () => Promise<A>) => Promise<A>;
}

/** What is kept for these rules and this stream. */
export type KeptFolds = <Events extends Definitions, State>(source: Source<Events, State>) => KeptFold<State>;

interface Entry {
  readonly fold: Fold<unknown>;
  readonly isShared: boolean;
}

/** A load would begin with the newer snapshot, and then knows only the ids that are in it. */
const begunWith = (
  fold: Fold<unknown>,
  { snapshotVersion, lastAbout }: Pick<Fold<unknown>, 'snapshotVersion' | 'lastAbout'>,
): Fold<unknown> =>
  snapshotVersion > fold.snapshotVersion ? { ...fold, snapshotVersion, lastAbout, known: undefined } : fold;

interface Shelf {
  readonly entries: UsedLast<Entry>;
  /** Appends under way, which the shelf knows of although it may have no entry. */
  readonly writing: Map<string, number>;
}

const placeOn = ({ entries, writing }: Shelf, key: string): KeptFold<unknown> => {
  const { get, set, delete: remove } = entries;
  const isWriting = (): boolean => writing.has(key);
  const keep = (fold: Fold<unknown>, isShared = false): void => {
    const entry = get(key);
    if (entry !== undefined && entry.fold.version >= fold.version) {
      if (isShared && !entry.isShared) set(key, { ...entry, isShared });
      return;
    }
    deepFreeze(fold.state);
    const kept = { ...fold, isKnown: false };
    set(
      key,
      entry === undefined
        ? { fold: kept, isShared }
        : { fold: begunWith(kept, entry.fold), isShared: isShared || entry.isShared },
    );
  };
  return {
    isKeeping: true,
    find: (knownId) => {
      const entry = get(key);
      if (entry === undefined) return undefined;
      set(key, entry);
      const { fold, isShared } = entry;
      if (knownId === undefined) return { fold, isShared };
      if (fold.known === undefined) return undefined;
      const isKnown = (fold.known.get(knownId) ?? Infinity) <= fold.version;
      return { fold: { ...fold, isKnown }, isShared };
    },
    keep,
    moved: (from, fold) => {
      const known = get(key)?.fold.version;
      const isNews = !isWriting() && known !== fold.version;
      if (fold.version < from) remove(key);
      keep(fold, isNews && known !== undefined && fold.version > known);
      return isNews;
    },
    saved: (version, about) => {
      const entry = get(key);
      if (entry === undefined || entry.fold.version < version) return;
      const begun = { snapshotVersion: version, lastAbout: { version, about } };
      set(key, { ...entry, fold: begunWith(entry.fold, begun) });
    },
    drop: () => remove(key),
    whileWriting: async (append) => {
      writing.set(key, (writing.get(key) ?? 0) + 1);
      try {
        return await append();
      } catch (thrown) {
        remove(key);
        throw thrown;
      } finally {
        const others = (writing.get(key) ?? 0) - 1;
        if (others > 0) writing.set(key, others);
        else writing.delete(key);
      }
    },
  };
};

const nothingKept: KeptFold<unknown> = {
  isKeeping: false,
  find: () => undefined,
  keep: () => undefined,
  moved: () => false,
  saved: () => undefined,
  drop: () => undefined,
  whileWriting: (append) => append(),
};

/** `max` is how many folds are kept, a whole number of 0 or more. */
export const keptFolds = (max = 1_000): KeptFolds => {
  if (!Number.isSafeInteger(max) || max < 0)
    throw new TypeError(
      `handleCommand: aggregatesKept must be a whole number of 0 or more, found ${String(max)}`,
    );
  if (max === 0) return <State>() => nothingKept as KeptFold<State>;
  const all: Shelf = { entries: usedLast(max), writing: new Map() };
  // Other rules fold the same stream to something else. A number stands for them, so that all share one limit.
  const numbers = new WeakMap<object, number>();
  let lastNumber = 0;
  return <Events extends Definitions, State>({ rules, tenant, streamName }: Source<Events, State>) => {
    const number = numbers.get(rules) ?? (lastNumber += 1);
    numbers.set(rules, number);
    return placeOn(all, JSON.stringify([number, tenant, streamName])) as KeptFold<State>;
  };
};
