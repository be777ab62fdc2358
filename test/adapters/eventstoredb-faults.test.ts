/** What becomes of appends through EventStoreDB's protocol when the network fails, the server goes away, is slow, or does not lead. */
import { afterEach, describe, expect, it } from '@jest/globals';
import grpc from '@grpc/grpc-js';
import service from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { type EventStoreDBOptions, openEventStoreDB } from '../../src/adapters/eventstoredb/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, exactly, type ExpectedVersion, noStream, streamExists } from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { eventsOf, follow, untilEvents } from '../../src/testing/contract/follow.js';
import {
  anEvent,
  append,
  aStream,
  aTenant,
  events,
  idsOf,
  pause,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { openServer, realServerUrl, serveStore, urlOf } from '../support/eventstoredb.js';
import { cuts, lateMs, startProxy } from '../support/proxy.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const open = async (port: number, options: Partial<EventStoreDBOptions> = {}) => {
  const store = await toPromise(openEventStoreDB({ ...options, connectionString: urlOf({ port }) }));
  closers.push(store.close);
  return store;
};

/** What the proxy takes for the append that it breaks: text in the data of its events, which travels as it is. */
const mark = 'BreakHere';
const marked = (count: number) => events(count).map((event) => ({ ...event, data: { mark } }));

/** A handle through a proxy, and one that goes straight to the server. */
const proxied = async (gatherMs = 0) => {
  const server = await openServer();
  closers.push(server.dispose);
  const { host, search } = new URL(server.url.replace(/^[a-z+]+:/, 'http:'));
  const proxy = await startProxy(`http://${host}`, new RegExp(mark), gatherMs);
  closers.push(proxy.close);
  const connectionString = `esdb://127.0.0.1:${new URL(proxy.url).port}${search}`;
  const store = await toPromise(openEventStoreDB({ connectionString }));
  closers.push(store.close);
  const straight = await toPromise(openEventStoreDB({ connectionString: server.url }));
  closers.push(straight.close);
  return { proxy, store, straight };
};

const isPlain = realServerUrl()?.includes('tls=false') ?? true;
const whenPlain = isPlain ? describe : describe.skip;

whenPlain('an append whose connection breaks', () => {
  const rows: ReadonlyArray<readonly [name: string, before: number, expected: ExpectedVersion]> = [
    ['noStream', 0, noStream],
    ['version 2', 2, exactly(2)],
    ['any', 2, any],
    ['streamExists', 2, streamExists],
  ];
  // The first piece of a request is not the whole of it: cut there, the server must write nothing of it.
  const kinds = [
    ...cuts.map((cut) => [cut, 'whole', 40] as const),
    ['during the request', 'in pieces', 0] as const,
  ];
  for (const [cut, how, gatherMs] of kinds)
    it.each(rows)(
      `${cut}, ${how}, is written once and known to be, expecting %s`,
      async (_, before, expected) => {
        const { proxy, store, straight } = await proxied(gatherMs);
        const streamName = aStream();
        if (before > 0) await append(store, streamName, events(before));
        const batch = marked(3);
        proxy.cutNext(cut);
        const result = await append(store, streamName, batch, expected);
        expect(proxy.count()).toBe(1);
        expect(result).toMatchObject({ version: before + 3, idempotent: false });
        // What came late in part only, the server goes on waiting for.
        await Promise.race([proxy.settled(), pause(2 * lateMs)]);
        const recorded = await wholeStream(straight, { streamName });
        expect(idsOf(recorded.slice(before))).toEqual(idsOf(batch));
        expect(result.position).toBe(recorded.at(-1)?.position);
      },
    );

  it('before the request, while another writer comes first, is refused with what that one wrote', async () => {
    const { proxy, store, straight } = await proxied();
    const streamName = aStream();
    await append(store, streamName, events(1));
    const theirs = events(2);
    proxy.cutNext('before the request', async () => {
      await append(straight, streamName, theirs, exactly(1));
    });
    const call = store.append({ streamName, expected: exactly(1), events: marked(1), tailMax: 10 });
    const conflict = await refused(call, 'VersionConflict');
    expect([conflict.actual, conflict.alreadyRecorded]).toEqual([3, []]);
    expect(idsOf(conflict.tail ?? [])).toEqual(idsOf(theirs));
  });

  it('and stays away, is OutcomeUnknown with its ids; said again later, it is recognised or written, once', async () => {
    const { proxy, straight } = await proxied();
    const port = Number(new URL(proxy.url).port);
    const store = await open(port, { resolveOutcomeMs: 300, timeoutMs: 200 });
    const streamName = aStream();
    const batch = marked(2);
    proxy.cutNext('before the answer', async () => proxy.refuse(true));
    const request = { streamName, expected: noStream, events: batch };
    const unknown = await refused(store.append(request), 'OutcomeUnknown');
    expect(unknown.eventIds).toEqual(idsOf(batch));
    proxy.refuse(false);
    expect((await right(store.append(request))).version).toBe(2);
    expect(idsOf(await wholeStream(straight, { streamName }))).toEqual(idsOf(batch));
  });
});

describe('a server that is closed and comes back', () => {
  it('refuses with StoreUnavailable meanwhile, nothing being written, and serves the same handle afterwards', async () => {
    const behind = memoryStore();
    const first = await serveStore(behind);
    const store = await open(first.port);
    const streamName = aStream();
    await append(store, streamName, events(1), noStream);
    await first.close();
    await refused(store.append({ streamName, expected: any, events: events(1) }), 'StoreUnavailable');
    await refused(store.readStream({ streamName }), 'StoreUnavailable');
    await refused(store.readAll({}), 'StoreUnavailable');
    await refused(store.checkpoints.load('someone'), 'StoreUnavailable');
    const second = await serveStore(behind, first.port);
    closers.push(second.close);
    expect((await append(store, streamName, events(1), exactly(1))).version).toBe(2);
  });

  it('goes on handing over to a subscriber where it had come to, what was written meanwhile included', async () => {
    const behind = memoryStore();
    const first = await serveStore(behind);
    const store = await open(first.port);
    const [streamName, tenant] = [aStream(), aTenant()];
    const written = events(3);
    const items = follow(store, { filter: { tenant } });
    const put = async (to: EventStore, index: number) =>
      append(to, streamName, written.slice(index, index + 1), any, { tenant });
    await put(store, 0);
    const seen = [...eventsOf(await items.until(untilEvents(1)))];
    await first.close();
    await put(behind, 1);
    const second = await serveStore(behind, first.port);
    closers.push(second.close);
    await put(store, 2);
    seen.push(...eventsOf(await items.until(untilEvents(2))));
    await items.end();
    expect(idsOf(seen)).toEqual(idsOf(written));
  });

  it('tells of marks that were made while it was away', async () => {
    const behind = memoryStore();
    const first = await serveStore(behind);
    const store = await open(first.port);
    const streamName = aStream();
    await append(store, streamName, events(1));
    await first.close();
    const second = await serveStore(behind, first.port);
    closers.push(second.close);
    const other = await open(second.port);
    await right(other.markStream({ streamName, as: 'archived', expected: any }));
    const isRefused = async (): Promise<boolean> =>
      (await store.readStream({ streamName })())._tag === 'Left';
    const deadline = Date.now() + 15_000;
    while (!(await isRefused()) && Date.now() < deadline) await pause(20);
    await refused(store.append({ streamName, expected: any, events: events(1) }), 'StreamArchived');
  });
});

describe('a server that is slower than a call may take', () => {
  const rows: ReadonlyArray<readonly [name: string, expected: ExpectedVersion]> = [
    ['noStream', noStream],
    ['any', any],
  ];
  it.each(rows)('writes an append that expects %s once, and it is known', async (_, expected) => {
    const behind = memoryStore();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let held = 0;
    const slow: EventStore = {
      ...behind,
      append: (request) => async () => {
        if (request.events.some(({ type }) => type === 'Slow')) {
          held += 1;
          // The first attempt runs out of time; that there is a second one shows it.
          if (held > 1) release();
          await gate;
        }
        return behind.append(request)();
      },
    };
    const serving = await serveStore(slow);
    closers.push(serving.close);
    const store = await open(serving.port, { timeoutMs: 1_000 });
    const streamName = aStream();
    const batch = [anEvent('Slow')];
    expect((await append(store, streamName, batch, expected)).version).toBe(1);
    expect(held).toBeGreaterThan(1);
    expect(idsOf(await wholeStream(behind, { streamName }))).toEqual(idsOf(batch));
  });
});

/** A node that does not lead: refuses everything, and names the leader. */
const follower = async (leaderPort: number) => {
  const server = new grpc.Server();
  let asked = 0;
  const metadata = new grpc.Metadata();
  metadata.set('exception', 'not-leader');
  metadata.set('leader-endpoint-host', '127.0.0.1');
  metadata.set('leader-endpoint-port', String(leaderPort));
  const refusal = { code: grpc.status.NOT_FOUND, details: 'Leader info available', metadata };
  server.addService(service.StreamsService as never, {
    append: (_: unknown, done: grpc.sendUnaryData<unknown>) => {
      asked += 1;
      done(refusal);
    },
    read: (call: grpc.ServerWritableStream<unknown, unknown>) => {
      asked += 1;
      call.emit('error', refusal);
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  closers.push(async () => server.forceShutdown());
  return { port, asked: () => asked };
};

describe('a node that does not lead', () => {
  it('is left for the leader, and all that is asked is answered', async () => {
    const behind = memoryStore();
    const leader = await serveStore(behind);
    closers.push(leader.close);
    const { port, asked } = await follower(leader.port);
    const store = await open(port);
    const streamName = aStream();
    const batch = events(2);
    expect((await append(store, streamName, batch, noStream)).version).toBe(2);
    expect(idsOf(await wholeStream(store, { streamName }))).toEqual(idsOf(batch));
    expect(asked()).toBeGreaterThan(0);
  });
});

describe('opening', () => {
  it('says StoreUnavailable where nobody listens, and InvalidRequest where the connection string is none', async () => {
    const serving = await serveStore(memoryStore());
    await serving.close();
    const options = { connectionString: urlOf(serving), timeoutMs: 500 };
    await refused(openEventStoreDB(options), 'StoreUnavailable');
    for (const connectionString of [
      '',
      'postgres://localhost/db',
      'esdb://',
      'esdb://u:p@host:x',
      'esdb://host?tls',
    ])
      await refused(openEventStoreDB({ connectionString }), 'InvalidRequest');
  });
});
