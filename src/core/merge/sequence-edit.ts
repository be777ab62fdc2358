/** Edits by position, turned into a change that names items: the work of one writer on the sequence as that writer sees it. */
import { at } from './merge-parts.js';
import { type Order, orderOf, type Piece } from './sequence-order.js';
import {
  endOf,
  type ItemRef,
  joinRuns,
  type Ranges,
  type Run,
  type SequenceItems,
  storeRuns,
  uniteRanges,
  type SequenceState,
  type SequenceEdit,
} from './sequence-runs.js';

/** A sequence in the hands of one writer, with what has been done so far. */
interface Desk<I extends SequenceItems> {
  readonly writer: string;
  readonly order: Order;
  readonly pieces: Piece[];
  /** Number of the writer's next item. */
  next: number;
  readonly runs: Array<Run<I>>;
  readonly removed: Map<string, Ranges>;
}

/** Where a position falls: a piece, and how many of its items are before. */
interface Place {
  readonly index: number;
  readonly offset: number;
}

/** The item at a position: pieces that are removed have none. `undefined` behind the last. */
const find = (pieces: ReadonlyArray<Piece>, position: number): Place | undefined => {
  let left = position;
  for (const [index, { length, isRemoved }] of pieces.entries()) {
    if (isRemoved) continue;
    if (left < length) return { index, offset: left };
    left -= length;
  }
  return undefined;
};

const outOfRange = (position: number): never => {
  throw new RangeError(`sequence: there is no position ${position} in it`);
};

/** Cuts a piece in two where `offset` falls into it. Answers the index of the piece that begins there. */
const split = (pieces: Piece[], { index, offset }: Place): number => {
  const piece = pieces[index];
  if (piece === undefined || offset === 0) return index;
  const rest = piece.length - offset;
  if (rest > 0)
    pieces.splice(
      index,
      1,
      { ...piece, length: offset },
      { ...piece, from: piece.from + offset, length: rest },
    );
  return index + 1;
};

const remove = (desk: Desk<SequenceItems>, position: number, count: number): void => {
  // Ends: each turn removes one item or more.
  for (let left = count; left > 0; ) {
    const index = split(desk.pieces, find(desk.pieces, position) ?? outOfRange(position + left - 1));
    const length = Math.min(left, (desk.pieces[index] as Piece).length);
    split(desk.pieces, { index, offset: length });
    const piece = desk.pieces[index] as Piece;
    desk.pieces[index] = { ...piece, isRemoved: true };
    const range = [piece.from, piece.from + length];
    desk.removed.set(piece.writer, uniteRanges(desk.removed.get(piece.writer) ?? [], range));
    left -= length;
  }
};

/** Whether something hangs on the right of an item, in the state or in what was written here since. */
const isTaken = ({ order, writer, runs }: Desk<SequenceItems>, item: ItemRef): boolean => {
  const { number } = item;
  const first = runs[0];
  const isHere = first !== undefined && item.writer === writer && number >= first.from;
  const isIn = (run: Run): boolean => run.from <= number && number + 1 < run.from + run.items.length;
  return (
    (isHere ? runs.some(isIn) : order.hasRight(item)) ||
    runs.some(
      ({ parent, side }) => side === 'right' && parent?.writer === item.writer && parent.number === number,
    )
  );
};

const insert = <I extends SequenceItems>(desk: Desk<I>, position: number, items: I): void => {
  if (items.length === 0) return;
  const { pieces, writer } = desk;
  const before = position === 0 ? undefined : (find(pieces, position - 1) ?? outOfRange(position));
  const index = before === undefined ? 0 : split(pieces, { ...before, offset: before.offset + 1 });
  const last = pieces[index - 1];
  const next = pieces[index];
  const left = last && { writer: last.writer, number: last.from + last.length - 1 };
  const onRight = left === undefined ? next === undefined : !isTaken(desk, left);
  // What is taken on its right has a neighbour there, and that one has nothing on its left.
  const run: Run<I> = onRight
    ? { from: desk.next, parent: left, side: 'right', items }
    : { from: desk.next, parent: next && { writer: next.writer, number: next.from }, side: 'left', items };
  const joined = joinRuns(writer, [...desk.runs.slice(-1), run]);
  desk.runs.splice(-1, 1, ...joined);
  desk.next += items.length;
  const isNext = last?.writer === writer && !last.isRemoved && last.from + last.length === run.from;
  if (isNext) pieces[index - 1] = { ...last, length: last.length + items.length };
  else pieces.splice(index, 0, { writer, from: run.from, length: items.length, isRemoved: false });
};

/** Carries out edits one after another, each on what the ones before have left. Throws a RangeError where a position is not there. */
export const changeOf = <I extends SequenceItems>(
  state: SequenceState<I>,
  writer: string,
  edits: ReadonlyArray<SequenceEdit<I>>,
): SequenceState<I> => {
  const order = orderOf(state as SequenceState<SequenceItems>);
  const desk: Desk<I> = {
    writer,
    order,
    pieces: [...order.pieces],
    next: endOf(at(state.runs, writer) ?? []),
    runs: [],
    removed: new Map(),
  };
  for (const { at: position, remove: count = 0, insert: items } of edits) {
    if (!Number.isInteger(position) || position < 0) outOfRange(position);
    remove(desk, position, count);
    if (items !== undefined) insert(desk, position, items);
  }
  return {
    runs: desk.runs.length === 0 ? {} : Object.fromEntries([[writer, storeRuns(desk.runs)]]),
    removed: Object.fromEntries(desk.removed),
  };
};
