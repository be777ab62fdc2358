/** Mergers from parts: each obeys the three laws of `ThreeWay` by construction, for the values its text names. */
import * as E from 'fp-ts/lib/Either.js';
import { canonicalJson, isJsonEqual, type Json } from './json.js';
import type { FieldConflict, ThreeWay } from './merge.js';

const sure = <A>(description: string, merge: (base: A, ours: A, theirs: A) => A): ThreeWay<A> => ({
  description,
  merge: (base, ours, theirs) => E.right(merge(base, ours, theirs)),
});

// States are JSON by the time they are merged.
const isEqual = (a: unknown, b: unknown): boolean => isJsonEqual(a as Json, b as Json);

/** A number that is added to and subtracted from: both sides' changes count. */
export const counter: ThreeWay<number> = sure('counter', (base, ours, theirs) => ours + theirs - base);

/** A number that only grows: the larger one. */
export const max: ThreeWay<number> = sure('max', (_base, ours, theirs) => Math.max(ours, theirs));

/** A number that only falls: the smaller one. */
export const min: ThreeWay<number> = sure('min', (_base, ours, theirs) => Math.min(ours, theirs));

/** A flag that is only ever raised. */
export const flag: ThreeWay<boolean> = sure('flag', (_base, ours, theirs) => ours || theirs);

const byCanonicalForm = (a: Json, b: Json): number => {
  const [left, right] = [canonicalJson(a), canonicalJson(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/** A list that is only added to, read as a set: every element of both sides once, sorted by canonical form. Nothing is ever removed. */
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

/** An empty null-prototype table, so that no element's name can reach a prototype. */
const table = <A>(): Record<string, A> => Object.create(null) as Record<string, A>;

// Back to an ordinary object: states are compared and encoded as plain data.
const plain = <A>(entries: Record<string, A>): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(entries));

const at = <A>(entries: Readonly<Record<string, A>>, key: string): A | undefined =>
  Object.hasOwn(entries, key) ? entries[key] : undefined;

const keysOf = (...sides: ReadonlyArray<Readonly<Record<string, unknown>>>): ReadonlyArray<string> =>
  [...new Set(sides.flatMap((side) => Object.keys(side)))].sort();

/**
 * An observed-remove set: a removal removes the additions it saw, and an addition made meanwhile stays. The tag of an
 * addition must be unique (the message id does), and is never added again: this is what the textbook three-way set
 * merge lacks, and why that one depends on grouping when the branches' bases differ.
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

/** Last write wins, by tag and never by a clock: the larger count, then the larger writer. The tag must be unique to a write. */
export const lww = <A>(): ThreeWay<LwwState<A>> =>
  sure('lww', (_base, ours, theirs) => {
    if (ours.tag[0] !== theirs.tag[0]) return ours.tag[0] > theirs.tag[0] ? ours : theirs;
    return ours.tag[1] >= theirs.tag[1] ? ours : theirs;
  });

/** A value that only moves up in a fixed order: the one that stands later in `order`. */
export const ranked = <A extends Json>(order: ReadonlyArray<A>): ThreeWay<A> => {
  const rank = new Map(order.map((value, index) => [canonicalJson(value), index]));
  const of = (value: A): number => rank.get(canonicalJson(value)) ?? -1;
  return sure(`ranked ${order.map((value) => canonicalJson(value)).join(' < ')}`, (_base, ours, theirs) =>
    of(theirs) > of(ours) ? theirs : ours,
  );
};

/** A value that one side may change; where both changed it to different values, the merge is refused with its path. */
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

/** A value that only one of the two sides' writers owns: by convention the trunk's (`ours`) or the branch's (`theirs`). */
export const ownedBy = <A>(side: 'trunk' | 'branch'): ThreeWay<A> =>
  sure(`ownedBy ${side}`, (base, ours, theirs) =>
    side === 'trunk' ? ours : isEqual(base, theirs) ? ours : theirs,
  );

const under = (key: string, conflicts: ReadonlyArray<FieldConflict>): ReadonlyArray<FieldConflict> =>
  conflicts.map(({ path, reason }) => ({ path: `$.${key}${path.slice(1)}`, reason }));

const mergeKeys = <A>(
  keys: ReadonlyArray<string>,
  mergeAt: (key: string) => E.Either<ReadonlyArray<FieldConflict>, A>,
): E.Either<ReadonlyArray<FieldConflict>, Record<string, A>> => {
  const merged = table<A>();
  const conflicts: FieldConflict[] = [];
  for (const key of keys) {
    const part = mergeAt(key);
    if (E.isLeft(part)) conflicts.push(...under(key, part.left));
    else merged[key] = part.right;
  }
  return conflicts.length > 0 ? E.left(conflicts) : E.right(merged);
};

/** A state with a rule for each field; each field must have one. */
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
      return E.isLeft(merged) ? merged : E.right({ ...merged.right } as S);
    },
  };
};

/** A table of values that are merged key by key; a key that is missing stands for `empty`, and a value equal to `empty` is left out. */
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
