/** A list of items that have an identity: each is added, changed and removed by itself. */
import * as E from 'fp-ts/lib/Either.js';
import { canonicalJson, type Json } from '../json.js';
import type { FieldConflict, ThreeWay } from './merge.js';
import { isEqual, under } from './merge-parts.js';

/** What makes an item the same item: unique in the list, given once, and never given again after the item was removed. */
export type ItemId = string | number;

export interface ListByIdOptions<Item> {
  /**
   * An item that one side removed and the other changed: `refuse` with its path, or `remove` it. Default `refuse`. There is
   * no `keep`: with bases of their own, two branches of which one removes and one changes would depend on their order.
   */
  readonly removedAndChanged?: 'refuse' | 'remove';
  /** The order of the merged list, by what never changes in an item. Items that it holds equal stand by id. Default: by id. */
  readonly order?: (a: Item, b: Item) => number;
}

type Merged<Item> = E.Either<ReadonlyArray<FieldConflict>, Item | undefined>;

const compareIds = (a: ItemId, b: ItemId): number => {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
};

const conflict = (reason: string): E.Either<ReadonlyArray<FieldConflict>, never> =>
  E.left([{ path: '$', reason }]);

const mergeItem = <Item>(
  rule: ThreeWay<Item>,
  removedAndChanged: 'refuse' | 'remove',
  base: Item | undefined,
  ours: Item | undefined,
  theirs: Item | undefined,
): Merged<Item> => {
  if (ours !== undefined && theirs !== undefined) {
    if (base !== undefined) return rule.merge(base, ours, theirs);
    return isEqual(ours, theirs)
      ? E.right(ours)
      : conflict('added on both sides under one id, with different values');
  }
  const left = ours ?? theirs;
  // Not in the base: one side added it. In the base: the other side removed it.
  if (base === undefined || left === undefined) return E.right(left);
  if (removedAndChanged === 'remove' || isEqual(base, left)) return E.right(undefined);
  return conflict(`removed on one side, changed on the other to ${canonicalJson(left as Json)}`);
};

/**
 * A list whose items have an identity. `idOf` is the name of the field that holds it, or a function; `item` merges an item that
 * both sides have.
 *
 * | one side | the other | merged |
 * |---|---|---|
 * | added an item | added another | both |
 * | added an item | added one with the same id | one if they are equal, else refused with its path |
 * | removed an item | left it alone, or removed it | removed |
 * | removed an item | changed it | `removedAndChanged` |
 * | changed an item | changed it | by `item` |
 *
 * Where both sides moved, the merged list stands in the order of `order`: a function of the items alone, hence the same
 * whatever the order and grouping of merges. A side that did not move leaves the other's list as it is. A place in the
 * list that is its own piece of information is what `sequence` is for. A conflict's path names the item: `$[id="7"].price`.
 *
 * Obeys the laws of `ThreeWay` where `item` does, for lists that handlers keep in the order of `order`; with `refuse`, wherever
 * neither order refuses. Which items are in a list that is kept otherwise is independent of order and grouping all the same.
 */
export const listById = <Item>(
  idOf: (keyof Item & string) | ((item: Item) => ItemId),
  item: ThreeWay<Item>,
  options: ListByIdOptions<Item> = {},
): ThreeWay<ReadonlyArray<Item>> => {
  const { removedAndChanged = 'refuse', order = () => 0 } = options;
  const id = (of: Item): ItemId => (typeof idOf === 'function' ? idOf(of) : (of[idOf] as ItemId));
  const byId = (items: ReadonlyArray<Item>): ReadonlyMap<ItemId, Item> =>
    new Map(items.map((one) => [id(one), one]));
  const compare = (a: Item, b: Item): number => order(a, b) || compareIds(id(a), id(b));
  const mergeItems = (sides: ReadonlyArray<ReadonlyMap<ItemId, Item>>) => {
    const [base, ours, theirs] = sides as [Map<ItemId, Item>, Map<ItemId, Item>, Map<ItemId, Item>];
    const merged: Item[] = [];
    const conflicts: FieldConflict[] = [];
    for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
      const one = mergeItem(item, removedAndChanged, base.get(key), ours.get(key), theirs.get(key));
      if (E.isLeft(one)) conflicts.push(...under(`[id=${JSON.stringify(key)}]`, one.left));
      else if (one.right !== undefined) merged.push(one.right);
    }
    return conflicts.length > 0 ? E.left(conflicts) : E.right(merged.sort(compare));
  };
  return {
    description: `listById(${item.description})`,
    merge: (base, ours, theirs) => {
      if (isEqual(base, theirs)) return E.right(ours);
      if (isEqual(base, ours)) return E.right(theirs);
      const lists = [base, ours, theirs];
      const sides = lists.map(byId);
      const twice = lists.findIndex((list, index) => list.length !== sides[index]?.size);
      return twice < 0
        ? mergeItems(sides)
        : conflict(`an id stands twice in the list of ${['the base', 'the trunk', 'the branch'][twice]}`);
    },
  };
};
