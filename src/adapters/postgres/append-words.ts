/** Translates appends between the words of the port and those of the function `append_events`. */
import { expectedAfter, positionOf, startPosition, versionMax } from '../../core/stream.js';
import type { AppendError, AppendResult } from '../../store/event-store.js';
import type { CheckedAppend } from '../../store/limits.js';
import { eventOfJson, type Refusal, type Written } from './rows.js';

const requestJson = ({ tenant, streamName, expected, events, tailMax, fence, enqueue }: CheckedAppend) => ({
  tenant,
  stream: streamName,
  // A stream that is not there is one at version 0.
  expected: expected._tag === 'noStream' ? 'exactly' : expected._tag,
  version: expectedAfter(expected),
  tailMax,
  ...(fence !== undefined && { fence }),
  ...(enqueue.length > 0 && { enqueue }),
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
