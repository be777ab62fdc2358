/** Where the adapter cannot have what it wants: streams closed behind its back, reads longer than a call, writes that are never answered. */
import { afterEach, describe, expect, it } from '@jest/globals';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import grpc from '@grpc/grpc-js';
import { append as appendTo } from '../../src/adapters/eventstoredb/append.js';
import type { Connection, RawPage } from '../../src/adapters/eventstoredb/connection.js';
import type { StoreContext } from '../../src/adapters/eventstoredb/context.js';
import { faultError } from '../../src/adapters/eventstoredb/faults.js';
import { type EventStoreDBOptions, openEventStoreDB } from '../../src/adapters/eventstoredb/index.js';
import { checkpointKeeper } from '../../src/adapters/eventstoredb/keeping.js';
import { readAll } from '../../src/adapters/eventstoredb/reading.js';
import { keepSeen } from '../../src/adapters/eventstoredb/seen.js';
import type { RawEvent, RawRead } from '../../src/adapters/eventstoredb/wire.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import type { RecordedEvent } from '../../src/core/event.js';
import { taggedError, toPromise } from '../../src/core/fault.js';
import {
  any,
  type Position,
  positionOf,
  type StreamName,
  type StreamVersion,
} from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';
import { defaultLimits } from '../../src/store/limits.js';
import { append, aStream, events, idsOf, pause, refused, right } from '../../src/testing/contract/support.js';
import { serveStore, urlOf } from '../support/eventstoredb.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A handle on a server over a store that the test has as well. */
const open = async (behind: EventStore, options: Partial<EventStoreDBOptions> = {}) => {
  const serving = await serveStore(behind);
  closers.push(serving.close);
  const store = await toPromise(openEventStoreDB({ ...options, connectionString: urlOf(serving) }));
  closers.push(store.close);
  return { store, serving };
};

/** A connection that answers as the test says, and the context of a store on it. */
const contextOn = (connection: Partial<Connection>) => {
  const whole = {
    timers: { now: () => 0, after: () => () => undefined, soon: () => undefined },
    isReady: async () => true,
    isClosed: () => false,
    nap: async () => undefined,
    ...connection,
  } as unknown as Connection;
  const context = {
    connection: whole,
    limits: defaultLimits,
    appendBytesMax: 1024 * 1024,
    resolveOutcomeMs: 100,
    seen: keepSeen(),
    marks: { stateOf: () => 'open', learnTombstone: async () => undefined },
    feed: { isLive: () => true },
  } as unknown as StoreContext;
  return context;
};

const rawAt = (number: number, streamId: string): RawEvent => ({
  streamId,
  eventId: newId(),
  version: number as StreamVersion,
  type: 'T',
  isJson: true,
  data: Buffer.from('{}'),
  metadata: new Uint8Array(),
  createdTicks: 0n,
  position: positionOf(number, number),
});

describe('an append', () => {
  it('to a stream that was archived in the store behind the server is refused as StreamArchived', async () => {
    const behind = memoryStore();
    const { store } = await open(behind);
    const streamName = aStream();
    await append(behind, streamName, events(1));
    await right(behind.markStream({ streamName, expected: any, as: 'archived' }));
    await refused(store.append({ streamName, expected: any, events: events(1) }), 'StreamArchived');
  });

  it('to a stream that others tombstoned is refused as StreamTombstoned, also while no connection stands', async () => {
    const gone = async () => {
      throw faultError({ _tag: 'Deleted', message: 'gone' });
    };
    const context = contextOn({ isReady: async () => false, read: gone, append: gone });
    const outcome = await appendTo(context, { streamName: aStream(), expected: any, events: events(1) });
    expect(outcome).toMatchObject({ left: { _tag: 'StreamTombstoned' } });
  });

  it('that is broken off for want of resources, after the server had it, is found to be written, and written once', async () => {
    const inner = memoryStore();
    const streamName = aStream();
    let isBreaking = true;
    const behind: EventStore = {
      ...inner,
      append: (request) => async () => {
        const answer = await inner.append(request)();
        if (request.streamName !== streamName || !isBreaking) return answer;
        isBreaking = false;
        throw taggedError({ _tag: 'Refused', code: 'RESOURCE_EXHAUSTED', message: 'too much' });
      },
    };
    const { store } = await open(behind);
    const batch = events(1);
    expect((await append(store, streamName, batch)).version).toBe(1);
    expect(idsOf((await right(inner.readStream({ streamName }))).events)).toEqual(idsOf(batch));
  });

  it('whose answer is lost is OutcomeUnknown, and is not sent again, where too much came since to look through', async () => {
    let sent = 0;
    const context = contextOn({
      read: async ({ from, count }) => {
        const newest = from === 'end' ? 1_000_000 : (from as number);
        const page = Array.from({ length: count }, (_, index) => rawAt(newest - index, 's-1'));
        return { events: page, found: true, isCut: false };
      },
      append: async () => {
        sent += 1;
        throw faultError({ _tag: 'Lost', message: 'no answer' });
      },
    });
    const request = { streamName: 's-1' as StreamName, expected: any, events: events(2) };
    expect(await appendTo(context, request)).toMatchObject({
      left: { _tag: 'OutcomeUnknown', eventIds: idsOf(request.events) },
    });
    expect(sent).toBe(1);
  });
});

describe('a read of the global order', () => {
  const order = Array.from({ length: 3_000 }, (_, index) =>
    rawAt(index + 1, index === 2_500 ? 'wanted-1' : `other-${index}`),
  );

  /** Answers reads of the order; `answer` may do it in another way. */
  const reading = (answer: (read: RawRead & { readonly count: number }) => RawPage | undefined) =>
    contextOn({
      read: async (read) => {
        const own = answer(read);
        if (own !== undefined) return own;
        const all = read.backwards ? order.toReversed() : order;
        const start = all.findIndex(({ position }) => position === read.from);
        const from = Math.max(0, start);
        return { events: all.slice(from, from + read.count), found: true, isCut: false };
      },
    });
  const late: RawPage = { events: [], found: true, isCut: true };

  it.each(['forwards', 'backwards'] as const)(
    'judges events itself, %s, where the server finds none that pass in the time of a call',
    async (direction) => {
      const context = reading(({ filter }) => (filter === undefined ? undefined : late));
      const request = { direction, filter: { categories: ['wanted'] }, maxCount: 10 };
      const page = await right(async () => readAll(context, request));
      expect(page.events.map(({ version }) => version)).toEqual([2_501]);
      expect(page.isEnd).toBe(false);
      const after = page.last;
      const rest = await right(async () => readAll(context, { ...request, after }));
      expect([rest.events, rest.isEnd]).toEqual([[], true]);
    },
  );

  it('goes on behind what it has judged, however little passes, and leaves nothing out', async () => {
    const context = reading(({ filter }) => (filter === undefined ? undefined : late));
    const seen: RecordedEvent[] = [];
    let after: Position | undefined;
    for (let isEnd = false; !isEnd; ) {
      const page = await right(async () =>
        readAll(context, {
          filter: { categories: ['other'] },
          maxCount: 100,
          ...(after !== undefined && { after }),
        }),
      );
      seen.push(...page.events);
      ({ isEnd, last: after } = page);
    }
    expect(seen.map(({ eventId }) => eventId)).toEqual(
      order.filter(({ streamId }) => streamId !== 'wanted-1').map(({ eventId }) => eventId),
    );
  });

  it('keeps what has come of one that the time of a call cuts off', async () => {
    const context = reading(({ filter }) =>
      filter === undefined ? undefined : { events: order.slice(0, 7), found: true, isCut: true },
    );
    const page = await right(async () => readAll(context, { filter: { categories: ['other'] } }));
    expect(page).toMatchObject({ isEnd: false, last: order[6]?.position });
    expect(page.events).toHaveLength(7);
  });

  it('finds the one event that passes, although the server takes longer to look than a call may take', async () => {
    const inner = memoryStore();
    let isSlow = false;
    const behind: EventStore = {
      ...inner,
      readAll: (request) => async () => {
        if (isSlow) await pause(60);
        return inner.readAll(request)();
      },
    };
    await append(inner, 'other-1' as StreamName, events(1_500));
    await append(inner, 'wanted-1' as StreamName, events(1));
    const { store } = await open(behind, { timeoutMs: 300 });
    isSlow = true;
    let after: Position | undefined;
    let found = 0;
    for (let tries = 0; tries < 100 && found === 0; tries += 1) {
      const page = await right(
        store.readAll({ filter: { categories: ['wanted'] }, ...(after !== undefined && { after }) }),
      );
      found = page.events.length;
      after = page.last;
    }
    expect(found).toBe(1);
  });
});

describe('a checkpoint', () => {
  it('that the server takes no write for is given up in bounded time', async () => {
    let now = 0;
    let sent = 0;
    const connection = {
      timers: { now: () => now },
      read: async () => ({ events: [], found: false, isCut: false }),
      append: async () => {
        now += 10_000;
        sent += 1;
        throw faultError({ _tag: 'Lost', message: 'no answer' });
      },
    } as unknown as Connection;
    const { save } = checkpointKeeper(connection, async () => 'epoch');
    await expect(save('me', { position: positionOf(1, 1), epoch: 'epoch' })).rejects.toMatchObject({
      fault: { _tag: 'Lost' },
    });
    expect(sent).toBeLessThan(10);
  });
});

describe('an event that another program wrote', () => {
  it('is the same to a consumer of a group as to a reader, whatever its bytes are', async () => {
    const { store, serving } = await open(memoryStore());
    const streamName = aStream();
    const raw = new streamsService.StreamsClient(serving.address, grpc.credentials.createInsecure());
    const { AppendReq } = streams;
    await new Promise<void>((resolve, reject) => {
      const sink = raw.append((error) => (error ? reject(error) : resolve()));
      const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from(streamName));
      const options = new AppendReq.Options().setStreamIdentifier(identifier).setAny(new shared.Empty());
      sink.write(new AppendReq().setOptions(options));
      for (const text of ['not json', '{"n":-0}', '"text"', '']) {
        const message = new AppendReq.ProposedMessage()
          .setId(new shared.UUID().setString(newId()))
          .setData(Buffer.from(text))
          .setCustomMetadata(Buffer.from('{"a":1,"$correlationId":"c"}'));
        message.getMetadataMap().set('type', 'Foreign').set('content-type', 'application/json');
        sink.write(new AppendReq().setProposedMessage(message));
      }
      sink.end();
    });
    raw.close();
    const page = await right(store.readStream({ streamName }));
    const group = { group: 'g', source: { streamName } };
    await right(store.groups.create(group));
    const given: RecordedEvent[] = [];
    await new Promise<void>((resolve, reject) => {
      const consuming = store.groups.consume(group, async (event) => {
        given.push(event);
        if (given.length === 4) resolve();
      });
      consuming.done.catch(reject);
      closers.push(consuming.stop);
    });
    expect(given).toEqual(page.events);
  });
});
