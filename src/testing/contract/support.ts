/** Makes streams and events for the contract's tests, runs calls, and states what is expected so that a failure shows a diff. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { strict as assert } from 'node:assert';
import type { EventData, RecordedEvent } from '../../core/event.js';
import { newId } from '../../store/ids.js';
import type { Json } from '../../core/json.js';
import {
  any,
  comparePositions,
  type ExpectedVersion,
  type Position,
  type StreamName,
  type Tenant,
} from '../../core/stream.js';
import type { AppendResult, EventFilter, EventStore, ReadStreamRequest } from '../../store/event-store.js';

/** Text that no other test of any run uses. */
export const unique = (): string => newId().replaceAll('-', '').slice(8);

export const aStream = (category = 'order'): StreamName => `${category}-${unique()}` as StreamName;
export const aTenant = (): Tenant => `tenant-${unique()}` as Tenant;

export const anEvent = (
  type = 'Happened',
  data: Json = { what: type },
  more: Partial<EventData> = {},
): EventData => ({
  eventId: newId(),
  type,
  schemaVersion: 1,
  data,
  metadata: {},
  ...more,
});

export const events = (count: number, type = 'Happened'): ReadonlyArray<EventData> =>
  Array.from({ length: count }, (_, index) => anEvent(type, { number: index + 1 }));

export const idsOf = (some: ReadonlyArray<{ readonly eventId: string }>): ReadonlyArray<string> =>
  some.map((event) => event.eventId);
export const versionsOf = (some: ReadonlyArray<RecordedEvent>): ReadonlyArray<number> =>
  some.map((event) => event.version);
export const numbersFrom = (first: number, last: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

/** Runs a call that must succeed. */
export const right = async <L, A>(call: TaskEither<L, A>): Promise<A> => {
  const result = await call();
  if (E.isLeft(result)) assert.fail(`expected success, was refused: ${shown(result.left)}`);
  return result.right;
};

/** Runs a call that must be refused with this tag. */
export const refused = async <L extends { readonly _tag: string }, T extends L['_tag']>(
  call: TaskEither<L, unknown>,
  tag: T,
): Promise<Extract<L, { readonly _tag: T }>> => {
  const result = await call();
  if (E.isRight(result)) assert.fail(`expected ${tag}, but it succeeded: ${shown(result.right)}`);
  assert.equal(result.left._tag, tag, shown(result.left));
  return result.left as Extract<L, { readonly _tag: T }>;
};

/** At most 500 characters of any value. */
export const shown = (value: unknown): string => {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 500);
  } catch {
    return Object.prototype.toString.call(value);
  }
};

// A test runner may give tests their own Object and Array, and a store may make its values outside of it: what counts
// is the data, so both sides are copied before they are compared.
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return Array.from(value, plain);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, part] of Object.entries(value)) copy[key] = plain(part);
  return copy;
};

/** Deep and strict equality of data: -0 is not 0, undefined is not absent; the order of keys does not count. */
export const same = (actual: unknown, expected: unknown, message?: string): void => {
  assert.deepStrictEqual(plain(actual), plain(expected), message);
};

/** The part of recorded events that their writer gave. */
export const asWritten = (recorded: ReadonlyArray<RecordedEvent>): ReadonlyArray<EventData> =>
  recorded.map(({ eventId, type, schemaVersion, data, metadata }) => ({
    eventId,
    type,
    schemaVersion,
    data,
    metadata,
  }));

export const append = (
  store: EventStore,
  streamName: StreamName,
  batch: ReadonlyArray<EventData>,
  expected: ExpectedVersion = any,
  more: { readonly tenant?: Tenant; readonly tailMax?: number } = {},
): Promise<AppendResult> => right(store.append({ streamName, expected, events: batch, ...more }));

/** A new stream that holds `count` events. */
export const streamAt = async (
  store: EventStore,
  count: number,
  more: { readonly category?: string; readonly tenant?: Tenant } = {},
): Promise<{
  readonly streamName: StreamName;
  readonly written: ReadonlyArray<EventData>;
  readonly position: Position;
}> => {
  const streamName = aStream(more.category);
  const written = events(count);
  const tenant = more.tenant === undefined ? {} : { tenant: more.tenant };
  const result = await append(store, streamName, written, any, tenant);
  return { streamName, written, position: result.position };
};

/** Reads a stream page by page to its end. */
export const wholeStream = async (
  store: EventStore,
  request: ReadStreamRequest,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const all: RecordedEvent[] = [];
  let from = request.from;
  // A stream of the contract has at most 100,000 events; more pages than that are a loop.
  for (let page = 0; page <= 100_000; page += 1) {
    const { events: some, next } = await right(
      store.readStream({ ...request, ...(from === undefined ? {} : { from }) }),
    );
    all.push(...some);
    if (next === undefined) return all;
    from = next;
  }
  return assert.fail('reading the stream did not come to an end');
};

export const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs));

/** Rejects where `promise` has not settled in time. */
export const within = async <A>(timeoutMs: number, what: string, promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `${what} took more than ${timeoutMs} ms` })),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Reads the global order through a position. A store may hold back what is committed while another transaction is open
 * (of another test, on the same server), so this waits for it.
 */
export const allThrough = async (
  store: EventStore,
  request: { readonly filter?: EventFilter; readonly maxCount?: number; readonly after?: Position },
  through: Position,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const all: RecordedEvent[] = [];
  const deadline = Date.now() + 15_000;
  let after = request.after;
  while (Date.now() < deadline) {
    const page = await right(store.readAll({ ...request, ...(after === undefined ? {} : { after }) }));
    assert.ok(page.events.length <= (request.maxCount ?? 512), 'a page held more events than were asked for');
    all.push(...page.events);
    after = page.last;
    if (comparePositions(page.last, through) >= 0) return all;
    if (page.isEnd) await pause(20);
  }
  return assert.fail(`the global order did not reach ${through} within 15 s`);
};

/** Runs `act`, then asserts that not one event was written by it, to any stream. */
export const writesNothing = async <A>(store: EventStore, act: () => Promise<A>): Promise<A> => {
  const fence = aStream('fence');
  const before = await append(store, fence, events(1));
  const result = await act();
  const behind = await append(store, fence, events(1));
  const between = await allThrough(
    store,
    { after: before.position, filter: { includeArchived: true } },
    behind.position,
  );
  same(
    between.map((event) => event.streamName),
    [fence],
    'something was written although the append was refused',
  );
  return result;
};
