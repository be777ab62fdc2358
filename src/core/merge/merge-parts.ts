/** What the combinators are built from: rules that always answer, tables of any keys, and conflicts with their paths. */
import * as E from 'fp-ts/lib/Either.js';
import { isJsonEqual, type Json } from '../json.js';
import type { FieldConflict, ThreeWay } from './merge.js';

/** A rule that never refuses. */
export const sure = <A>(description: string, merge: (base: A, ours: A, theirs: A) => A): ThreeWay<A> => ({
  description,
  merge: (base, ours, theirs) => E.right(merge(base, ours, theirs)),
});

// States are JSON by the time they are merged.
export const isEqual = (a: unknown, b: unknown): boolean => isJsonEqual(a as Json, b as Json);

/** An empty null-prototype table, so that no key can reach a prototype. */
export const table = <A>(): Record<string, A> => Object.create(null) as Record<string, A>;

// Back to an ordinary object: states are compared and encoded as plain data.
export const plain = <A>(entries: Record<string, A>): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(entries));

export const at = <A>(entries: Readonly<Record<string, A>>, key: string): A | undefined =>
  Object.hasOwn(entries, key) ? entries[key] : undefined;

export const keysOf = (...sides: ReadonlyArray<Readonly<Record<string, unknown>>>): ReadonlyArray<string> =>
  [...new Set(sides.flatMap((side) => Object.keys(side)))].sort();

/** A key as a step of a path: `.name`, or `["@scope/name"]` where it is no plain word. */
export const keyStep = (key: string): string =>
  /^[\w$]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;

/** Conflicts of a part, as seen from the whole; `step` leads to the part. */
export const under = (step: string, conflicts: ReadonlyArray<FieldConflict>): ReadonlyArray<FieldConflict> =>
  conflicts.map(({ path, reason }) => ({ path: `$${step}${path.slice(1)}`, reason }));

/** Merges key by key; where parts refuse, all of their conflicts are told. */
export const mergeKeys = <A>(
  keys: ReadonlyArray<string>,
  mergeAt: (key: string) => E.Either<ReadonlyArray<FieldConflict>, A>,
): E.Either<ReadonlyArray<FieldConflict>, Record<string, A>> => {
  const merged = table<A>();
  const conflicts: FieldConflict[] = [];
  for (const key of keys) {
    const part = mergeAt(key);
    if (E.isLeft(part)) conflicts.push(...under(keyStep(key), part.left));
    else merged[key] = part.right;
  }
  return conflicts.length > 0 ? E.left(conflicts) : E.right(merged);
};
