/** Translates appends between the words of the port and those of the function `append_events`. */
import { expectedAfter, positionOf, startPosition, versionMax } from '../../core/stream.js';
import type { EventData } from '../../core/event.js';
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

/** A stream that is not there is one at version 0. */
const expectedWord = ({ expected }: CheckedAppend): string =>
  expected._tag === 'noStream' ? 'exactly' : expected._tag;

const eventJson = ({ eventId, type, schemaVersion, data, metadata }: EventData) => ({
  eventId,
  type,
  schemaVersion,
  data,
  metadata,
});

const hasTags = (events: ReadonlyArray<EventData>): boolean =>
  events.some(({ metadata }) => metadata.tags !== undefined);

const requestJson = (request: CheckedAppend) => {
  const { tenant, streamName, expected, events, tailMax, ...under } = request;
  return {
    tenant,
    stream: streamName,
    expected: expectedWord(request),
    version: expectedAfter(expected),
    tailMax,
    ...(under.fence !== undefined && { fence: under.fence }),
    ...(under.condition !== undefined && { condition: conditionJson(under.condition) }),
    ...(under.enqueue.length > 0 && { enqueue: under.enqueue }),
    ...(under.completes !== undefined && { completes: under.completes }),
    ...(hasTags(events) && { tagged: true }),
    events: events.map(eventJson),
  };
};

export const requestText = (requests: ReadonlyArray<CheckedAppend>): string =>
  JSON.stringify(requests.map(requestJson));

/** An append under nothing but its expected version. */
export interface PlainAppend {
  readonly request: CheckedAppend;
  /** What its events hold, made text once; undefined where they are many, which are made text together, in less time. */
  readonly texts: ReadonlyArray<EventTexts> | undefined;
}
/** Events of an append that may share a statement. */
const textsMax = 16;
interface EventTexts {
  readonly data: string;
  readonly metadata: string;
}

/** The append as a plain one; undefined where it depends on more, or does more. */
export const plainOf = (request: CheckedAppend): PlainAppend | undefined => {
  const { fence, condition, completes, enqueue, events } = request;
  const isPlain =
    fence === undefined && condition === undefined && completes === undefined && enqueue.length === 0;
  if (!isPlain || events.length === 0 || hasTags(events)) return undefined;
  if (events.length > textsMax) return { request, texts: undefined };
  const texts = events.map(({ data, metadata }) => ({
    data: JSON.stringify(data),
    metadata: JSON.stringify(metadata),
  }));
  return { request, texts };
};

/** Events as texts of json without the opening brace, so that more can be put before. */
const eventTexts = ({ request, texts = [] }: PlainAppend): ReadonlyArray<string> =>
  request.events.map(({ eventId, type, schemaVersion }, index) => {
    const { data, metadata } = texts[index] as EventTexts;
    return `"eventId":"${eventId}","type":${JSON.stringify(type)},"schemaVersion":${schemaVersion},"data":${data},"metadata":${metadata}}`;
  });

/** One append by itself, as `append-events-one.sql` or `append-events-plain.sql` takes it. */
export const plainQuery = (
  { statements }: SqlContext,
  append: PlainAppend,
): readonly [Statement, ReadonlyArray<string>] => {
  const { request, texts } = append;
  const { tenant, streamName, expected, tailMax, events } = request;
  const head = [tenant, streamName, expectedWord(request), String(expectedAfter(expected)), String(tailMax)];
  const [text, second] = texts ?? [];
  if (text === undefined || second !== undefined) {
    const batch = JSON.stringify(events.map(eventJson));
    return [statements.appendEventsPlain, [...head, String(events.length), batch]];
  }
  const { eventId, type, schemaVersion } = events[0] as EventData;
  const parts = [eventId, type, String(schemaVersion), text.data, text.metadata];
  return [statements.appendEventsOne, [...head, ...parts]];
};

/** Several, as `append-events-exactly.sql` or `append-events-shared.sql` takes them. */
export const sharedQuery = (
  { statements }: SqlContext,
  appends: ReadonlyArray<PlainAppend>,
): readonly [Statement, ReadonlyArray<string>] => {
  const requests = appends.map(({ request }) => ({
    tenant: request.tenant,
    stream: request.streamName,
    expected: expectedWord(request),
    version: expectedAfter(request.expected),
    tailMax: request.tailMax,
    count: request.events.length,
  }));
  const batch = appends.flatMap((append, index) =>
    eventTexts(append).map((text, place) => `{"request":${index + 1},"place":${place + 1},${text}`),
  );
  const areExact = requests.every(({ expected }) => expected === 'exactly');
  const statement = areExact ? statements.appendEventsExactly : statements.appendEventsShared;
  return [statement, [JSON.stringify(requests), `[${batch.join()}]`]];
};

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
