/** Picks a conflict worth telling: one where messages were held, decided about, or compensated. */
import { explainConflicts } from '../core/saga/explain.js';
import type { ConflictExplanation } from '../core/saga/explanation.js';
import { toPromise } from '../core/fault.js';
import { recordTypes, type Saga } from '../core/saga/saga.js';
import { sagaMerged } from '../core/saga/saga-records.js';
import type { StreamName } from '../core/stream.js';
import type { EventStore } from '../store/event-store.js';
import { readWhole } from '../store/read-whole.js';

/** Merges looked at. The first are as good as any. */
const mergesMax = 512;

const interestOf = (data: unknown): number => {
  if (!sagaMerged.is(data)) return -1;
  const cancelled = data.messages.some(({ fate }) => fate !== 'release');
  // Short ones are understood at a glance.
  const length = Math.max(0, data.resolves.length - 1);
  return (
    (data.compensations.length > 0 ? 8 : 0) +
    (cancelled ? 4 : 0) +
    (data.messages.length > 0 ? 2 : 0) -
    Math.min(1, length / 10)
  );
};

const worth = ({ messages, compensations, trunk }: ConflictExplanation): number =>
  (compensations.length > 0 ? 8 : 0) + 4 * messages.length - trunk.length / 10;

export const exampleConflict = async (
  store: EventStore,
  saga: Saga,
): Promise<ConflictExplanation | undefined> => {
  const filter = { categories: [saga.name], types: [recordTypes.sagaMerged] };
  const { events } = await toPromise(store.readAll({ filter, maxCount: mergesMax }));
  let best:
    | { readonly streamName: StreamName; readonly version: number; readonly interest: number }
    | undefined;
  for (const { streamName, version, data } of events) {
    const interest = interestOf(data);
    if (interest > (best?.interest ?? -1)) best = { streamName, version, interest };
  }
  if (best === undefined) return undefined;
  const { version, streamName } = best;
  return explainConflicts(saga, await readWhole(store, { streamName, includeArchived: true }))
    .filter(({ outcome }) => outcome._tag === 'Merged' && outcome.version === version)
    .reduce<ConflictExplanation | undefined>(
      (first, other) => (first === undefined || worth(other) > worth(first) ? other : first),
      undefined,
    );
};
