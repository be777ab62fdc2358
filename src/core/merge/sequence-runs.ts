/** The runs of a sequence: who wrote which items one after another, where each run hangs, and the union of two such logs. */
import { isEqual } from './merge-parts.js';
import type { Json } from '../json.js';

/** What a sequence is made of: the characters of a text (UTF-16 code units), or the items of a list. */
export type SequenceItems = string | ReadonlyArray<Json>;

/** One item: who inserted it, and as which of theirs; 0 is a writer's first. */
export interface ItemRef {
  readonly writer: string;
  readonly number: number;
}

/** Items that one writer inserted one after another, each on the right of the one before. */
export interface Run<I extends SequenceItems = SequenceItems> {
  /** Number of the first item; the others count on. */
  readonly from: number;
  /** The item that the first one hangs on, on which side of it; `undefined` at the root of an empty sequence. */
  readonly parent: ItemRef | undefined;
  readonly side: 'left' | 'right';
  readonly items: I;
}

/**
 * A writer's runs as they are stored, flat: a head, its items, the next head, its items, ... in order of number. The head of
 * `12>3@ann` says: from 12 on, on the right of ann's 3; `12<3@ann` on its left; `0` at the root. Two slots for each run and
 * none of its parts nested, because a merge stores, copies and hashes the whole state.
 */
export type StoredRuns<I extends SequenceItems = SequenceItems> = ReadonlyArray<string | I>;

/** Numbers as ranges, flat: from, to (not included), from, to, ... */
export type Ranges = ReadonlyArray<number>;

/**
 * Everything that was ever inserted, by writer, and what of it was removed. Removed items stay as anchors for others. A change
 * has the same form: it is a state that holds only what is new, so one codec does for both, and to apply is to merge.
 */
export interface SequenceState<I extends SequenceItems = string> {
  /** Each writer's runs: a head that says where the run hangs, then its items, then the next head. Made by `sequenceEdit`. */
  readonly runs: Readonly<Record<string, StoredRuns<I>>>;
  /** Each writer's removed items, as ranges of their numbers: from, to (not included), ... */
  readonly removed: Readonly<Record<string, Ranges>>;
}

/** One edit by position: removes `remove` items from `at` on (default 0), then inserts. 0 is before the first item. */
export interface SequenceEdit<I extends SequenceItems = string> {
  readonly at: number;
  readonly remove?: number;
  readonly insert?: I;
}

const headPattern = /^(0|[1-9]\d*)(?:([<>])(0|[1-9]\d*)@(.*))?$/s;

export const isHead = (head: unknown): boolean => typeof head === 'string' && headPattern.test(head);

/** Reads one run. By hand, because thousands are read whenever a sequence is spread out. */
export const readRun = <I extends SequenceItems>(runs: StoredRuns<I>, slot: number): Run<I> => {
  const head = runs[slot] as string;
  const items = runs[slot + 1] as I;
  const from = Number.parseInt(head, 10);
  const end = head.indexOf('@');
  if (end < 0) return { from, parent: undefined, side: 'right', items };
  const onRight = head.lastIndexOf('>', end);
  const sign = onRight < 0 ? head.indexOf('<') : onRight;
  const number = Number.parseInt(head.slice(sign + 1, end), 10);
  return {
    from,
    parent: { writer: head.slice(end + 1), number },
    side: onRight < 0 ? 'left' : 'right',
    items,
  };
};

const readBefore = new WeakMap<StoredRuns, ReadonlyArray<Run>>();

/** Reads all runs. What a writer wrote is read once for all states that hold the same of it. */
export const readRuns = <I extends SequenceItems>(runs: StoredRuns<I>): ReadonlyArray<Run<I>> => {
  const known = readBefore.get(runs);
  if (known !== undefined) return known as ReadonlyArray<Run<I>>;
  const read = readFrom(runs, 0);
  readBefore.set(runs, read);
  return read;
};

const readFrom = <I extends SequenceItems>(runs: StoredRuns<I>, slot: number): ReadonlyArray<Run<I>> => {
  const read: Array<Run<I>> = [];
  for (let at = slot; at < runs.length; at += 2) read.push(readRun(runs, at));
  return read;
};

const headOf = ({ from, parent, side }: Run): string =>
  parent === undefined ? `${from}` : `${from}${side === 'left' ? '<' : '>'}${parent.number}@${parent.writer}`;

export const storeRuns = <I extends SequenceItems>(runs: ReadonlyArray<Run<I>>): StoredRuns<I> =>
  runs.flatMap((run) => [headOf(run), run.items]);

/** The number after the last item that is known of a writer. */
export const endOf = (runs: StoredRuns): number => {
  if (runs.length === 0) return 0;
  return (
    Number.parseInt(runs[runs.length - 2] as string, 10) + (runs[runs.length - 1] as SequenceItems).length
  );
};

const concatItems = <I extends SequenceItems>(left: I, right: I): I =>
  (typeof left === 'string' ? left + (right as string) : [...left, ...(right as ReadonlyArray<Json>)]) as I;

const follows = (writer: string, run: Run, last: Run): boolean =>
  run.side === 'right' &&
  run.parent !== undefined &&
  run.parent.writer === writer &&
  run.parent.number === run.from - 1 &&
  run.from === last.from + last.items.length;

/** Joins runs in order of number: what overlaps is the same items twice, what follows on is one run. */
export const joinRuns = <I extends SequenceItems>(
  writer: string,
  sorted: ReadonlyArray<Run<I>>,
): ReadonlyArray<Run<I>> => {
  const joined: Array<Run<I>> = [];
  for (const run of sorted) {
    const last = joined[joined.length - 1];
    const known = last === undefined ? 0 : last.from + last.items.length - run.from;
    if (last !== undefined && (known > 0 || follows(writer, run, last))) {
      if (known < run.items.length)
        joined[joined.length - 1] = {
          ...last,
          items: concatItems(last.items, run.items.slice(Math.max(known, 0)) as I),
        };
    } else joined.push(run);
  }
  return joined;
};

const fromAt = (runs: StoredRuns, slot: number): number => Number.parseInt(runs[slot] as string, 10);

/** The slot of the last run that begins at or before `number`; 0 where none does. */
export const slotOf = (runs: StoredRuns, number: number): number => {
  let [low, high] = [0, runs.length / 2];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fromAt(runs, 2 * middle) <= number) low = middle;
    else high = middle;
  }
  return 2 * low;
};

/** The union of what two sides know of one writer. One result for a set of items, whichever side had which. */
export const uniteRuns = <I extends SequenceItems>(
  writer: string,
  a: StoredRuns<I>,
  b: StoredRuns<I>,
): StoredRuns<I> => {
  let same = 0;
  while (same < a.length && same < b.length && isEqual(a[same], b[same])) same += 1;
  same -= same % 2;
  if (same === a.length) return b;
  if (same === b.length) return a;
  // The side that goes on earlier keeps its runs up to where the other one comes in.
  const [early, late] = fromAt(a, same) <= fromAt(b, same) ? [a, b] : [b, a];
  const kept = Math.max(same, slotOf(early, fromAt(late, same)));
  const rest = [...readFrom(early, kept), ...readFrom(late, same)].sort(
    (left, right) => left.from - right.from || left.items.length - right.items.length,
  );
  return [...early.slice(0, kept), ...storeRuns(joinRuns(writer, rest))];
};

/** The union of two sets of ranges: sorted, and none touches another. */
export const uniteRanges = (a: Ranges, b: Ranges): Ranges => {
  const pairs: Array<readonly [number, number]> = [];
  for (const ranges of [a, b])
    for (let at = 0; at < ranges.length; at += 2)
      pairs.push([ranges[at] as number, ranges[at + 1] as number]);
  pairs.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
  const united: number[] = [];
  for (const [from, to] of pairs) {
    const end = united[united.length - 1];
    if (end !== undefined && from <= end) united[united.length - 1] = Math.max(end, to);
    else united.push(from, to);
  }
  return united;
};
