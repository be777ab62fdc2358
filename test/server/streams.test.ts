/** The Streams service with the real client, over a store in memory. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  binaryEvent,
  END,
  EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  jsonEvent,
  MaxAppendSizeExceededError,
  NO_STREAM,
  type ResolvedEvent,
  START,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  streamNameFilter,
  UnavailableError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { any, type EventStore, memoryStore, newId, type StreamName, toPromise } from 'watersmeet';
import { type Serving, serve } from '../../src/server/serve.js';

const connect = (serving: Serving): EventStoreDBClient =>
  EventStoreDBClient.connectionString(
    `esdb://${serving.address}?tls=false&throwOnAppendFailure=true&defaultDeadline=30000`,
  );

let store: EventStore;
let serving: Serving;
let client: EventStoreDBClient;
const faults: unknown[] = [];

beforeAll(async () => {
  store = memoryStore();
  serving = await serve(store, { port: 0, onError: (error) => faults.push(error) });
  client = connect(serving);
});
afterAll(async () => {
  await client.dispose();
  await serving.close();
  await store.close();
  expect(faults).toEqual([]);
});

let count = 0;
const fresh = (kind = 'order'): string => {
  count += 1;
  return `${kind}-${count}`;
};

const events = (many: number, from = 0) =>
  Array.from({ length: many }, (_, index) =>
    jsonEvent({ type: 'Counted', data: { n: from + index }, metadata: { by: 'test' } }),
  );

const all = async <E>(read: AsyncIterable<E>): Promise<E[]> => {
  const found: E[] = [];
  for await (const event of read) found.push(event);
  return found;
};

const numbers = (found: ReadonlyArray<ResolvedEvent>): ReadonlyArray<unknown> =>
  found.map(({ event }) => (event?.data as { n: unknown }).n);

/** Takes items until there are enough of them, then ends the subscription. */
const take = async <E>(
  subscription: AsyncIterable<E> & { unsubscribe: () => Promise<void> },
  many: number,
): Promise<E[]> => {
  const found: E[] = [];
  for await (const item of subscription) {
    found.push(item);
    if (found.length === many) await subscription.unsubscribe();
  }
  return found;
};

const confirmed = <S extends { once: (event: 'confirmation' | 'caughtUp', run: () => void) => unknown }>(
  subscription: S,
  event: 'confirmation' | 'caughtUp' = 'confirmation',
): Promise<void> => new Promise((resolve) => void subscription.once(event, () => resolve()));

/** The two calls that append: one is used with credentials, the other without. */
const ways = [
  ['BatchAppend', {}],
  ['Append', { credentials: { username: 'admin', password: 'changeit' } }],
] as const;

describe.each(ways)('appending by %s', (_way, options) => {
  it('numbers revisions from 0 and answers a position that grows', async () => {
    const stream = fresh();
    const first = await client.appendToStream(stream, events(3), { ...options, expectedRevision: NO_STREAM });
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 2n });
    const second = await client.appendToStream(stream, events(1, 3), { ...options, expectedRevision: 2n });
    expect(second.nextExpectedRevision).toBe(3n);
    expect(second.position?.commit).toBeGreaterThan(first.position?.commit as bigint);
    expect(numbers(await all(client.readStream(stream)))).toEqual([0, 1, 2, 3]);
  });

  it('refuses what the stream is not, and says where it stands', async () => {
    const stream = fresh();
    const attempt = (expectedRevision: bigint | typeof NO_STREAM | typeof STREAM_EXISTS) =>
      client.appendToStream(stream, events(1), { ...options, expectedRevision }).catch((error) => error);
    expect(await attempt(4n)).toMatchObject({
      type: 'wrong-expected-version',
      streamName: stream,
      expectedVersion: 4n,
      actualVersion: 'no_stream',
    });
    expect(await attempt(STREAM_EXISTS)).toMatchObject({ expectedVersion: 'stream_exists' });
    await client.appendToStream(stream, events(2), options);
    const refused = await attempt(NO_STREAM);
    expect(refused).toBeInstanceOf(WrongExpectedVersionError);
    expect(refused).toMatchObject({ expectedVersion: 'no_stream', actualVersion: 1n });
    expect(await attempt(0n)).toMatchObject({ expectedVersion: 0n, actualVersion: 1n });
  });

  it('answers the very same append again as the first time', async () => {
    const stream = fresh();
    const batch = events(2);
    const first = await client.appendToStream(stream, batch, { ...options, expectedRevision: NO_STREAM });
    const again = await client.appendToStream(stream, batch, { ...options, expectedRevision: NO_STREAM });
    expect(again).toEqual(first);
    expect(await all(client.readStream(stream))).toHaveLength(2);
  });

  it('refuses an append beyond the limit of bytes with the client’s own error, and goes on', async () => {
    const stream = fresh();
    const large = Array.from({ length: 3 }, () => jsonEvent({ type: 'Large', data: 'x'.repeat(400_000) }));
    const refused = await client.appendToStream(stream, large, options).catch((error) => error);
    expect(refused).toBeInstanceOf(MaxAppendSizeExceededError);
    expect(refused.maxAppendSize).toBe(1_048_576);
    expect((await client.appendToStream(stream, events(1), options)).nextExpectedRevision).toBe(0n);
  });

  it('refuses names and events that cannot be stored, in words', async () => {
    const twice = jsonEvent({ type: 'Counted', data: { n: 1 } });
    await expect(client.appendToStream(fresh(), [twice, twice], options)).rejects.toThrow(
      /stands twice|BadRequest|recognize/,
    );
    await expect(client.appendToStream('$all', events(1), options)).rejects.toMatchObject({
      type: 'access-denied',
    });
  });

  it('gives events back byte for byte', async () => {
    const stream = fresh();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await client.appendToStream(
      stream,
      [
        binaryEvent({ type: 'Bytes', data: bytes, metadata: bytes }),
        jsonEvent({ type: 'Json', data: { b: 1, a: ' \u0000é' }, metadata: { $correlationId: 'c' } }),
      ],
      options,
    );
    const [binary, json] = await all(client.readStream(stream));
    expect(binary?.event).toMatchObject({ isJson: false, type: 'Bytes' });
    expect(Buffer.from(binary?.event?.data as Uint8Array)).toEqual(Buffer.from(bytes));
    expect(Buffer.from(binary?.event?.metadata as Uint8Array)).toEqual(Buffer.from(bytes));
    expect(json?.event).toMatchObject({ isJson: true, data: { b: 1, a: ' \u0000é' } });
    expect(json?.event?.metadata).toEqual({ $correlationId: 'c' });
  });
});

describe('appending many at once', () => {
  it('answers each of many appends on one connection, those of a stream in order', async () => {
    const streams = Array.from({ length: 20 }, () => fresh('flood'));
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        client.appendToStream(streams[index % 20] as string, events(2, index * 2)),
      ),
    );
    expect(answers.every(({ success }) => success)).toBe(true);
    const found = await all(client.readStream(streams[3] as string));
    expect(numbers(found)).toEqual(
      Array.from({ length: 10 }, (_, round) => [2 * (3 + 20 * round), 2 * (3 + 20 * round) + 1]).flat(),
    );
  });

  it('puts an append together from parts', async () => {
    const stream = fresh();
    const answer = await client.appendToStream(stream, events(600), { batchAppendSize: 4_096 });
    expect(answer.nextExpectedRevision).toBe(599n);
    expect(numbers(await all(client.readStream(stream, { maxCount: 2, fromRevision: 598n })))).toEqual([
      598, 599,
    ]);
  });
});

describe('reading', () => {
  it('reads a stream both ways, from any revision, as far as asked', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(600));
    const read = async (options: Parameters<EventStoreDBClient['readStream']>[1]) =>
      numbers(await all(client.readStream(stream, options)));
    expect(await read({})).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(await read({ fromRevision: 5n, maxCount: 2 })).toEqual([5, 6]);
    expect(await read({ direction: BACKWARDS, fromRevision: END, maxCount: 2 })).toEqual([599, 598]);
    expect(await read({ direction: BACKWARDS, fromRevision: 1n })).toEqual([1, 0]);
    expect(await read({ direction: BACKWARDS, fromRevision: START })).toEqual([0]);
    expect(await read({ fromRevision: 5_000n })).toEqual([]);
    expect(await read({ fromRevision: END })).toEqual([]);
  });

  it('says that a stream is not there', async () => {
    await expect(all(client.readStream(fresh()))).rejects.toThrow(StreamNotFoundError);
  });

  it('reads all streams both ways, from a position with the event at it', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(3));
    const found = await all(client.readAll());
    const ours = found.filter(({ event }) => event?.streamId === stream);
    expect(numbers(ours as ResolvedEvent[])).toEqual([0, 1, 2]);
    const positions = found.map(({ event }) => event?.position.commit as bigint);
    expect(positions).toEqual([...positions].sort((a, b) => (a < b ? -1 : 1)));
    const fromPosition = ours[1]?.event?.position as { commit: bigint; prepare: bigint };
    const ids = (read: ReadonlyArray<AllStreamResolvedEvent>) => read.map(({ event }) => event?.id);
    const forwards = await all(client.readAll({ fromPosition }));
    expect(ids(forwards)).toEqual([ours[1]?.event?.id, ours[2]?.event?.id]);
    const backwards = await all(client.readAll({ fromPosition, direction: BACKWARDS, maxCount: 1 }));
    expect(ids(backwards)).toEqual([ours[0]?.event?.id]);
    expect(ids(await all(client.readAll({ direction: BACKWARDS, fromPosition: END })))).toEqual(
      ids(found).reverse(),
    );
    expect(await all(client.readAll({ fromPosition: END }))).toEqual([]);
    expect(await all(client.readAll({ direction: BACKWARDS, fromPosition: START }))).toEqual([]);
  });

  it('shows events of programs that use the store itself as JSON, and stores theirs natively', async () => {
    const streamName = fresh() as StreamName;
    const event = {
      eventId: newId(),
      type: 'Placed',
      schemaVersion: 2,
      data: { total: 5 },
      metadata: { correlationId: 'c', actor: 'ann', headers: { saga: { x: 1 } } },
    };
    await toPromise(store.append({ streamName, expected: any, events: [event] }));
    const [read] = await all(client.readStream(streamName));
    expect(read?.event).toMatchObject({
      id: event.eventId,
      data: { total: 5 },
      metadata: { $correlationId: 'c', actor: 'ann', headers: { saga: { x: 1 } }, schemaVersion: 2 },
    });
    const copy = fresh() as StreamName;
    const { data, metadata, type } = read?.event as unknown as {
      data: object;
      metadata: object;
      type: string;
    };
    await client.appendToStream(copy, jsonEvent({ id: newId(), type, data, metadata } as never));
    const page = await toPromise(store.readStream({ streamName: copy }));
    expect(page.events[0]).toMatchObject({
      schemaVersion: 2,
      data: event.data,
      metadata: event.metadata,
    });
  });

  it('resolves links, and shows the link alone where its event is gone', async () => {
    const [stream, links] = [fresh(), fresh('links')];
    await client.appendToStream(stream, events(2));
    const link = (to: string) => binaryEvent({ type: '$>', data: Buffer.from(to) });
    await client.appendToStream(links, [link(`1@${stream}`), link(`9@${stream}`)]);
    const [found, lost] = await all(client.readStream(links, { resolveLinkTos: true }));
    expect(found?.event).toMatchObject({ streamId: stream, data: { n: 1 } });
    expect(found?.link).toMatchObject({ streamId: links, revision: 0n });
    expect(lost?.event).toBeUndefined();
    expect(lost?.link).toMatchObject({ streamId: links, revision: 1n });
    const [plain] = await all(client.readStream(links));
    expect(plain?.event).toMatchObject({ streamId: links, type: '$>' });
    expect(plain?.link).toBeUndefined();
  });
});

describe('metadata', () => {
  it('is given back as it was set', async () => {
    const stream = fresh();
    const metadata = { maxCount: 3, maxAge: 60, acl: { readRoles: ['$all'] }, colour: 'red' };
    await client.setStreamMetadata(stream, metadata);
    expect((await client.getStreamMetadata(stream)).metadata).toEqual(metadata);
    await client.setStreamMetadata(stream, { maxCount: 4 });
    expect((await client.getStreamMetadata(stream)).metadata).toEqual({ maxCount: 4 });
    expect(await all(client.readStream(`$$${stream}`))).toHaveLength(1);
  });

  it('rules how far back a stream is read', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(6));
    const read = async (direction?: typeof BACKWARDS) =>
      numbers(await all(client.readStream(stream, direction && { direction, fromRevision: END })));
    await client.setStreamMetadata(stream, { maxCount: 2 });
    expect(await read()).toEqual([4, 5]);
    expect(await read(BACKWARDS)).toEqual([5, 4]);
    await client.setStreamMetadata(stream, { truncateBefore: 3 });
    expect(await read()).toEqual([3, 4, 5]);
    await client.setStreamMetadata(stream, { maxAge: 60 });
    expect(await read()).toHaveLength(6);
    expect(await all(client.readStream(stream, { maxCount: 1 }))).toHaveLength(1);
  });

  it('hides events that are too old by the clock', async () => {
    const kept = memoryStore();
    let aheadMs = 0;
    const other = await serve(kept, { port: 0, now: () => new Date(Date.now() + aheadMs) });
    const guest = connect(other);
    await guest.appendToStream('order-1', events(2));
    await guest.setStreamMetadata('order-1', { maxAge: 3_600 });
    expect(await all(guest.readStream('order-1'))).toHaveLength(2);
    aheadMs = 3_700_000;
    expect(await all(guest.readStream('order-1'))).toHaveLength(0);
    await guest.dispose();
    await other.close();
  });

  it('that says by hand that no event is late enough deletes what there is', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(2));
    const record = jsonEvent({ type: '$metadata', data: { $tb: Number.MAX_SAFE_INTEGER } });
    await client.appendToStream(`$$${stream}`, record);
    await expect(all(client.readStream(stream))).rejects.toThrow(StreamNotFoundError);
    await client.appendToStream(stream, events(1, 2), { expectedRevision: NO_STREAM });
    expect(numbers(await all(client.readStream(stream)))).toEqual([2]);
  });
});

describe('deleting', () => {
  it('hides a stream until somebody appends, and revisions go on', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(3));
    const { position } = await client.deleteStream(stream, { expectedRevision: 2n });
    expect(position?.commit).toBeGreaterThan(0n);
    await expect(all(client.readStream(stream))).rejects.toThrow(StreamNotFoundError);
    await expect(
      client.appendToStream(stream, events(1), { expectedRevision: STREAM_EXISTS }),
    ).rejects.toThrow(WrongExpectedVersionError);
    const batch = events(1, 3);
    const answer = await client.appendToStream(stream, batch, { expectedRevision: NO_STREAM });
    expect(answer.nextExpectedRevision).toBe(3n);
    expect(await client.appendToStream(stream, batch, { expectedRevision: NO_STREAM })).toEqual(answer);
    expect(numbers(await all(client.readStream(stream)))).toEqual([3]);
    await client.setStreamMetadata(stream, { colour: 'red' });
    expect(numbers(await all(client.readStream(stream)))).toEqual([3]);
  });

  it('keeps the rest of the metadata', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(2));
    await client.setStreamMetadata(stream, { colour: 'red' });
    await client.deleteStream(stream);
    expect((await client.getStreamMetadata(stream)).metadata).toEqual({ colour: 'red', truncateBefore: 2 });
  });

  it('refuses to delete what the stream is not', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(2));
    await expect(client.deleteStream(stream, { expectedRevision: 7n })).rejects.toMatchObject({
      type: 'wrong-expected-version',
      streamName: stream,
      expectedVersion: 7n,
      actualVersion: 1n,
    });
    await expect(client.tombstoneStream(stream, { expectedRevision: NO_STREAM })).rejects.toThrow(
      WrongExpectedVersionError,
    );
  });

  it.each([0, 2])('closes a stream of %d events for ever', async (many) => {
    const stream = fresh();
    if (many > 0) await client.appendToStream(stream, events(many));
    await client.tombstoneStream(stream);
    const calls = [
      () => client.appendToStream(stream, events(1)),
      () => client.appendToStream(stream, events(1), { credentials: { username: 'a', password: 'b' } }),
      () => all(client.readStream(stream)),
      () => client.deleteStream(stream),
      () => client.tombstoneStream(stream),
      () => all(client.subscribeToStream(stream)),
    ];
    for (const call of calls)
      expect(await call().catch((error: unknown) => error)).toMatchObject({
        type: new StreamDeletedError(undefined as never, stream).type,
        streamName: stream,
      });
  });
});

describe('subscribing', () => {
  it('hands over a stream from its start and goes on live', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(2));
    const subscription = client.subscribeToStream(stream);
    const taken = take(subscription, 4);
    await confirmed(subscription, 'caughtUp');
    await client.appendToStream(stream, events(2, 2));
    expect(numbers(await taken)).toEqual([0, 1, 2, 3]);
  });

  it('begins after the revision that is named, or at the end', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(3));
    const after = client.subscribeToStream(stream, { fromRevision: 1n });
    const end = client.subscribeToStream(stream, { fromRevision: END });
    const taken = [take(after, 2), take(end, 1)];
    await Promise.all([confirmed(after, 'caughtUp'), confirmed(end, 'caughtUp')]);
    await client.appendToStream(stream, events(1, 3));
    expect((await Promise.all(taken)).map(numbers)).toEqual([[2, 3], [3]]);
  });

  it('waits for a stream that is not there yet', async () => {
    const stream = fresh();
    const subscription = client.subscribeToStream(stream);
    const taken = take(subscription, 1);
    await confirmed(subscription);
    await client.appendToStream(stream, events(1));
    expect(numbers(await taken)).toEqual([0]);
  });

  it('ends with an error when the stream is closed for ever', async () => {
    const stream = fresh();
    await client.appendToStream(stream, events(1));
    const subscription = client.subscribeToStream(stream);
    const ended = all(subscription);
    ended.catch(() => undefined);
    await confirmed(subscription, 'caughtUp');
    await client.tombstoneStream(stream);
    await expect(ended).rejects.toThrow(StreamDeletedError);
  });

  it('hands over all streams after a position', async () => {
    const [first, second] = [fresh('a'), fresh('b')];
    await client.appendToStream(first, events(2));
    const answer = await client.appendToStream(second, events(1, 2));
    const fromPosition = answer.position as { commit: bigint; prepare: bigint };
    const subscription = client.subscribeToAll({ fromPosition });
    const taken = take(subscription, 2);
    await confirmed(subscription, 'caughtUp');
    await client.appendToStream(first, events(1, 3));
    await client.appendToStream(second, events(1, 4));
    expect(numbers((await taken) as ResolvedEvent[])).toEqual([3, 4]);
  });

  it('filters by stream name and event type, and tells how far it has looked', async () => {
    const stream = fresh('filtered');
    const checkpoints: bigint[] = [];
    const filter = streamNameFilter({
      prefixes: ['filtered-'],
      checkpointInterval: 5,
      maxSearchWindow: 2,
      checkpointReached: async (_subscription, position) => void checkpoints.push(position.commit),
    });
    const subscription = client.subscribeToAll({ filter, fromPosition: END });
    const taken = take(subscription, 3);
    await confirmed(subscription, 'caughtUp');
    await client.appendToStream(fresh(), events(25));
    await client.appendToStream(stream, events(3));
    const found = await taken;
    expect(numbers(found as ResolvedEvent[])).toEqual([0, 1, 2]);
    // One where it caught up, and one for each ten events.
    expect(checkpoints).toHaveLength(3);
    expect(checkpoints).toEqual([...checkpoints].sort((a, b) => (a < b ? -1 : 1)));
    const bySystem = client.subscribeToAll({ filter: excludeSystemEvents() });
    const byType = client.subscribeToAll({ filter: eventTypeFilter({ regex: '^\\$meta' }) });
    const [ordinary, metadata] = await Promise.all([take(bySystem, 20), take(byType, 2)]);
    expect(ordinary.some(({ event }) => event?.type.startsWith('$'))).toBe(false);
    expect(metadata.every(({ event }) => event?.type === '$metadata')).toBe(true);
  });

  it('serves many who follow one stream, each with every event', async () => {
    const stream = fresh();
    const subscriptions = Array.from({ length: 60 }, () => client.subscribeToStream(stream));
    const taken = subscriptions.map((subscription) => take(subscription, 30));
    await Promise.all(subscriptions.map((subscription) => confirmed(subscription)));
    for (let round = 0; round < 10; round += 1) await client.appendToStream(stream, events(3, round * 3));
    const expected = Array.from({ length: 30 }, (_, n) => n);
    for (const found of await Promise.all(taken)) expect(numbers(found)).toEqual(expected);
  });

  it('loses nothing for one who falls behind what is kept in memory', async () => {
    const stream = fresh();
    const filter = streamNameFilter({ prefixes: [stream] });
    const subscription = client.subscribeToAll({ filter, fromPosition: END });
    await confirmed(subscription, 'caughtUp');
    for (let round = 0; round < 5; round += 1)
      await client.appendToStream(stream, events(1_000, round * 1_000));
    const found = await take(subscription, 5_000);
    expect(numbers(found as ResolvedEvent[])).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
  });
});

/** A store whose appends wait until they are let go; `begun` resolves when one waits. */
const heldStore = () => {
  const kept = memoryStore();
  let letGo = (): void => undefined;
  let begin = (): void => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const held: EventStore = {
    ...kept,
    append: (request) => async () => {
      begin();
      await gate;
      return kept.append(request)();
    },
  };
  return { held, begun, letGo: () => letGo() };
};

describe('deadlines', () => {
  it.each(ways)(
    '%s says that an append was not done in time, and the connection goes on',
    async (_way, options) => {
      const { held, begun, letGo } = heldStore();
      const other = await serve(held, { port: 0 });
      const guest = connect(other);
      const late = guest.appendToStream('order-1', events(1), { ...options, deadline: 300 });
      late.catch(() => undefined);
      await begun;
      await expect(late).rejects.toMatchObject({ type: 'deadline-exceeded' });
      letGo();
      const { nextExpectedRevision } = await guest.appendToStream('order-2', events(1), options);
      expect(nextExpectedRevision).toBe(0n);
      await guest.dispose();
      await other.close();
    },
  );
});

describe('opening', () => {
  it('refuses what cannot be listened at, and numbers that make no sense', async () => {
    const problem = (options: Parameters<typeof serve>[1]) =>
      serve(store, options).then(
        () => 'opened',
        (error: { tagged: { _tag: string } }) => error.tagged._tag,
      );
    expect(await problem({ port: serving.port })).toBe('AddressUnavailable');
    expect(await problem({ port: 70_000 })).toBe('InvalidRequest');
    expect(await problem({ port: 0, appendBytesMax: 0 })).toBe('InvalidRequest');
    expect(await problem({ port: 0, host: '0.0.0.0' })).toBe('AccessUnsafe');
    const closed = memoryStore();
    await closed.close();
    expect(await serve(closed, { port: 0 }).catch((error) => error.tagged._tag)).toBe('StoreClosed');
  });
});

describe('closing', () => {
  it.each(ways)('answers a %s under way before it ends', async (_way, options) => {
    const { held, begun, letGo } = heldStore();
    const other = await serve(held, { port: 0 });
    const guest = connect(other);
    const answer = guest.appendToStream('order-1', events(2), options);
    await begun;
    const closed = other.close();
    letGo();
    expect(await answer).toMatchObject({ success: true, nextExpectedRevision: 1n });
    await closed;
    await guest.dispose();
  });

  it('ends open subscriptions with UNAVAILABLE and keeps the store open', async () => {
    const kept = memoryStore();
    const other = await serve(kept, { port: 0 });
    const guest = connect(other);
    await guest.appendToStream('order-1', events(1));
    const subscription = guest.subscribeToStream('order-1');
    const ended = all(subscription);
    ended.catch(() => undefined);
    await confirmed(subscription, 'caughtUp');
    await other.close();
    await expect(ended).rejects.toThrow(UnavailableError);
    await expect(guest.appendToStream('order-1', events(1))).rejects.toThrow(/UNAVAILABLE/);
    await guest.dispose();
    const page = await toPromise(kept.readStream({ streamName: 'order-1' as StreamName }));
    expect(page.version).toBe(1);
    await kept.close();
  });
});
