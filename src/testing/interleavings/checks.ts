/** What no schedule may do to a stream, whatever the saga: counted from the records as they are written, not from what a fold makes of them. */
import type { RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { listPending } from '../../core/saga/pending-branches.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaFold } from '../../core/saga/saga-fold.js';
import { headerOf, sagaMerged } from '../../core/saga/saga-records.js';

/** How often each thing has happened. */
export interface Tally {
  /** By message id: appends that brought its work onto the trunk. */
  readonly effects: ReadonlyMap<string, number>;
  readonly branchesMerged: ReadonlyMap<string, number>;
  readonly completionsOfEpoch: ReadonlyMap<number, number>;
}

export const noTally: Tally = {
  effects: new Map(),
  branchesMerged: new Map(),
  completionsOfEpoch: new Map(),
};

const plus = <K>(counts: ReadonlyMap<K, number>, keys: Iterable<K>): ReadonlyMap<K, number> => {
  const result = new Map(counts);
  for (const key of keys) result.set(key, (result.get(key) ?? 0) + 1);
  return result;
};

const handledBy = (event: RecordedEvent): ReadonlyArray<string> => {
  if (event.type === recordTypes.sagaMerged && sagaMerged.is(event.data)) return event.data.handled;
  const header = headerOf(event.metadata);
  const { causationId } = event.metadata;
  const isOwn = event.type !== recordTypes.mergeSagaState && header?.message !== undefined;
  return isOwn && header.mergeId === undefined && causationId !== undefined ? [causationId] : [];
};

const tallied = (before: Tally, added: ReadonlyArray<RecordedEvent>): Tally => ({
  // One append may hold several events of one message.
  effects: plus(before.effects, new Set(added.flatMap(handledBy))),
  branchesMerged: plus(
    before.branchesMerged,
    added.flatMap(({ type, data }) =>
      type === recordTypes.sagaMerged && sagaMerged.is(data) ? data.resolves : [],
    ),
  ),
  completionsOfEpoch: plus(
    before.completionsOfEpoch,
    added
      .filter(({ type }) => type === recordTypes.sagaCompleted)
      .map(({ data }) => (data as { readonly epoch: number }).epoch),
  ),
});

const repeated = <K>(counts: ReadonlyMap<K, number>): ReadonlyArray<K> =>
  [...counts].filter(([, count]) => count > 1).map(([key]) => key);

const twice = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> => {
  const seen = new Set<A>();
  return items.filter((item) => seen.has(item) || !seen.add(item));
};

/** The counts after an append, and what they must not be. */
export const engineProblems = (
  before: Tally,
  added: ReadonlyArray<RecordedEvent>,
  fold: SagaFold<unknown, AnyEvent>,
): { readonly tally: Tally; readonly problems: ReadonlyArray<string> } => {
  const tally = tallied(before, added);
  const left = fold.allReleased.map(({ id }) => id);
  const held = new Set(listPending(fold.pending).flatMap(({ messages }) => messages.map(({ id }) => id)));
  const keys = fold.released.flatMap(({ key }) => (key === undefined ? [] : [key]));
  return {
    tally,
    problems: [
      ...repeated(tally.effects).map((id) => `message ${id} took effect more than once`),
      ...repeated(tally.branchesMerged).map((id) => `branch ${id} was merged more than once`),
      ...repeated(tally.completionsOfEpoch).map((epoch) => `epoch ${epoch} completed more than once`),
      ...twice(left).map((id) => `message ${id} left more than once`),
      ...twice(keys).map((key) => `two messages of the key ${key} left in one epoch`),
      ...left.filter((id) => held.has(id)).map((id) => `message ${id} left before the merge of its branch`),
    ],
  };
};
