/** A store that tells what is done with it: spans and metrics around the port, whatever the adapter. */
import { type Attributes, type Span, trace } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import type { EventMetadata } from '../core/event.js';
import type { Tagged } from '../core/fault.js';
import { categoryOf, type ExpectedVersion, type StreamName } from '../core/stream.js';
import type { AppendRequest, EventStore, VersionConflict } from '../store/event-store.js';
import { deliveries } from './deliveries.js';
import { attribute, metric, systemOf } from './names.js';
import { observedIdempotency } from './idempotency.js';
import { observedLeases } from './leases.js';
import { type Observe, observing } from './observe-port.js';
import { observedQueue, sentCounter, toQueueAttributes } from './queue.js';
import { type Telemetry, telemetryOf, type TelemetryOptions } from './telemetry.js';
import { remembering } from './trace-context.js';

// A caller without types may hand over anything; the store beneath refuses it by name, and it is not for telemetry to throw.
const categoryFor = (streamName: unknown): Attributes =>
  typeof streamName === 'string' ? { [attribute.category]: categoryOf(streamName as StreamName) } : {};

const expectedText = (expected: ExpectedVersion | undefined): string =>
  expected?._tag === 'exactly' ? String(expected.version) : String(expected?._tag);

const countOf = (list: unknown): number => (Array.isArray(list) ? list.length : 0);

const namesOf = (
  { streamNames }: Telemetry,
  request: { readonly tenant?: unknown; readonly streamName?: unknown },
): Attributes => {
  if (!streamNames) return {};
  const { tenant, streamName } = request;
  return {
    ...(typeof streamName === 'string' && { [attribute.streamName]: streamName }),
    ...(typeof tenant === 'string' && { [attribute.tenant]: tenant }),
  };
};

/** What does not say yet where its trace stood gets the active span's place. */
const placed = <A extends { readonly metadata?: EventMetadata }>(
  items: ReadonlyArray<A>,
  span: Span,
): ReadonlyArray<A> =>
  Array.isArray(items)
    ? items.map((item: A) =>
        typeof (item?.metadata ?? {}) !== 'object' || item?.metadata?.headers?.['traceparent'] !== undefined
          ? item
          : { ...item, metadata: remembering(item?.metadata ?? {}, span) },
      )
    : items;

const placedAppend = ({ propagate }: Telemetry, request: AppendRequest): AppendRequest => {
  const span = propagate ? trace.getActiveSpan() : undefined;
  if (span === undefined) return request;
  const { events, enqueue } = request;
  return { ...request, events: placed(events, span), ...(enqueue && { enqueue: placed(enqueue, span) }) };
};

const conflictOf = (result: E.Either<Tagged, unknown>): VersionConflict | undefined =>
  E.isLeft(result) && result.left._tag === 'VersionConflict' ? (result.left as VersionConflict) : undefined;

/** What became of an append, for its span. */
const toldOfAppend = (
  result: E.Either<Tagged, { readonly version: number; readonly idempotent: boolean }>,
): Attributes => {
  const conflict = conflictOf(result);
  if (conflict !== undefined) return { [attribute.actualVersion]: conflict.actual };
  if (E.isLeft(result)) return {};
  const { version, idempotent } = result.right;
  return { [attribute.version]: version, ...(idempotent && { [attribute.idempotent]: true }) };
};

const observedAppends = (telemetry: Telemetry, store: EventStore, observeOne: Observe) => {
  const { meter } = telemetry;
  const appended = meter.createCounter(metric.appended, { unit: '{event}', description: 'Events written.' });
  const conflicts = meter.createCounter(metric.appendConflicts, {
    unit: '{conflict}',
    description: 'Appends that were refused because another writer was first.',
  });
  const sent = sentCounter(telemetry);
  const count = (request: AppendRequest, isNew: boolean): void => {
    if (!isNew) return;
    if (request.events.length > 0) appended.add(request.events.length, categoryFor(request.streamName));
    for (const { queue } of request.enqueue ?? []) sent.add(1, toQueueAttributes(queue));
  };
  const refused = (result: E.Either<Tagged, unknown>): void => {
    const conflict = conflictOf(result);
    if (conflict !== undefined) conflicts.add(1, categoryFor(conflict.streamName));
  };
  const append: EventStore['append'] = (request) => async () => {
    const { streamName, events, expected } = request;
    const details = {
      [attribute.eventsCount]: countOf(events),
      [attribute.expectedVersion]: expectedText(expected),
      ...namesOf(telemetry, request),
    };
    const work = store.append(placedAppend(telemetry, request));
    const result = await observeOne(
      'append',
      { attributes: categoryFor(streamName), details },
      work,
      toldOfAppend,
    )();
    refused(result);
    if (E.isRight(result)) count(request, !result.right.idempotent);
    return result;
  };
  const appendMany: EventStore['appendMany'] = (requests) => async () => {
    const all = Array.isArray(requests) ? (requests as ReadonlyArray<AppendRequest>) : [];
    const details = {
      [attribute.eventsCount]: all.reduce((sum, request) => sum + countOf(request?.events), 0),
      [attribute.dbBatchSize]: all.length,
    };
    const work = store.appendMany(
      telemetry.propagate && all.length > 0
        ? all.map((request) => placedAppend(telemetry, request ?? {}))
        : requests,
    );
    const result = await observeOne('appendMany', { details }, work, (told) => {
      const conflict = conflictOf(told);
      return conflict === undefined ? {} : { [attribute.actualVersion]: conflict.actual };
    })();
    refused(result);
    if (E.isRight(result))
      for (const [index, request] of all.entries()) count(request, result.right[index]?.idempotent === false);
    return result;
  };
  return { append, appendMany };
};

const observedReads = (telemetry: Telemetry, store: EventStore, observeOne: Observe) => {
  const read = telemetry.meter.createCounter(metric.read, { unit: '{event}', description: 'Events read.' });
  const pageOf =
    (attributes: Attributes) =>
    (result: E.Either<Tagged, { readonly events: ReadonlyArray<unknown> }>): Attributes => {
      if (E.isLeft(result)) return {};
      const events = result.right.events.length;
      if (events > 0) read.add(events, attributes);
      return { [attribute.eventsCount]: events };
    };
  const readStream: EventStore['readStream'] = (request) => {
    const attributes = categoryFor(request?.streamName);
    const about = { attributes, details: namesOf(telemetry, request ?? {}) };
    return observeOne('readStream', about, store.readStream(request), pageOf(attributes));
  };
  const readAll: EventStore['readAll'] = (request) =>
    observeOne('readAll', {}, store.readAll(request), pageOf({}));
  const readMatching: EventStore['readMatching'] = (request) =>
    observeOne('readMatching', {}, store.readMatching(request), pageOf({}));
  const listStreams: EventStore['listStreams'] = (request) =>
    observeOne('listStreams', {}, store.listStreams(request));
  const markStream: EventStore['markStream'] = (request) => {
    const about = {
      attributes: categoryFor(request?.streamName),
      details: namesOf(telemetry, request ?? {}),
    };
    return observeOne('markStream', about, store.markStream(request));
  };
  return { readStream, readAll, readMatching, listStreams, markStream };
};

const wrapped = new WeakSet<object>();

/**
 * The store, with spans and metrics around what is asked of it. It promises what the store beneath promises, and adds
 * nothing to what is stored unless `propagate` is set. A store that is observed already is answered as it is.
 */
export const observed = <S extends EventStore>(store: S, options: TelemetryOptions = {}): S => {
  if (wrapped.has(store)) return store;
  const telemetry = telemetryOf(options);
  const observeOne = observing(telemetry, systemOf(store.name));
  const { checkpoints, leases, queue, idempotency } = store;
  const result: S = {
    ...store,
    ...observedAppends(telemetry, store, observeOne),
    ...observedReads(telemetry, store, observeOne),
    subscribe: deliveries(telemetry, store.subscribe),
    checkpoints: {
      load: (subscriber) => observeOne('loadCheckpoint', {}, checkpoints.load(subscriber)),
      save: (subscriber, checkpoint) =>
        observeOne('saveCheckpoint', {}, checkpoints.save(subscriber, checkpoint)),
    },
    leases: leases && observedLeases(telemetry, leases, observeOne),
    queue: queue && observedQueue(queue, options),
    idempotency: idempotency && observedIdempotency(idempotency, observeOne),
  };
  wrapped.add(result);
  return result;
};
