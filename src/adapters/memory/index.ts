/** The store in memory: the shortest honest adapter, and the one to read first. Gone when the process ends. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { RecordedEvent } from '../../core/event.js';
import {
  checkExpectedVersion,
  comparePositions,
  defaultTenant,
  endPosition,
  meets,
  positionParts,
  startPosition,
  type StreamVersion,
} from '../../core/stream.js';
import type {
  AllPage,
  EventFilter,
  EventStore,
  ListStreamsRequest,
  MarkError,
  MarkRequest,
  ReadAllError,
  ReadAllRequest,
  ReadError,
  ReadStreamRequest,
  StoreClosed,
  StoreLimits,
  StreamPage,
  StreamSummary,
} from '../../store/event-store.js';
import {
  checkCount,
  checkKey,
  checkPosition,
  defaultLimits,
  pageDefault,
  pageMax,
} from '../../store/limits.js';
import { checkReadStream } from '../../store/read-checks.js';
import type { IdempotencyStore } from '../../store/idempotency.js';
import type { Leases } from '../../store/leases.js';
import type { MessageQueue } from '../../store/message-queue.js';
import type { Snapshots } from '../../store/snapshots.js';
import { newId } from '../../store/ids.js';
import { pollingSubscription } from '../../store/subscription.js';
import { makeWake } from '../../store/wake.js';
import { appending } from './appending.js';
import { keepIdempotency } from './idempotency.js';
import { keepCheckpoints, keepSnapshots } from './keeping.js';
import { compareCodePoints } from '../../core/code-points.js';
import { readMatching } from './conditions.js';
import { keepLeases } from './leases.js';
import { type Call, keepMessages } from './queue.js';
import { makeStreamTable, type MemoryStream, type StreamTable } from './stream-table.js';

export interface MemoryStoreOptions {
  readonly limits?: Partial<StoreLimits>;
  /** The clock that `recordedAt` is read from. Default: the machine's. Nothing is decided by it. */
  readonly now?: () => Date;
  /** The clock that leases end and messages become due by, in milliseconds; it never goes back. Default: the time since the process began. */
  readonly clockMs?: () => number;
}

export interface MemoryStore extends EventStore {
  readonly leases: Leases;
  readonly queue: MessageQueue;
  readonly idempotency: IdempotencyStore;
  readonly snapshots: Snapshots;
}

const readStream = (table: StreamTable, request: ReadStreamRequest): E.Either<ReadError, StreamPage> => {
  const checked = checkReadStream(request);
  if (E.isLeft(checked)) return checked;
  const { key, count, backwards, from } = checked.right;
  const { tenant, streamName } = key;
  const stream = table.find(tenant, streamName);
  if (stream?.state === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', tenant, streamName });
  if (stream?.state === 'archived' && request.includeArchived !== true)
    return E.left({ _tag: 'StreamArchived', tenant, streamName });
  const events = stream?.events ?? [];
  const version = events.length as StreamVersion;
  if (backwards) {
    const end = Math.min(from, version);
    const start = Math.max(0, end - count);
    const next = start > 0 ? (start as StreamVersion) : undefined;
    return E.right({ events: events.slice(start, end).reverse(), version, next });
  }
  const start = from - 1;
  const end = start + count;
  return E.right({
    events: events.slice(start, end),
    version,
    next: end < version ? ((end + 1) as StreamVersion) : undefined,
  });
};

type Matches = (event: RecordedEvent) => boolean;

/** Whether an event passes a filter; `stateOf` says how its stream stands. */
const passes = (filter: EventFilter, table: StreamTable): Matches => {
  const categories = filter.categories && new Set(filter.categories);
  const types = filter.types && new Set(filter.types);
  return (event) => {
    const stream = table.find(event.tenant, event.streamName) as MemoryStream;
    if (stream.state === 'tombstoned') return false;
    if (stream.state === 'archived' && filter.includeArchived !== true) return false;
    if (filter.tenant !== undefined && event.tenant !== filter.tenant) return false;
    if (categories !== undefined && !categories.has(stream.category)) return false;
    if (types !== undefined && !types.has(event.type)) return false;
    return filter.streamPrefixes?.some((prefix) => event.streamName.startsWith(prefix)) ?? true;
  };
};

const forwards = (table: StreamTable, from: number, count: number, matches: Matches): AllPage => {
  const events: RecordedEvent[] = [];
  let seen = Math.min(from, table.order.length);
  while (seen < table.order.length && events.length < count) {
    const event = table.order[seen] as RecordedEvent;
    if (matches(event)) events.push(event);
    seen += 1;
  }
  const last = seen === 0 ? startPosition : (table.order[seen - 1] as RecordedEvent).position;
  return { events, last, isEnd: seen >= table.order.length, heldBack: undefined };
};

const backwards = (table: StreamTable, before: number, count: number, matches: Matches): AllPage => {
  const events: RecordedEvent[] = [];
  let left = Math.max(0, Math.min(before - 1, table.order.length));
  while (left > 0 && events.length < count) {
    const event = table.order[left - 1] as RecordedEvent;
    if (matches(event)) events.push(event);
    left -= 1;
  }
  const last = left === 0 ? startPosition : (table.order[left] as RecordedEvent).position;
  return { events, last, isEnd: left === 0, heldBack: undefined };
};

const readAll = (table: StreamTable, request: ReadAllRequest): E.Either<ReadAllError, AllPage> => {
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const isBackwards = request.direction === 'backwards';
  const after = checkPosition('after', request.after ?? (isBackwards ? endPosition : startPosition));
  if (E.isLeft(after)) return after;
  const matches = passes(request.filter ?? {}, table);
  // Here a position's sequence is the number of events up to and with it.
  const place = Number(positionParts(after.right)[1]);
  if (isBackwards) return E.right(backwards(table, place, count.right, matches));
  const page = forwards(table, place, count.right, matches);
  const isBeyond = comparePositions(after.right, page.last) > 0;
  return E.right(isBeyond ? { ...page, last: after.right } : page);
};

const summaryOf = (stream: MemoryStream): StreamSummary => ({
  tenant: stream.tenant,
  streamName: stream.streamName,
  version: stream.events.length as StreamVersion,
  state: stream.state,
});

const listStreams = (
  table: StreamTable,
  request: ListStreamsRequest,
): E.Either<ReadAllError, ReadonlyArray<StreamSummary>> => {
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const tenant = request.tenant ?? defaultTenant;
  const { after } = request;
  const shown = [...table.all()].filter(
    (stream) =>
      stream.tenant === tenant &&
      (stream.state === 'open' || (stream.state === 'archived' && request.includeArchived === true)) &&
      (request.category === undefined || stream.category === request.category) &&
      (after === undefined || compareCodePoints(stream.streamName, after) > 0),
  );
  shown.sort((a, b) => compareCodePoints(a.streamName, b.streamName));
  return E.right(shown.slice(0, count.right).map(summaryOf));
};

const markStream = (table: StreamTable, request: MarkRequest): E.Either<MarkError, StreamSummary> => {
  const key = checkKey(request);
  if (E.isLeft(key)) return key;
  const expected = checkExpectedVersion(request.expected);
  if (E.isLeft(expected)) return expected;
  const tenant = request.tenant ?? defaultTenant;
  const { streamName } = request;
  const stream = table.find(tenant, streamName);
  if (stream?.state === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', tenant, streamName });
  if (stream === undefined)
    return E.left({ _tag: 'InvalidRequest', field: 'streamName', reason: 'there is no such stream to mark' });
  const actual = stream.events.length as StreamVersion;
  if (!meets(request.expected, actual)) {
    const { expected } = request;
    return E.left({
      _tag: 'VersionConflict',
      tenant,
      streamName,
      expected,
      actual,
      tail: undefined,
      alreadyRecorded: [],
    });
  }
  stream.state = request.as;
  return E.right(summaryOf(stream));
};

const capabilities = {
  atomicAppendMany: true,
  idempotentAny: true,
  exactRepeats: true,
  atomicMarks: true,
  durable: false,
  multiProcess: false,
  leases: true,
  queue: true,
  idempotency: true,
  conditions: true,
};

const leasesOf = (leases: ReturnType<typeof keepLeases>, call: Call): Leases => ({
  acquire: (request) => call(() => leases.acquire(request)),
  renew: (lease, ttlMs) => call(() => leases.renew(lease, ttlMs)),
  release: (lease) => call(() => leases.release(lease)),
  list: (request) => call(() => leases.list(request)),
});

/** Opens an empty store. */
export const memoryStore = (options: MemoryStoreOptions = {}): MemoryStore => {
  const limits: StoreLimits = { ...defaultLimits, ...options.limits };
  const now = options.now ?? (() => new Date());
  const table = makeStreamTable(now);
  const wake = makeWake();
  const epoch = newId();
  const checkpoints = keepCheckpoints(epoch);
  const snapshots = keepSnapshots();
  const clockMs = options.clockMs ?? (() => performance.now());
  const leases = keepLeases(clockMs);
  const operations = keepIdempotency({ clockMs, now, limits });
  const messages = keepMessages({ clockMs, now, limits, fenced: leases.judge });
  const appends = appending({ table, epoch, limits, leases, operations, messages });
  let closed = false;
  /** One call: refused after `close`, else answered at once but never in the caller's own turn. */
  const call: Call =
    <L, A>(answer: () => E.Either<L, A>): TaskEither<L | StoreClosed, A> =>
    async () => {
      await Promise.resolve();
      return closed ? E.left({ _tag: 'StoreClosed' }) : answer();
    };
  const written = <A>(answer: A): A => {
    wake.notify();
    return answer;
  };
  const store = {
    readAll: (request: ReadAllRequest) => call(() => readAll(table, request)),
    epoch: () => call(() => E.right(epoch)),
  };
  return {
    name: 'memory',
    limits,
    capabilities,
    append: (request) => call(() => written(appends.append(request))),
    appendMany: (requests) => call(() => written(appends.appendMany(requests))),
    readStream: (request) => call(() => readStream(table, request)),
    readAll: store.readAll,
    readMatching: (request) => call(() => readMatching(table, epoch, request)),
    subscribe: (request) => pollingSubscription({ ...store, wake, isClosed: () => closed }, request),
    listStreams: (request) => call(() => listStreams(table, request)),
    markStream: (request) => call(() => markStream(table, request)),
    epoch: store.epoch,
    checkpoints: {
      load: (subscriber) => call(() => checkpoints.load(subscriber)),
      save: (subscriber, checkpoint) => call(() => checkpoints.save(subscriber, checkpoint)),
    },
    snapshots: {
      load: (key) => call(() => E.right(snapshots.load(key))),
      save: (key, snapshot) => call(() => E.right(snapshots.save(key, snapshot))),
    },
    leases: leasesOf(leases, call),
    queue: messages.queue(call),
    idempotency: operations.idempotency(call),
    close: async () => {
      closed = true;
      wake.notify();
    },
  };
};
