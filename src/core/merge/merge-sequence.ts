/** A sequence that many write at once, a text or a list: its state, its changes, and the rule that merges them. */
import * as t from 'io-ts';
import type { Json } from '../json.js';
import type { ThreeWay } from './merge.js';
import { at, keysOf, plain, sure, table } from './merge-parts.js';
import { changeOf } from './sequence-edit.js';
import { stretchesOf } from './sequence-order.js';
import {
  isHead,
  type SequenceEdit,
  type SequenceItems,
  type SequenceState,
  type StoredRuns,
  uniteRanges,
  uniteRuns,
} from './sequence-runs.js';

export type { SequenceEdit, SequenceItems, SequenceState } from './sequence-runs.js';

/** The empty sequence. */
export const sequenceEmpty: SequenceState<never> = Object.freeze({
  runs: Object.freeze({}),
  removed: Object.freeze({}),
});

const unite = <A>(
  a: Readonly<Record<string, A>>,
  b: Readonly<Record<string, A>>,
  each: (writer: string, left: A, right: A) => A,
): Readonly<Record<string, A>> => {
  const united = table<A>();
  for (const writer of keysOf(a, b)) {
    const [left, right] = [at(a, writer), at(b, writer)];
    united[writer] =
      left === undefined ? (right as A) : right === undefined ? left : each(writer, left, right);
  }
  return plain(united);
};

/** The sequence after a change. A change that is there already alters nothing; one may come before what it hangs on, and shows when that comes. */
export const sequenceApply = <I extends SequenceItems = string>(
  state: SequenceState<I>,
  change: SequenceState<I>,
): SequenceState<I> => ({
  runs: unite<StoredRuns<I>>(state.runs, change.runs, uniteRuns),
  removed: unite(state.removed, change.removed, (_writer, left, right) => uniteRanges(left, right)),
});

/**
 * A text or a list that is edited at several places at once. No merge is ever refused:
 *
 * | one side | the other | merged |
 * |---|---|---|
 * | inserted | inserted elsewhere | both |
 * | inserted at a place | inserted at the same place | one insertion whole, then the other; never mixed item by item |
 * | removed an item | removed it, or left it alone | removed |
 * | removed items | inserted between them | the items are gone, the insertion stays |
 *
 * Edits are decided by position with `sequenceEdit`, `sequenceInsert` or `sequenceDelete`, and recorded as changes that name
 * items, so that they mean the same on any base:
 *
 * ```ts
 * react: { Typed: (text, { at, insert }, { messageId }) => ({ events: [{ type: 'Changed', data: sequenceInsert(text, at, insert, messageId) }] }) },
 * evolve: { Changed: (text, change) => sequenceApply(text, change) },
 * ```
 * A writer must be one who decides one change after another: the message id always is; a client's own id is if the client
 * makes its changes itself, on the text it shows. Changes commute: with `commuting: { Changed: ['Changed'] }` an append that
 * lost only to other changes is not even a conflict.
 *
 * Obeys all three laws of `ThreeWay`, whatever the bases: the merge is a union.
 */
export const sequence = <I extends SequenceItems = string>(): ThreeWay<SequenceState<I>> =>
  sure('sequence', (_base, ours, theirs) => sequenceApply(ours, theirs));

/**
 * The change that edits make, each on what the ones before have left. `writer` must be unique to one line of decisions.
 * Positions in a text are UTF-16 code units, as in JavaScript's own strings; do not cut a surrogate pair in two. Throws a
 * RangeError where a position is not in the sequence.
 */
export const sequenceEdit = <I extends SequenceItems = string>(
  state: SequenceState<I>,
  writer: string,
  edits: ReadonlyArray<SequenceEdit<I>>,
): SequenceState<I> => changeOf(state, writer, edits);

/** The change that inserts items so that the first of them stands at `position`, 0 to the length of the sequence. */
export const sequenceInsert = <I extends SequenceItems = string>(
  state: SequenceState<I>,
  position: number,
  items: I,
  writer: string,
): SequenceState<I> => changeOf(state, writer, [{ at: position, insert: items }]);

/** The change that removes `count` items from `position` on. */
export const sequenceDelete = <I extends SequenceItems = string>(
  state: SequenceState<I>,
  position: number,
  count = 1,
): SequenceState<I> => changeOf(state, '', [{ at: position, remove: count }]);

/** The text that a sequence of characters reads. */
export const sequenceText = (state: SequenceState): string => stretchesOf(state).join('');

/** The items of a sequence that is a list. */
export const sequenceItems = <A extends Json>(state: SequenceState<ReadonlyArray<A>>): ReadonlyArray<A> =>
  stretchesOf(state).flat() as ReadonlyArray<A>;

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type IsSlot = (list: ReadonlyArray<unknown>, index: number) => boolean;

// A state is checked with every encoding and decoding, and a merge leaves most of it as it was: what nobody can change any
// more is looked at once.
const pairsOf = (isSlot: IsSlot): ((value: unknown) => boolean) => {
  const checked = new WeakSet<object>();
  return (value) => {
    if (!Array.isArray(value) || value.length % 2 !== 0) return false;
    if (checked.has(value)) return true;
    for (let index = 0; index < value.length; index += 1) if (!isSlot(value, index)) return false;
    if (Object.isFrozen(value)) checked.add(value);
    return true;
  };
};

const isRanges = pairsOf(
  (list, index) =>
    Number.isInteger(list[index]) && (index === 0 || (list[index] as number) > (list[index - 1] as number)),
);

// One type and not a tree of them: a state is checked with each merge, and may have thousands of runs.
const codec = <I extends SequenceItems>(
  name: string,
  isItems: (items: unknown) => boolean,
): t.Type<SequenceState<I>> => {
  const isRuns = pairsOf((list, index) => (index % 2 === 0 ? isHead(list[index]) : isItems(list[index])));
  const is = (value: unknown): value is SequenceState<I> =>
    isTable(value) &&
    isTable(value['runs']) &&
    isTable(value['removed']) &&
    Object.values(value['runs']).every(isRuns) &&
    Object.values(value['removed']).every(isRanges);
  return new t.Type(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );
};

/** Codec of a text, and of a change of it. */
export const TextSequence: t.Type<SequenceState> = codec(
  'TextSequence',
  (items) => typeof items === 'string',
);
export type TextSequence = SequenceState;

/** Codec of a list, and of a change of it. */
export const ListSequence: t.Type<SequenceState<ReadonlyArray<Json>>> = codec('ListSequence', Array.isArray);
export type ListSequence = SequenceState<ReadonlyArray<Json>>;
