/** Adding up: counters take both sides' changes, sets both sides' additions and removals, anything else one side's change. */
import * as E from 'fp-ts/lib/Either.js';
import { covers, type FieldPath, isSame, isTable, parseField, touchedPaths } from './fields.js';
import { canonicalJson, type Json } from '../json.js';
import type { AnyEvent, FieldConflict, ThreeWay } from '../merge/merge.js';
import { at, keysOf, mergeKeys } from '../merge/merge-parts.js';
import { unlessBothChanged } from '../merge/mergers.js';
import type { Resolver } from './resolver.js';
import { type ThreeWayResolverOptions, threeWayResolver } from './three-way-resolver.js';

export interface AdditiveOptions<S, Ev extends AnyEvent>
  extends Pick<ThreeWayResolverOptions<S, Ev>, 'toEvents'> {
  /**
   * Numbers that are added to and subtracted from: both sides' changes count. Fields as `stock` or `delivery.parcels`;
   * `stock.*` is each number of a table. Default: none.
   */
  readonly counters?: ReadonlyArray<string>;
  /** Lists that are read as sets: what either side added is in, what either side removed is out. Default: none. */
  readonly collections?: ReadonlyArray<string>;
}

type Merged = E.Either<ReadonlyArray<FieldConflict>, unknown>;
type KindAt = (path: FieldPath) => 'counter' | 'collection' | undefined;

const isNumber = (part: unknown): part is number | undefined =>
  part === undefined || typeof part === 'number';
const isList = (part: unknown): part is ReadonlyArray<Json> | undefined =>
  part === undefined || Array.isArray(part);
const textsOf = (items: ReadonlyArray<Json>): ReadonlySet<string> => new Set(items.map(canonicalJson));

/** Theirs in its own order without what ours removed, then what ours added. */
const united = (
  base: ReadonlyArray<Json>,
  theirs: ReadonlyArray<Json>,
  ours: ReadonlyArray<Json>,
): ReadonlyArray<Json> => {
  const [before, left, right] = [textsOf(base), textsOf(theirs), textsOf(ours)];
  const stays = (text: string): boolean => right.has(text) || !before.has(text);
  const isNew = (text: string): boolean => !before.has(text) && !left.has(text);
  return [
    ...theirs.filter((item) => stays(canonicalJson(item))),
    ...ours.filter((item) => isNew(canonicalJson(item))),
  ];
};

/** A part that a side does not have is `undefined`: 0 to a counter, and nothing to a collection. */
const addUp =
  (kindAt: KindAt) =>
  (path: FieldPath, base: unknown, theirs: unknown, ours: unknown): Merged => {
    if (isSame(base, theirs)) return E.right(ours);
    if (isSame(base, ours)) return E.right(theirs);
    const kind = kindAt(path);
    if (kind === 'counter' && isNumber(base) && isNumber(theirs) && isNumber(ours))
      return E.right((theirs ?? 0) + (ours ?? 0) - (base ?? 0));
    if (kind === 'collection' && isList(base) && isList(theirs) && isList(ours))
      return E.right(united(base ?? [], theirs ?? [], ours ?? []));
    const before = base ?? {};
    if (!isTable(before) || !isTable(theirs) || !isTable(ours))
      return unlessBothChanged<unknown>().merge(base, ours, theirs);
    const merged = mergeKeys(keysOf(before, theirs, ours), (key) =>
      addUp(kindAt)([...path, key], at(before, key), at(theirs, key), at(ours, key)),
    );
    if (E.isLeft(merged)) return merged;
    return E.right(Object.fromEntries(Object.entries(merged.right).filter(([, part]) => part !== undefined)));
  };

const partAt = (state: unknown, path: FieldPath): unknown =>
  path.reduce<unknown>((part, key) => (isTable(part) ? at(part, key) : undefined), state);

/** Whether two states differ in nothing but the order, and the number, in which collections hold their items. */
const areEqualSets =
  (kindAt: KindAt) =>
  (a: unknown, b: unknown): boolean =>
    touchedPaths(a, b).every((path) => {
      const [left, right] = [partAt(a, path), partAt(b, path)];
      if (kindAt(path) !== 'collection' || !isList(left) || !isList(right)) return false;
      return isSame([...textsOf(left ?? [])].sort(), [...textsOf(right ?? [])].sort());
    });

/**
 * Adds up: counters take both sides' changes, collections are united, any other field takes the change of the one side that
 * made one. A field that both sides changed to different values is refused by name.
 *
 * ```ts
 * additive<Cart, CartEvent>({ counters: ['items.*'], collections: ['coupons'] })
 * ```
 * Answers with our events where they, played on theirs, come to the sum, collections in whatever order; else as
 * `threeWayResolver` does.
 */
export const additive = <S, Ev extends AnyEvent = AnyEvent>(
  options: AdditiveOptions<S, Ev> = {},
): Resolver<S, Ev> => {
  const { counters = [], collections = [], toEvents } = options;
  const [added, sets] = [counters.map(parseField), collections.map(parseField)];
  const isIn = (fields: ReadonlyArray<FieldPath>, path: FieldPath): boolean =>
    fields.some((field) => field.length === path.length && covers(field, path));
  const kindAt: KindAt = (path) =>
    isIn(added, path) ? 'counter' : isIn(sets, path) ? 'collection' : undefined;
  const named = [
    ...counters.map((field) => `${field} added up`),
    ...collections.map((field) => `${field} united`),
  ];
  const rule = {
    description: named.length === 0 ? 'additive' : `additive (${named.join(', ')})`,
    merge: (...[base, theirs, ours]: readonly [S, S, S]) => addUp(kindAt)([], base, theirs, ours),
  } as ThreeWay<S>;
  return threeWayResolver<S, Ev>(rule, {
    ...(toEvents !== undefined && { toEvents }),
    equals: areEqualSets(kindAt),
    // The order of a collection's items tells who was first.
    ...(collections.length === 0 && { claims: ['commutative'] as const }),
  });
};
