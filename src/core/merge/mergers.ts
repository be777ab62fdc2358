/** Mergers from parts: each obeys the three laws of `ThreeWay` by construction, for the values its text names. */
import * as E from 'fp-ts/lib/Either.js';
import { canonicalJson, type Json } from '../json.js';
import type { ThreeWay } from './merge.js';
import { at, isEqual, keysOf, mergeKeys, plain, sure, table } from './merge-parts.js';

/**
 * A number that is added to and subtracted from: both sides' changes count, base 10 with +3 and -1 gives 12. A side that
 * changed it and changed it back counts for nothing. A number that is set rather than added to is `lww` or `unlessBothChanged`.
 */
export const counter: ThreeWay<number> = sure('counter', (base, ours, theirs) => ours + theirs - base);

/** A number that only grows: the larger one. Two equal changes are one. */
export const max: ThreeWay<number> = sure('max', (_base, ours, theirs) => Math.max(ours, theirs));

/** A number that only falls: the smaller one. Two equal changes are one. */
export const min: ThreeWay<number> = sure('min', (_base, ours, theirs) => Math.min(ours, theirs));

/** A flag that is only ever raised: up if either side has raised it. Where it may also fall, use `lww`. */
export const flag: ThreeWay<boolean> = sure('flag', (_base, ours, theirs) => ours || theirs);

const byCanonicalForm = (a: Json, b: Json): number => {
  const [left, right] = [canonicalJson(a), canonicalJson(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/**
 * A list that is only added to, read as a set: every element of both sides once. Where both sides moved it stands sorted by
 * canonical form. Nothing is ever removed: an element that one side dropped comes back with the other; `orSet` removes.
 */
export const union = <A extends Json>(): ThreeWay<ReadonlyArray<A>> =>
  sure('union', (base, ours, theirs) => {
    // A side that did not move leaves the other as it is, order included: the first two laws hold to the letter.
    if (isEqual(base, theirs)) return ours;
    if (isEqual(base, ours)) return theirs;
    const elements = new Map([...ours, ...theirs].map((element) => [canonicalJson(element), element]));
    return [...elements.values()].sort(byCanonicalForm);
  });

/** Elements of an observed-remove set: each with the tags of the additions that nobody has removed. */
export type OrSetState = Readonly<Record<string, ReadonlyArray<string>>>;

/**
 * An observed-remove set: a removal removes the additions it saw, and an addition made meanwhile stays.
 *
 * | one side | the other | merged |
 * |---|---|---|
 * | added | added | in the set, with both tags |
 * | removed | left it alone, or removed it | not in the set |
 * | removed | added it again | in the set, with the new tag |
 *
 * The tag of an addition must be unique (the message id does), and is never added again: this is what the textbook
 * three-way set merge lacks, and why that one depends on grouping when the branches' bases differ.
 */
export const orSet: ThreeWay<OrSetState> = sure('orSet', (base, ours, theirs) => {
  const merged = table<ReadonlyArray<string>>();
  for (const element of keysOf(ours, theirs)) {
    const before = new Set(at(base, element) ?? []);
    const left = at(ours, element) ?? [];
    const right = at(theirs, element) ?? [];
    const tags = [
      ...left.filter((tag) => !before.has(tag) || right.includes(tag)),
      ...right.filter((tag) => !before.has(tag)),
    ];
    if (tags.length > 0) merged[element] = [...new Set(tags)].sort();
  }
  return plain(merged);
});

/** Adds an element to an observed-remove set under a tag of its own. */
export const orSetAdd = (set: OrSetState, element: string, tag: string): OrSetState => ({
  ...set,
  [element]: [...new Set([...(at(set, element) ?? []), tag])].sort(),
});

/** Removes an element: every addition that is seen now. */
export const orSetRemove = (set: OrSetState, element: string): OrSetState =>
  Object.fromEntries(Object.entries(set).filter(([key]) => key !== element));

export const orSetElements = (set: OrSetState): ReadonlyArray<string> => Object.keys(set).sort();

/** A value with the tag that orders its writes: a number that each write makes larger than the one it saw, and who wrote. */
export interface LwwState<A> {
  readonly value: A;
  readonly tag: readonly [count: number, writer: string];
}

/** Writes a value over another: its tag is one more than the one it saw. */
export const lwwWrite = <A>(old: LwwState<A>, value: A, writer: string): LwwState<A> => ({
  value,
  tag: [old.tag[0] + 1, writer],
});

/**
 * Last write wins, by tag and never by a clock: the larger count, then the larger writer. A write made by somebody who saw
 * another one always wins over it. The other value is lost without a word: where that matters, use `unlessBothChanged`. The
 * tag must be unique to a write; `lwwWrite` sees to that where the writer is the message id.
 */
export const lww = <A>(): ThreeWay<LwwState<A>> =>
  sure('lww', (_base, ours, theirs) => {
    if (ours.tag[0] !== theirs.tag[0]) return ours.tag[0] > theirs.tag[0] ? ours : theirs;
    return ours.tag[1] >= theirs.tag[1] ? ours : theirs;
  });

/** A value that only moves up in a fixed order: the one that stands later in `order`. A value that is not in it is before all others. */
export const ranked = <A extends Json>(order: ReadonlyArray<A>): ThreeWay<A> => {
  const rank = new Map(order.map((value, index) => [canonicalJson(value), index]));
  const of = (value: A): number => rank.get(canonicalJson(value)) ?? -1;
  return sure(`ranked ${order.map((value) => canonicalJson(value)).join(' < ')}`, (_base, ours, theirs) =>
    of(theirs) > of(ours) ? theirs : ours,
  );
};

/**
 * A value that one side may change; where both changed it to different values, the merge is refused with its path.
 *
 * | one side | the other | merged |
 * |---|---|---|
 * | changed | left it alone, or changed it and changed it back | the change |
 * | changed | made the same change | the change, once |
 * | changed to one value | changed to another | refused |
 *
 * Laws 1 and 2 always hold. The diamond holds wherever neither order refuses, as long as the value does not come back to an
 * earlier one while branches wait and no two writers reach the same value by themselves; with one common base even then.
 */
export const unlessBothChanged = <A>(): ThreeWay<A> => ({
  description: 'unless both changed',
  merge: (base, ours, theirs) => {
    if (isEqual(ours, theirs) || isEqual(base, theirs)) return E.right(ours);
    if (isEqual(base, ours)) return E.right(theirs);
    return E.left([
      {
        path: '$',
        reason: `changed on both sides, to ${canonicalJson(ours as Json)} and to ${canonicalJson(theirs as Json)}`,
      },
    ]);
  },
});

/**
 * A value that only one side's writers own.
 *
 * | owner | merged |
 * |---|---|
 * | `trunk` | the trunk's value; what a branch made of it is dropped, without a word |
 * | `branch` | the branch's value where it changed it, else the trunk's |
 *
 * The laws hold where the owner is alone: with `trunk`, 1 and 3 always, and 2 if branches leave the value alone; with
 * `branch`, 1 and 2 always, and 3 if only one of the branches that wait changes it. Where two may write, use `lww`.
 */
export const ownedBy = <A>(side: 'trunk' | 'branch'): ThreeWay<A> =>
  sure(`ownedBy ${side}`, (base, ours, theirs) =>
    side === 'trunk' ? ours : isEqual(base, theirs) ? ours : theirs,
  );

/**
 * A state with a rule for each field; each field must have one. Fields are merged by themselves, and where some refuse, all of
 * their paths are told. A field that a state may leave out reaches its rule as `undefined`. Obeys the laws that its rules obey.
 */
export const record = <S extends object>(
  fields: { readonly [K in keyof S]-?: ThreeWay<S[K]> },
): ThreeWay<S> => {
  const keys = Object.keys(fields);
  const rule = (key: string): ThreeWay<unknown> => fields[key as keyof S] as unknown as ThreeWay<unknown>;
  return {
    description: `record(${keys.map((key) => `${key}: ${rule(key).description}`).join(', ')})`,
    merge: (base, ours, theirs) => {
      const part = (side: S, key: string): unknown => side[key as keyof S];
      const merged = mergeKeys(keys, (key) =>
        rule(key).merge(part(base, key), part(ours, key), part(theirs, key)),
      );
      if (E.isLeft(merged)) return merged;
      // A field that no side has stays out: JSON knows no `undefined`.
      const present = Object.entries(merged.right).filter(([, value]) => value !== undefined);
      return E.right(Object.fromEntries(present) as S);
    },
  };
};

/**
 * A table of values that are merged key by key; a key that is missing stands for `empty`, and a value equal to `empty` is left out.
 * So a key that one side added and the other added is merged over `empty`, and a key that one side removed and the other
 * changed is what `value` makes of `empty` and the change. Obeys the laws that `value` obeys.
 */
export const map = <A>(value: ThreeWay<A>, empty: A): ThreeWay<Readonly<Record<string, A>>> => ({
  description: `map(${value.description})`,
  merge: (base, ours, theirs) => {
    const part = (side: Readonly<Record<string, A>>, key: string): A => at(side, key) ?? empty;
    const merged = mergeKeys(keysOf(base, ours, theirs), (key) =>
      value.merge(part(base, key), part(ours, key), part(theirs, key)),
    );
    return E.isLeft(merged)
      ? merged
      : E.right(Object.fromEntries(Object.entries(merged.right).filter(([, kept]) => !isEqual(kept, empty))));
  },
});
