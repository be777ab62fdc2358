/** What the ownership of fields makes of a conflict: nothing at all, or what each contested field asks for. */
import { covers, type FieldPath, overlapOf, showField } from './fields.js';
import type { AnyEvent } from '../merge/merge.js';
import { contested, type Ownership, ownerOf, type SharedStrategy, touchesOf } from './ownership.js';

/** Events of ours that were dropped, because theirs had written a field whose strategy is `skip`. */
export interface SkippedWrite {
  readonly field: string;
  readonly eventType: string;
}

interface Settled<Ev extends AnyEvent> {
  /** What is left of ours. */
  readonly events: ReadonlyArray<Ev>;
  readonly skipped: ReadonlyArray<SkippedWrite>;
}

/**
 * What to do about a conflict:
 *
 * | tag | do |
 * |---|---|
 * | `Disjoint` | append `events` on the current state: nothing that counts was contested |
 * | `Retry` | decide anew on the current state |
 * | `Merge` | give `events` and theirs to the resolver |
 * | `Conflict` | what the save's own strategy says: a field of one owner was written by two of its writers |
 */
export type Settlement<Ev extends AnyEvent = AnyEvent> =
  | (Settled<Ev> & { readonly _tag: 'Disjoint' })
  | { readonly _tag: 'Retry'; readonly fields: ReadonlyArray<string> }
  | (Settled<Ev> & { readonly _tag: 'Merge'; readonly fields: ReadonlyArray<string> })
  | { readonly _tag: 'Conflict'; readonly fields: ReadonlyArray<string> };

type Wish = SharedStrategy | 'owned';

const wishOf = (of: Ownership, field: FieldPath): Wish => {
  // A field around several others asks for no more than a conflict can give.
  if (field.length === 0) return 'owned';
  const holder = ownerOf(of, showField(field));
  return holder !== undefined && 'shared' in holder ? holder.shared : 'owned';
};

/** Contested fields that an event of ours touches. */
const touching = (
  of: Ownership,
  event: AnyEvent,
  fields: ReadonlyArray<FieldPath>,
): ReadonlyArray<FieldPath> => overlapOf(touchesOf(of, event), fields);

/**
 * Asks the ownership what to do about a conflict, by what the events of both sides are declared to touch. In this order:
 * a contested field of one owner is a `Conflict`; a field that ours only read, or a shared one with `retry`, is decided anew;
 * events of ours that touch nothing but contested `skip` fields are dropped and named; what is contested still goes to the
 * resolver. An event that touches a contested `skip` field and another field besides is decided anew rather than dropped, since
 * its other change would be lost with it.
 */
export const settleFields = <Ev extends AnyEvent>(
  of: Ownership,
  { ours, theirs }: { readonly ours: ReadonlyArray<Ev>; readonly theirs: ReadonlyArray<AnyEvent> },
): Settlement<Ev> => {
  const { written, read } = contested(of, ours, theirs);
  const wishing = (wish: Wish): ReadonlyArray<FieldPath> =>
    written.filter((field) => wishOf(of, field) === wish);
  const owned = wishing('owned');
  if (owned.length > 0) return { _tag: 'Conflict', fields: owned.map(showField) };
  const skips = wishing('skip');
  const dropped = ours.filter((event) => touching(of, event, skips).length > 0);
  const mixed = dropped.flatMap((event) =>
    touchesOf(of, event).filter((field) => !skips.some((skip) => covers(skip, field))),
  );
  const again = [...read, ...wishing('retry'), ...mixed];
  if (again.length > 0) return { _tag: 'Retry', fields: [...new Set(again.map(showField))] };
  const settled: Settled<Ev> = {
    events: ours.filter((event) => !dropped.includes(event)),
    skipped: dropped.flatMap((event) =>
      touching(of, event, skips).map((field) => ({ field: showField(field), eventType: event.type })),
    ),
  };
  const merging = wishing('merge');
  return merging.length > 0
    ? { _tag: 'Merge', fields: merging.map(showField), ...settled }
    : { _tag: 'Disjoint', ...settled };
};
