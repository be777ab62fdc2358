/**
 * Merges the heads of a history that was made elsewhere, where branches were merged into each other at will. A saga's own
 * stream has one trunk and needs none of this.
 *
 *     a --- b1 --- m1 --- ...     m1 and m2 have both merged b1 and b2: a criss-cross. Their common past is neither b1
 *       \       X                 nor b2, so both are merged first, over a, and that virtual base is the common past.
 *        `- b2 --- m2 --- ...
 */
import * as E from 'fp-ts/lib/Either.js';
import { type MergeRefused, mergeRefused, refusalOf, type ThreeWay } from './merge.js';

/** One version of an imported history. */
export interface HistoryVersion<A> {
  /** Unique in the history. */
  readonly id: string;
  /** What it was made from: none for a beginning, several for a merge. */
  readonly parents: ReadonlyArray<string>;
  readonly state: A;
}

/** The history names a version that it does not hold, holds one twice, or goes in a circle. Nothing was merged. Mend the import. */
export interface HistoryInvalid {
  readonly _tag: 'HistoryInvalid';
  /** The version in question. */
  readonly id: string;
  readonly message: string;
}

export interface MergedHistory<A> {
  readonly state: A;
  /** The versions that nothing was made from, merged here in the order of their ids. */
  readonly heads: ReadonlyArray<string>;
  /** Sets of versions that had to be merged into a virtual base because none of them is the one common past. */
  readonly virtualBases: ReadonlyArray<ReadonlyArray<string>>;
}

type Versions<A> = ReadonlyMap<string, HistoryVersion<A>>;

const invalid = (id: string, what: string): E.Left<HistoryInvalid> => ({
  _tag: 'Left',
  left: { _tag: 'HistoryInvalid', id, message: `the history’s version ${id} ${what}` },
});

const indexed = <A>(history: ReadonlyArray<HistoryVersion<A>>): E.Either<HistoryInvalid, Versions<A>> => {
  const versions = new Map<string, HistoryVersion<A>>();
  for (const version of history) {
    if (versions.has(version.id)) return invalid(version.id, 'stands there twice');
    versions.set(version.id, version);
  }
  for (const { id, parents } of history)
    for (const parent of parents)
      if (!versions.has(parent)) return invalid(id, `was made from ${parent}, which is not there`);
  return checkAcyclic(versions);
};

/** Takes away versions whose parents are all taken: what is left over goes in a circle. */
const checkAcyclic = <A>(versions: Versions<A>): E.Either<HistoryInvalid, Versions<A>> => {
  const children = new Map<string, string[]>();
  const waitsFor = new Map<string, number>();
  for (const { id, parents } of versions.values()) {
    const distinct = new Set(parents);
    waitsFor.set(id, distinct.size);
    for (const parent of distinct) children.set(parent, children.get(parent)?.concat(id) ?? [id]);
  }
  const ready = [...waitsFor].filter(([, count]) => count === 0).map(([id]) => id);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    waitsFor.delete(id);
    for (const child of children.get(id) ?? []) {
      const left = (waitsFor.get(child) ?? 0) - 1;
      waitsFor.set(child, left);
      if (left === 0) ready.push(child);
    }
  }
  const [circular] = waitsFor.keys();
  return circular === undefined ? E.right(versions) : invalid(circular, 'is its own past');
};

/** The versions and all that they were made from. */
const pastOf = <A>(versions: Versions<A>, ids: Iterable<string>): ReadonlySet<string> => {
  const past = new Set<string>();
  const open = [...ids];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (past.has(id)) continue;
    past.add(id);
    open.push(...(versions.get(id)?.parents ?? []));
  }
  return past;
};

/** Those of `ids` that are in no other's past, sorted. */
const latestOf = <A>(versions: Versions<A>, ids: ReadonlySet<string>): ReadonlyArray<string> => {
  const past = pastOf(
    versions,
    [...ids].flatMap((id) => versions.get(id)?.parents ?? []),
  );
  return [...ids].filter((id) => !past.has(id)).sort();
};

interface Side<A> {
  /** The versions whose work it holds. */
  readonly ids: ReadonlyArray<string>;
  readonly state: A;
}

/**
 * Merges all heads of a history by a three-way rule. Where two heads have several latest common versions, these are merged
 * first, and the result is their base; a refusal there says so. `initial` is the state before any beginning: the base of
 * heads that have no past in common.
 */
export const mergeHistory = <A>(
  history: ReadonlyArray<HistoryVersion<A>>,
  rule: ThreeWay<A>,
  initial: A,
): E.Either<HistoryInvalid | MergeRefused, MergedHistory<A>> => {
  const index = indexed(history);
  if (E.isLeft(index)) return index;
  const versions = index.right;
  const virtualBases: Array<ReadonlyArray<string>> = [];

  const baseOf = (ours: Side<A>, theirs: Side<A>): E.Either<MergeRefused, A> => {
    const theirPast = pastOf(versions, theirs.ids);
    const common = new Set([...pastOf(versions, ours.ids)].filter((id) => theirPast.has(id)));
    const latest = latestOf(versions, common);
    const [only] = latest;
    if (only === undefined) return E.right(initial);
    if (latest.length === 1) return E.right(stateOf(only));
    virtualBases.push(latest);
    const base = mergeAll(latest);
    if (E.isRight(base)) return E.right(base.right.state);
    const { reason, paths } = base.left;
    const words = `${ours.ids.join(' and ')} and ${theirs.ids.join(' and ')} cross: their common versions ${latest.join(' and ')} cannot be merged into one base (${reason})`;
    return E.left(mergeRefused(words, paths));
  };
  const stateOf = (id: string): A => (versions.get(id) as HistoryVersion<A>).state;

  // Ends: each call is about versions that are all in the past of those before it.
  const mergeAll = (ids: ReadonlyArray<string>): E.Either<MergeRefused, Side<A>> => {
    let ours: Side<A> | undefined;
    for (const id of ids) {
      const theirs: Side<A> = { ids: [id], state: stateOf(id) };
      if (ours === undefined) {
        ours = theirs;
        continue;
      }
      const base = baseOf(ours, theirs);
      if (E.isLeft(base)) return base;
      const merged = rule.merge(base.right, ours.state, theirs.state);
      if (E.isLeft(merged)) return E.left(refusalOf(merged.left));
      ours = { ids: [...ours.ids, id], state: merged.right };
    }
    return E.right(ours ?? { ids: [], state: initial });
  };

  const heads = latestOf(versions, new Set(versions.keys()));
  const merged = mergeAll(heads);
  return E.isLeft(merged) ? merged : E.right({ state: merged.right.state, heads, virtualBases });
};
