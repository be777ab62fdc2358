/** Translates appends between the words of the port and those of the function `append_events`. */
import { expectedAfter, positionOf, startPosition, versionMax } from '../../core/stream.js';
import type { AppendError, AppendResult } from '../../store/event-store.js';
import type { CheckedCondition } from '../../store/condition-checks.js';
import type { CheckedAppend } from '../../store/limits.js';
import type { SqlContext } from './context.js';
import type { Statement } from './executor.js';
import { eventOfJson, type Refusal, type Written } from './rows.js';

const conditionJson = ({ query, after }: CheckedCondition) => ({
  items: query.items,
  epoch: after?.epoch ?? null,
  snapshot: after?.mark ?? null,
});

const requestJson = ({ tenant, streamName, expected, events, tailMax, ...under }: CheckedAppend) => ({
  tenant,
  stream: streamName,
  // A stream that is not there is one at version 0.
  expected: expected._tag === 'noStream' ? 'exactly' : expected._tag,
  version: expectedAfter(expected),
  tailMax,
  ...(under.fence !== undefined && { fence: under.fence }),
  ...(under.condition !== undefined && { condition: conditionJson(under.condition) }),
  ...(under.enqueue.length > 0 && { enqueue: under.enqueue }),
  ...(under.completes !== undefined && { completes: under.completes }),
  ...(events.some(({ metadata }) => metadata.tags !== undefined) && { tagged: true }),
  events: events.map(({ eventId, type, schemaVersion, data, metadata }) => ({
    eventId,
    type,
    schemaVersion,
    data,
    metadata,
  })),
});

export const requestText = (requests: ReadonlyArray<CheckedAppend>): string =>
  JSON.stringify(requests.map(requestJson));

/** Those that complete an operation look at it first; the others need not know that there is such a thing. */
export const appendStatement = (
  { statements }: SqlContext,
  requests: ReadonlyArray<CheckedAppend>,
): Statement =>
  requests.some(({ completes }) => completes !== undefined)
    ? statements.appendCompleting
    : statements.appendEvents;

export const resultOf = ({ streamName }: CheckedAppend, written: Written): AppendResult => ({
  streamName,
  version: written.version,
  position: written.position === '0' ? startPosition : positionOf(written.transaction_id, written.position),
  idempotent: written.outcome === 'idempotent',
});

export const refusalOf = (request: CheckedAppend, refusal: Refusal): AppendError => {
  const { tenant, streamName, expected, tailMax, events, fence } = request;
  switch (refusal.outcome) {
    case 'archived':
      return { _tag: 'StreamArchived', tenant, streamName };
    case 'tombstoned':
      return { _tag: 'StreamTombstoned', tenant, streamName };
    case 'lease_lost':
      return { _tag: 'LeaseLost', lease: fence?.lease ?? '', token: fence?.token ?? 0 };
    case 'idempotency_lost': {
      const { scope = '', key = '', token = 0 } = request.completes ?? {};
      return { _tag: 'IdempotencyLost', scope, key, token };
    }
    case 'condition_failed':
      return { _tag: 'ConditionFailed', tenant, events: refusal.events.map(eventOfJson) };
    case 'epoch_changed': {
      const checkpointEpoch = request.condition?.after?.epoch ?? '';
      return { _tag: 'EpochChanged', checkpointEpoch, storeEpoch: refusal.epoch };
    }
    case 'version_max':
      return {
        _tag: 'LimitExceeded',
        limit: 'versionMax',
        max: versionMax,
        found: refusal.version + events.length,
      };
    case 'conflict':
      return {
        _tag: 'VersionConflict',
        tenant,
        streamName,
        expected,
        actual: refusal.version,
        tail: tailMax === 0 ? undefined : (refusal.tail ?? []).map(eventOfJson),
        alreadyRecorded: refusal.already_recorded,
      };
  }
};
