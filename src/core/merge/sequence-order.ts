/**
 * The order of a sequence: a walk over the tree in which every item hangs on a neighbour that its writer saw (the tree of
 * Weidner and Kleppmann, "The Art of the Fugue", 2023): what is on an item's left, the item, what is on its right.
 */
import { at } from './merge-parts.js';
import {
  type ItemRef,
  type Ranges,
  readRun,
  readRuns,
  type Run,
  type SequenceItems,
  type SequenceState,
  slotOf,
  type StoredRuns,
} from './sequence-runs.js';

/** Items in a row: of one writer, counting on, all of them there or all removed. */
export interface Piece {
  readonly writer: string;
  readonly from: number;
  readonly length: number;
  readonly isRemoved: boolean;
}

/** A run or the rest of one, in the walk. */
interface Walk {
  readonly author: Author;
  readonly run: Run;
  /** Where in the run to go on. */
  readonly offset: number;
}

interface Children {
  readonly left: Walk[];
  readonly right: Walk[];
}

/** A writer, and what hangs on that writer's items. */
interface Author {
  readonly writer: string;
  readonly hanging: Map<number, Children>;
  /** The numbers of those items, ascending. */
  numbers: ReadonlyArray<number>;
  readonly removed: Ranges;
}

interface Tree {
  readonly roots: Walk[];
  readonly authors: ReadonlyMap<string, Author>;
}

const byItem = (a: Walk, b: Walk): number => {
  const [left, right] = [a.author.writer, b.author.writer];
  if (left !== right) return left < right ? -1 : 1;
  return a.run.from + a.offset - (b.run.from + b.offset);
};

/** The last to be walked first, as a stack wants it. */
const lastFirst = (walks: Walk[]): Walk[] => (walks.length < 2 ? walks : walks.sort(byItem).reverse());

const treeOf = (state: SequenceState<SequenceItems>): Tree => {
  const roots: Walk[] = [];
  const authors = new Map<string, Author>();
  for (const writer of Object.keys(state.runs))
    authors.set(writer, {
      writer,
      hanging: new Map(),
      numbers: [],
      removed: at(state.removed, writer) ?? [],
    });
  for (const author of authors.values())
    for (const run of readRuns(at(state.runs, author.writer) ?? [])) {
      const walk = { author, run, offset: 0 };
      if (run.parent === undefined) roots.push(walk);
      else hang(authors.get(run.parent.writer)?.hanging, run.parent.number, walk);
    }
  for (const author of authors.values()) author.numbers = [...author.hanging.keys()].sort((a, b) => a - b);
  return { roots, authors };
};

// What hangs on an item that has not come yet is left out, and shows when that item comes.
const hang = (hanging: Author['hanging'] | undefined, number: number, walk: Walk): void => {
  if (hanging === undefined) return;
  let children = hanging.get(number);
  if (children === undefined) {
    children = { left: [], right: [] };
    hanging.set(number, children);
  }
  children[walk.run.side].push(walk);
};

/** The first index at which an ascending test holds. */
const firstWhere = (length: number, holds: (index: number) => boolean): number => {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};

type Emit = (author: Author, from: number, length: number) => void;
/** What is left to do: a run to walk, or one item of it to emit. */
type Task = Walk & { readonly isItem?: true };

/** Walks the tree. Without recursion, for a text that is only ever typed at its end is as deep as it has runs. */
const walkTree = (roots: Walk[], emit: Emit): void => {
  const stack: Task[] = lastFirst(roots);
  // Ends: each run is on the stack once, and each turn takes at least one of its items off.
  for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
    const { author, run, offset, isItem } = task;
    const first = run.from + offset;
    if (isItem) {
      emit(author, first, 1);
      continue;
    }
    const { numbers } = author;
    const next = numbers[firstWhere(numbers.length, (index) => (numbers[index] as number) >= first)];
    const stop = next === undefined ? run.items.length : Math.min(next - run.from, run.items.length);
    if (stop > offset) emit(author, first, stop - offset);
    if (stop === run.items.length) continue;
    const { left, right } = author.hanging.get(run.from + stop) as Children;
    const rest = stop + 1 < run.items.length ? [...right, { author, run, offset: stop + 1 }] : right;
    stack.push(...lastFirst(rest), { author, run, offset: stop, isItem: true }, ...lastFirst(left));
  }
};

/** Puts a stretch of one writer's items down, cut where removed ones begin and end. */
const putCut = (pieces: Piece[], { writer, removed }: Author, from: number, length: number): void => {
  const end = from + length;
  let done = from;
  const first = 2 * firstWhere(removed.length / 2, (index) => (removed[2 * index + 1] as number) > from);
  for (let index = first; done < end; index += 1) {
    // At an even index removed items begin, at an odd one they end.
    const stop = Math.min(removed[index] ?? end, end);
    if (stop > done) pieces.push({ writer, from: done, length: stop - done, isRemoved: index % 2 === 1 });
    done = Math.max(done, stop);
  }
};

/** A sequence spread out: all its pieces in order, removed ones too. */
export interface Order {
  readonly pieces: ReadonlyArray<Piece>;
  /** Whether something is on the right of an item already. */
  readonly hasRight: (item: ItemRef) => boolean;
}

const orders = new WeakMap<object, Order>();

export const orderOf = (state: SequenceState<SequenceItems>): Order => {
  const known = orders.get(state);
  if (known !== undefined) return known;
  const { roots, authors } = treeOf(state);
  const pieces: Piece[] = [];
  walkTree(roots, (author, from, length) => putCut(pieces, author, from, length));
  const order: Order = {
    pieces,
    hasRight: ({ writer, number }) => {
      if ((authors.get(writer)?.hanging.get(number)?.right.length ?? 0) > 0) return true;
      const run = readRun(at(state.runs, writer) ?? [], slotOf(at(state.runs, writer) ?? [], number));
      return number + 1 < run.from + run.items.length;
    },
  };
  // Kept with the state: a state is a value, and spreading it out is the dear part of reading it.
  orders.set(state, order);
  return order;
};

/** The items that are there, in order, as the stretches they were written in. */
export const stretchesOf = <I extends SequenceItems>(state: SequenceState<I>): ReadonlyArray<I> =>
  orderOf(state as SequenceState<SequenceItems>)
    .pieces.filter(({ isRemoved }) => !isRemoved)
    .map(({ writer, from, length }) => {
      const runs = at(state.runs, writer) as StoredRuns<I>;
      const run = readRun(runs, slotOf(runs, from));
      return run.items.slice(from - run.from, from - run.from + length) as I;
    });
