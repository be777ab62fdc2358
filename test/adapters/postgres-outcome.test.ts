/** An append whose connection is cut is answered rightly all the same: nothing is lost, nothing is written twice. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, exactly, type ExpectedVersion, noStream, streamExists } from '../../src/core/stream.js';
import {
  append,
  aStream,
  events,
  idsOf,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { newId } from '../../src/store/ids.js';
import { fenceOf } from '../../src/store/leases.js';
import { whyNoServer } from '../support/postgres.js';
import { type Cut, cuts, type Proxy, startProxy } from '../support/proxy.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

interface Opened {
  readonly direct: PostgresTestStore;
  readonly proxy: Proxy;
  readonly store: SqlStore;
}

const cutsEach = 25;

suite(`event store [postgres] an append whose connection is cut${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let opened: Opened;
  beforeAll(async () => {
    const direct = await openTestPostgres();
    const proxy = await startProxy(direct.url);
    const store = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 4 }));
    opened = { direct, proxy, store };
  });
  afterAll(async () => {
    await opened.store.close();
    await opened.proxy.close();
    await opened.direct.dispose();
  });

  const expectations: ReadonlyArray<readonly [string, number, ExpectedVersion]> = [
    ['noStream', 0, noStream],
    ['any on a new stream', 0, any],
    ['exactly 2', 2, exactly(2)],
    ['any', 2, any],
    ['streamExists', 2, streamExists],
  ];

  const oneCut = async (cut: Cut, before: number, expected: ExpectedVersion): Promise<void> => {
    const { direct, proxy, store } = opened;
    const streamName = aStream();
    const old = events(before);
    if (before > 0) await append(direct.store, streamName, old, noStream);
    const batch = events(2);
    const countBefore = proxy.count();
    proxy.cutNext(cut);
    const result = await right(store.append({ streamName, expected, events: batch }));
    expect(proxy.count()).toBe(countBefore + 1);
    const recorded = await wholeStream(direct.store, { streamName });
    expect(idsOf(recorded)).toEqual([...idsOf(old), ...idsOf(batch)]);
    const last = recorded.at(-1);
    expect(result).toEqual({
      streamName,
      version: last?.version,
      position: last?.position,
      idempotent: false,
    });
  };

  for (const cut of cuts)
    for (const [title, before, expected] of expectations)
      it(`${cut}, at ${title}: it is written once and answered as written`, async () => {
        const rounds = cut === 'late request' ? 1 : cutsEach;
        for (let round = 0; round < rounds; round += 1) await oneCut(cut, before, expected);
        await opened.proxy.settled();
      });

  it('late request: what runs after its own repeat writes nothing', async () => {
    const { direct, proxy, store } = opened;
    for (const expected of [exactly(1), any, streamExists]) {
      const streamName = aStream();
      await append(direct.store, streamName, events(1), noStream);
      const batch = events(3);
      proxy.cutNext('late request');
      await right(store.append({ streamName, expected, events: batch }));
      // Others go on while the lost request is still under way.
      await append(direct.store, streamName, events(1), any);
      await proxy.settled();
      const recorded = await wholeStream(direct.store, { streamName });
      expect(recorded.length).toBe(5);
      expect(idsOf(recorded.slice(1, 4))).toEqual(idsOf(batch));
    }
  });

  it('appendMany: all of it is written once', async () => {
    const { direct, proxy, store } = opened;
    for (const cut of cuts) {
      const [one, two] = [aStream(), aStream()];
      const requests = [
        { streamName: one, expected: noStream, events: events(2) },
        { streamName: two, expected: any, events: events(3) },
      ];
      proxy.cutNext(cut);
      const results = await right(store.appendMany(requests));
      await proxy.settled();
      expect(results.map(({ version, idempotent }) => [version, idempotent])).toEqual([
        [2, false],
        [3, false],
      ]);
      for (const { streamName, events: batch } of requests)
        expect(idsOf(await wholeStream(direct.store, { streamName }))).toEqual(idsOf(batch));
    }
  });

  it('a refusal that was lost is answered as a refusal, with its tail', async () => {
    const { direct, proxy, store } = opened;
    const streamName = aStream();
    const written = events(3);
    await append(direct.store, streamName, written, noStream);
    for (const cut of cuts) {
      proxy.cutNext(cut);
      const request = { streamName, expected: exactly(1), events: events(1), tailMax: 5 };
      const conflict = await refused(store.append(request), 'VersionConflict');
      expect([conflict.actual, idsOf(conflict.tail ?? [])]).toEqual([3, idsOf(written.slice(1))]);
      await proxy.settled();
    }
    expect((await wholeStream(direct.store, { streamName })).length).toBe(3);
  });

  it('a written append is answered as written although its stream was archived meanwhile', async () => {
    const { direct, proxy } = opened;
    const store = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 1 }));
    const streamName = aStream();
    const batch = events(2);
    proxy.cutNext('before the answer', async () => {
      await right(direct.store.markStream({ streamName, as: 'archived', expected: any }));
    });
    const result = await right(store.append({ streamName, expected: noStream, events: batch }));
    expect([result.version, result.idempotent]).toEqual([2, false]);
    const page = await right(direct.store.readStream({ streamName, includeArchived: true }));
    expect(idsOf(page.events)).toEqual(idsOf(batch));
    expect(page.events.at(-1)?.position).toBe(result.position);
    await store.close();
  });

  it('so is one whose lease was given back meanwhile, and one under a condition that its own events fail', async () => {
    const { direct, proxy } = opened;
    const store = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 1 }));
    const tags = [`tag-${newId()}`];
    const [event] = events(1);
    const tagged = [{ ...event, eventId: newId(), metadata: { tags } }] as ReturnType<typeof events>;
    const lease = await right(direct.store.leases.acquire({ name: newId(), holder: 'one', ttlMs: 60_000 }));
    const unders = [
      { fence: fenceOf(lease), events: events(1) },
      { condition: { noneOf: { anyOf: [{ tags }] } }, events: tagged },
    ];
    for (const under of unders) {
      const streamName = aStream();
      proxy.cutNext('before the answer', async () => {
        await right(direct.store.leases.release(lease));
        await right(direct.store.markStream({ streamName, as: 'archived', expected: any }));
      });
      const result = await right(store.append({ streamName, expected: noStream, ...under }));
      expect([result.version, result.idempotent]).toEqual([1, false]);
    }
    await store.close();
  });

  it('a refusal that may still change is answered as unknown', async () => {
    const { proxy, store } = opened;
    const batch = events(1);
    const streamName = aStream();
    proxy.cutNext('before the request');
    const unknown = await refused(
      store.append({ streamName, expected: exactly(7), events: batch }),
      'OutcomeUnknown',
    );
    expect([unknown.streamName, unknown.eventIds]).toEqual([streamName, idsOf(batch)]);
  });

  it('a server that stays away is answered as unknown after the patience that was asked for; the append can be repeated', async () => {
    const { direct, proxy } = opened;
    const store = await toPromise(
      openPostgres({ connectionString: proxy.url, poolMax: 1, resolveOutcomeMs: 400 }),
    );
    const streamName = aStream();
    const request = { streamName, expected: noStream, events: events(1) };
    proxy.cutNext('before the answer', async () => proxy.refuse(true));
    const began = performance.now();
    const unknown = await refused(store.append(request), 'OutcomeUnknown');
    const elapsedMs = performance.now() - began;
    expect(unknown.eventIds).toEqual(idsOf(request.events));
    expect(elapsedMs).toBeGreaterThan(350);
    expect(elapsedMs).toBeLessThan(5_000);
    proxy.refuse(false);
    expect(await right(store.append(request))).toMatchObject({ version: 1, idempotent: true });
    expect((await wholeStream(direct.store, { streamName })).length).toBe(1);
    await store.close();
  });

  it('a server that cannot be reached at all is unavailable, which says that nothing was written', async () => {
    const { direct, proxy, store } = opened;
    const streamName = aStream();
    proxy.refuse(true);
    // The pool may hold connections that it does not know to be broken yet.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const outcome = await store.append({ streamName, expected: noStream, events: events(1) })();
    proxy.refuse(false);
    expect(outcome).toMatchObject({ _tag: 'Left', left: { _tag: 'StoreUnavailable' } });
    expect(await wholeStream(direct.store, { streamName })).toEqual([]);
    expect((await right(store.append({ streamName, expected: noStream, events: events(1) }))).version).toBe(
      1,
    );
  });
});
