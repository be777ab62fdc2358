/** Limits and defaults that all stores share, and the checks that run before any of them is asked. */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData } from '../core/event.js';
import { findJsonProblem, type Json, jsonBytesBound } from '../core/json.js';
import { isId } from '../core/ids.js';
import {
  checkExpectedVersion,
  checkName,
  defaultTenant,
  escapeForDisplay,
  type InvalidName,
  type Position,
  startPosition,
  streamName,
  tenant,
} from '../core/stream.js';
import type {
  AppendError,
  AppendRequest,
  InvalidEvent,
  InvalidRequest,
  LimitExceeded,
  StoreLimits,
} from './event-store.js';
import { checkCount, checkFence, eventTypeBytesMax, idBytesMax, metadataProblem } from './checks.js';
import { checkCondition, type CheckedCondition, type CheckedQuery, checkQuery } from './condition-checks.js';
import type { ReadMatchingRequest } from './conditions.js';
import { checkCompletes, completesTwice } from './idempotency-checks.js';
import type { Completion } from './idempotency.js';
import type { Fence } from './leases.js';
import { type CheckedMessage, checkMessages } from './queue-checks.js';
import type { BadRequest } from './store-errors.js';

export { checkCount, idBytesMax } from './checks.js';

export const defaultLimits: StoreLimits = {
  eventBytesMax: 16 * 1024 * 1024,
  batchEventsMax: 100_000,
  batchBytesMax: 64 * 1024 * 1024,
  resultBytesMax: 1024 * 1024,
};
export const pageMax = 4_096;
export const pageDefault = 512;

/** A checked append: names are good, and each event's `data` and `metadata` are JSON that is stored unchanged. */
export interface CheckedAppend
  extends Required<Omit<AppendRequest, 'tailMax' | 'fence' | 'enqueue' | 'condition' | 'completes'>> {
  readonly tailMax: number;
  readonly fence?: Fence;
  readonly condition: CheckedCondition | undefined;
  readonly enqueue: ReadonlyArray<CheckedMessage>;
  readonly completes?: Completion;
}

const invalid = (index: number, event: EventData, path: string, reason: string): InvalidEvent => ({
  _tag: 'InvalidEvent',
  index,
  type: typeof event.type === 'string' ? escapeForDisplay(event.type) : typeof event.type,
  path,
  reason,
});

const exceeded = (
  limit: LimitExceeded['limit'],
  max: number,
  found: number,
): E.Either<LimitExceeded, never> => E.left({ _tag: 'LimitExceeded', limit, max, found });

const eventProblem = (event: EventData): readonly [path: string, reason: string] | undefined => {
  // A database gives UUIDs back in lower case, so that capitals would not be read back equal.
  if (!isId(event.eventId) || event.eventId !== event.eventId.toLowerCase())
    return ['eventId', 'must be a UUID in lower case'];
  const type = checkName('type', event.type, eventTypeBytesMax);
  if (E.isLeft(type)) return ['type', type.left.reason];
  if (!Number.isInteger(event.schemaVersion) || event.schemaVersion < 1 || event.schemaVersion > 32_767)
    return ['schemaVersion', 'must be a whole number from 1 to 32,767'];
  const problem = findJsonProblem(event.data);
  if (problem !== undefined)
    return [`data${problem.path.slice(1)}`, `found ${problem.found}; ${problem.advice}`];
  return metadataProblem(event);
};

/** UTF-8 bytes of the event as JSON. */
export const eventBytes = (event: EventData): number =>
  Buffer.byteLength(JSON.stringify(event.data)) + Buffer.byteLength(JSON.stringify(event.metadata));

const isSmall = (events: ReadonlyArray<EventData>, limits: StoreLimits): boolean => {
  const bytesMax = Math.min(limits.eventBytesMax, limits.batchBytesMax);
  let bound = 0;
  for (const { data, metadata } of events) {
    bound += jsonBytesBound(data) + jsonBytesBound(metadata as Json);
    if (bound > bytesMax) return false;
  }
  return true;
};

const checkBytes = (events: ReadonlyArray<EventData>, limits: StoreLimits): E.Either<LimitExceeded, void> => {
  if (isSmall(events, limits)) return E.right(undefined);
  let bytesTotal = 0;
  for (const event of events) {
    const bytes = eventBytes(event);
    if (bytes > limits.eventBytesMax) return exceeded('eventBytesMax', limits.eventBytesMax, bytes);
    bytesTotal += bytes;
  }
  return bytesTotal > limits.batchBytesMax
    ? exceeded('batchBytesMax', limits.batchBytesMax, bytesTotal)
    : E.right(undefined);
};

const checkEvents = (
  events: ReadonlyArray<EventData>,
  limits: StoreLimits,
): E.Either<InvalidEvent | LimitExceeded, void> => {
  if (events.length > limits.batchEventsMax)
    return exceeded('batchEventsMax', limits.batchEventsMax, events.length);
  const seen = new Set<string>();
  for (const [index, event] of events.entries()) {
    const problem = eventProblem(event);
    if (problem !== undefined) return E.left(invalid(index, event, ...problem));
    if (seen.has(event.eventId)) return E.left(invalid(index, event, 'eventId', 'stands twice in one batch'));
    seen.add(event.eventId);
  }
  return checkBytes(events, limits);
};

/** The checks of every store for the two names that are part of every key. */
export const checkKey = (request: {
  readonly tenant?: string;
  readonly streamName: string;
}): E.Either<InvalidName, void> => {
  const tenantChecked = tenant(request.tenant ?? defaultTenant);
  if (E.isLeft(tenantChecked)) return tenantChecked;
  const name = streamName(request.streamName);
  return E.isLeft(name) ? name : E.right(undefined);
};

/** The checks of every store: what passes can be stored and read back equal. */
export const checkAppend = (
  request: AppendRequest,
  limits: StoreLimits,
): E.Either<AppendError, CheckedAppend> => {
  const key = checkKey(request);
  if (E.isLeft(key)) return key;
  const expected = checkExpectedVersion(request.expected);
  if (E.isLeft(expected)) return expected;
  const tailMax = checkCount('tailMax', request.tailMax, 0, 0, pageMax);
  if (E.isLeft(tailMax)) return tailMax;
  const fence = checkFence(request.fence);
  if (E.isLeft(fence)) return fence;
  const events = checkEvents(request.events, limits);
  if (E.isLeft(events)) return events;
  const enqueue = checkMessages('enqueue', request.enqueue ?? [], limits);
  if (E.isLeft(enqueue)) return enqueue;
  const tenant = request.tenant ?? defaultTenant;
  const completes = checkCompletes(request, tenant, limits);
  if (E.isLeft(completes)) return completes;
  const condition = checkCondition(request.condition, tenant);
  if (E.isLeft(condition)) return condition;
  const checked = { tailMax: tailMax.right, enqueue: enqueue.right, condition: condition.right };
  return E.right({ ...request, tenant, ...checked });
};

/** A position is what a store answered before; anything else is refused. */
export const checkPosition = (field: string, position: Position): E.Either<InvalidRequest, Position> =>
  typeof position === 'string' && /^\d{1,20}\/\d{1,20}$/.test(position)
    ? E.right(position)
    : E.left({
        _tag: 'InvalidRequest',
        field,
        reason: `must be a position that a store answered, found ${String(position)}`,
      });

/** A read by tags whose parts are all there and good. */
export interface CheckedReadMatching {
  readonly query: CheckedQuery;
  readonly count: number;
  readonly after: Position;
}

export const checkReadMatching = (
  request: ReadMatchingRequest,
): E.Either<BadRequest, CheckedReadMatching> => {
  const query = checkQuery('query', request.query);
  if (E.isLeft(query)) return query;
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const after = checkPosition('after', request.after ?? startPosition);
  if (E.isLeft(after)) return after;
  return E.right({ query: query.right, count: count.right, after: after.right });
};

export const checkSubscriber = (subscriber: string): E.Either<InvalidName, string> =>
  checkName('subscriber', subscriber, idBytesMax);

/** `appendMany` names a stream once: two expectations of one stream in one step have no meaning. */
export const checkDistinct = (requests: ReadonlyArray<AppendRequest>): E.Either<InvalidRequest, void> => {
  const seen = new Set<string>();
  for (const { tenant: owner, streamName: name } of requests) {
    const key = JSON.stringify([owner ?? defaultTenant, name]);
    if (seen.has(key))
      return E.left({
        _tag: 'InvalidRequest',
        field: 'streamName',
        reason: `${name} is named twice in one appendMany`,
      });
    seen.add(key);
  }
  return E.right(undefined);
};

/**
 * The checks of `appendMany`: each stream is named once, each request is good, and all together keep the limits of one
 * batch.
 */
export const checkAppendMany = (
  requests: ReadonlyArray<AppendRequest>,
  limits: StoreLimits,
): E.Either<AppendError, ReadonlyArray<CheckedAppend>> => {
  const distinct = checkDistinct(requests);
  if (E.isLeft(distinct)) return distinct;
  const count = requests.reduce((sum, request) => sum + request.events.length, 0);
  if (count > limits.batchEventsMax)
    return E.left({
      _tag: 'LimitExceeded',
      limit: 'batchEventsMax',
      max: limits.batchEventsMax,
      found: count,
    });
  const checked: CheckedAppend[] = [];
  for (const request of requests) {
    const one = checkAppend(request, limits);
    if (E.isLeft(one)) return one;
    checked.push(one.right);
  }
  const twice = completesTwice(checked);
  if (twice !== undefined) return E.left(twice);
  // One request was measured already.
  const bytes =
    requests.length < 2
      ? 0
      : requests.flatMap((request) => request.events).reduce((sum, event) => sum + eventBytes(event), 0);
  return bytes > limits.batchBytesMax
    ? E.left({ _tag: 'LimitExceeded', limit: 'batchBytesMax', max: limits.batchBytesMax, found: bytes })
    : E.right(checked);
};
