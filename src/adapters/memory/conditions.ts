/** Reads by tags and conditions of appends, over the memory store's global order. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { comparePositions } from '../../core/stream.js';
import {
  type CheckedCondition,
  type CheckedQuery,
  conflictingMax,
  seenOf,
} from '../../store/condition-checks.js';
import type { ConditionFailed, MatchingPage, ReadMatchingRequest } from '../../store/conditions.js';
import type { EpochChanged, ReadMatchingError } from '../../store/event-store.js';
import { checkReadMatching } from '../../store/limits.js';
import type { StreamTable } from './stream-table.js';

const fits =
  ({ tenant, items }: CheckedQuery) =>
  ({ tenant: owner, type, metadata: { tags = [] } }: RecordedEvent): boolean =>
    owner === tenant &&
    items.some(
      (item) =>
        item.tags.every((tag) => tags.includes(tag)) && (item.types === null || item.types.includes(type)),
    );

export const readMatching = (
  { order, find }: StreamTable,
  epoch: string,
  request: ReadMatchingRequest,
): E.Either<ReadMatchingError, MatchingPage> => {
  const checked = checkReadMatching(request);
  if (E.isLeft(checked)) return checked;
  const { query, count, after } = checked.right;
  const isMatch = fits(query);
  const found = order.filter(
    (event) =>
      isMatch(event) &&
      comparePositions(event.position, after) > 0 &&
      find(event.tenant, event.streamName)?.state !== 'tombstoned',
  );
  const events = found.slice(0, count);
  const next = found.length > count ? events.at(-1)?.position : undefined;
  return E.right({ events, seen: seenOf(epoch, String(order.length)), next });
};

/** Why an append under this condition is refused; undefined where nothing stands against it. */
export const judgeCondition = (
  { order }: StreamTable,
  epoch: string,
  condition: CheckedCondition | undefined,
): ConditionFailed | EpochChanged | undefined => {
  if (condition === undefined) return undefined;
  const { query, after } = condition;
  if (after !== undefined && after.epoch !== epoch)
    return { _tag: 'EpochChanged', checkpointEpoch: after.epoch, storeEpoch: epoch };
  // Here a mark is the number of events that there were.
  const unseen = order.slice(after === undefined ? 0 : Number(after.mark)).filter(fits(query));
  if (unseen.length === 0) return undefined;
  return { _tag: 'ConditionFailed', tenant: query.tenant, events: unseen.slice(0, conflictingMax) };
};
