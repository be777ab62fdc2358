/** The data of the memory store: streams by tenant and name, the global order, and how an append changes them. */
import type { EventData, EventMetadata, RecordedEvent } from '../../core/event.js';
import { frozenCopy, type Json } from '../../core/json.js';
import {
  categoryOf,
  expectedAfter,
  meets,
  noEvents,
  positionOf,
  startPosition,
  type StreamName,
  type StreamVersion,
  type Tenant,
} from '../../core/stream.js';
import type { AppendError, AppendResult, StreamState } from '../../store/event-store.js';
import type { CheckedAppend } from '../../store/limits.js';

export interface MemoryStream {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly category: string;
  readonly events: RecordedEvent[];
  /** Where each event id stands first, from 0. */
  readonly firstIndexOf: Map<string, number>;
  state: StreamState;
}

export interface StreamTable {
  readonly find: (tenant: Tenant, name: StreamName) => MemoryStream | undefined;
  readonly all: () => Iterable<MemoryStream>;
  readonly order: ReadonlyArray<RecordedEvent>;
  /** What would happen: an idempotent answer, a refusal, or `undefined` where the append may be written. */
  readonly judge: (append: CheckedAppend) => AppendError | AppendResult | undefined;
  /** Writes an append that was judged good. */
  readonly write: (append: CheckedAppend) => AppendResult;
}

/** Where in the stream the batch stands already, as the index of its first event; -1 where it does not. */
const standsAt = (
  events: ReadonlyArray<RecordedEvent>,
  batch: ReadonlyArray<EventData>,
  index: number,
): boolean => batch.every((event, offset) => events[index + offset]?.eventId === event.eventId);

const placeOf = (stream: MemoryStream, append: CheckedAppend): number => {
  const { expected, events: batch } = append;
  if (batch.length === 0) return -1;
  if (expected._tag === 'exactly' || expected._tag === 'noStream') {
    const index = expectedAfter(expected);
    return standsAt(stream.events, batch, index) ? index : -1;
  }
  const first = stream.firstIndexOf.get(batch[0]?.eventId as string);
  return first !== undefined && standsAt(stream.events, batch, first) ? first : -1;
};

const refusalOf = (
  stream: MemoryStream | undefined,
  append: CheckedAppend,
  already: ReadonlyArray<string>,
): AppendError => {
  const { tenant, streamName, expected, tailMax } = append;
  const events = stream?.events ?? [];
  const after = expectedAfter(expected);
  return {
    _tag: 'VersionConflict',
    tenant,
    streamName,
    expected,
    actual: events.length as StreamVersion,
    tail: tailMax === 0 ? undefined : events.slice(after, after + tailMax),
    alreadyRecorded: already,
  };
};

const inOrder = ({ firstIndexOf }: MemoryStream, ids: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...ids].sort((a, b) => (firstIndexOf.get(a) as number) - (firstIndexOf.get(b) as number));

const judgeAgainst = (
  stream: MemoryStream | undefined,
  append: CheckedAppend,
): AppendError | AppendResult | undefined => {
  const { tenant, streamName, expected } = append;
  if (stream?.state === 'archived') return { _tag: 'StreamArchived', tenant, streamName };
  if (stream?.state === 'tombstoned') return { _tag: 'StreamTombstoned', tenant, streamName };
  const version = (stream?.events.length ?? noEvents) as StreamVersion;
  const met = meets(expected, version);
  if (stream === undefined) return met ? undefined : refusalOf(stream, append, []);
  // Only a writer that names the current version says that a known id is a new event.
  if (met && (expected._tag === 'exactly' || expected._tag === 'noStream')) return undefined;
  const place = placeOf(stream, append);
  const last = stream.events[place + append.events.length - 1];
  if (place >= 0 && last !== undefined)
    return { streamName, version: last.version, position: last.position, idempotent: true };
  const already = append.events.map(({ eventId }) => eventId).filter((id) => stream.firstIndexOf.has(id));
  return met && already.length === 0 ? undefined : refusalOf(stream, append, inOrder(stream, already));
};

const add = ({ events, firstIndexOf }: MemoryStream, event: RecordedEvent): void => {
  if (!firstIndexOf.has(event.eventId)) firstIndexOf.set(event.eventId, events.length);
  events.push(event);
};

/** Makes the stream hold exactly these events. */
export const holdExactly = (stream: MemoryStream, events: ReadonlyArray<RecordedEvent>): void => {
  stream.events.length = 0;
  stream.firstIndexOf.clear();
  for (const event of events) add(stream, event);
};

export const makeStreamTable = (now: () => Date): StreamTable => {
  const tenants = new Map<Tenant, Map<StreamName, MemoryStream>>();
  const order: RecordedEvent[] = [];
  const find = (tenant: Tenant, name: StreamName): MemoryStream | undefined => tenants.get(tenant)?.get(name);
  const streamFor = (tenant: Tenant, streamName: StreamName): MemoryStream => {
    const streams = tenants.get(tenant) ?? new Map<StreamName, MemoryStream>();
    tenants.set(tenant, streams);
    const stream: MemoryStream = streams.get(streamName) ?? {
      tenant,
      streamName,
      category: categoryOf(streamName),
      events: [],
      firstIndexOf: new Map(),
      state: 'open',
    };
    streams.set(streamName, stream);
    return stream;
  };
  return {
    find,
    order,
    all: function* () {
      for (const streams of tenants.values()) yield* streams.values();
    },
    judge: (append) => judgeAgainst(find(append.tenant, append.streamName), append),
    write: ({ tenant, streamName, events }) => {
      if (events.length === 0) {
        const version = (find(tenant, streamName)?.events.length ?? noEvents) as StreamVersion;
        return { streamName, version, position: startPosition, idempotent: false };
      }
      const stream = streamFor(tenant, streamName);
      const recordedAt = now().toISOString();
      for (const event of events) {
        // A copy: the writer cannot change it afterwards, and no reader can change it at all.
        const recorded: RecordedEvent = Object.freeze({
          eventId: event.eventId,
          type: event.type,
          schemaVersion: event.schemaVersion,
          data: frozenCopy(event.data),
          metadata: frozenCopy(event.metadata as Json) as EventMetadata,
          tenant,
          streamName,
          version: (stream.events.length + 1) as StreamVersion,
          position: positionOf(order.length + 1, order.length + 1),
          recordedAt,
        });
        add(stream, recorded);
        order.push(recorded);
      }
      const last = stream.events[stream.events.length - 1] as RecordedEvent;
      return { streamName, version: last.version, position: last.position, idempotent: false };
    },
  };
};
