/** Pages of many callers share statements on PostgreSQL, and none of them can tell by anything but the time it takes. */
import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, defaultTenant, noStream, type StreamName, type Tenant } from '../../src/core/stream.js';
import type { ReadStreamRequest, StreamPage } from '../../src/store/event-store.js';
import { pageDefault } from '../../src/store/limits.js';
import { append, aStream, events, refused, right } from '../../src/testing/contract/support.js';
import { whyNoServer } from '../support/postgres.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

/** A pool of one connection: whatever comes together shares one statement. `asked` counts the statements that read streams. */
const countingPool = (connectionString: string) => {
  const pool = new pg.Pool({ connectionString, max: 1 });
  const asked: string[] = [];
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (config: { readonly name?: string }) => Promise<never>;
    const counted = (config: { readonly name?: string }): Promise<never> => {
      if (/_read(Stream|All)/.test(config.name ?? '')) asked.push(config.name as string);
      return query(config);
    };
    Object.assign(client, { query: counted });
  });
  return { pool, asked };
};

suite(`event store [postgres] reads that share a statement${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let opened: PostgresTestStore;
  let store: SqlStore;
  let counting: ReturnType<typeof countingPool>;
  beforeAll(async () => {
    opened = await openTestPostgres();
    counting = countingPool(opened.url);
    store = await toPromise(openPostgres({ pool: counting.pool, poolMax: 1 }));
    await right(store.readAll({ maxCount: 1 }));
  });
  afterAll(async () => {
    await store.close();
    await counting.pool.end();
    await opened.dispose();
  });

  const written = async (count: number): Promise<StreamName> => {
    const streamName = aStream();
    if (count > 0) await append(store, streamName, events(count), noStream);
    return streamName;
  };
  /** All at once. The first goes by itself; what comes after it shares statements. */
  const together = async (requests: ReadonlyArray<ReadStreamRequest>) => {
    const lone = store.readStream({ streamName: aStream() })();
    const answers = await Promise.all(requests.map((request) => store.readStream(request)()));
    await lone;
    return answers;
  };
  const pageOf = (answer: Awaited<ReturnType<ReturnType<SqlStore['readStream']>>>): StreamPage => {
    if (answer._tag === 'Left') throw new Error(JSON.stringify(answer.left));
    return answer.right;
  };

  it('each of 40 has its own page, the same as by itself, and they are two statements', async () => {
    const names = await Promise.all(Array.from({ length: 40 }, (_, index) => written(index % 5)));
    const requests = names.map((streamName, index) => ({
      ...{ streamName, from: 1 + (index % 3), maxCount: 1 + (index % 4) },
    }));
    counting.asked.length = 0;
    const answers = await together(requests);
    expect(counting.asked.length).toBe(2);
    for (const [index, request] of requests.entries())
      expect(pageOf(answers[index] as never)).toEqual(await right(store.readStream(request)));
  });

  it('a lone one is one statement, that of one page', async () => {
    const streamName = await written(3);
    counting.asked.length = 0;
    expect((await right(store.readStream({ streamName }))).events).toHaveLength(3);
    expect(counting.asked).toEqual([expect.stringMatching(/readStreamForwards/)]);
  });

  it('a long one beside many gets its whole page all the same', async () => {
    const [long, exact] = [await written(200), await written(64)];
    const short = await Promise.all(Array.from({ length: 6 }, () => written(2)));
    const requests = [
      { streamName: long },
      { streamName: long, from: 3, maxCount: 100 },
      { streamName: exact },
      { streamName: long, from: 150, maxCount: 4_096 },
      ...short.map((streamName) => ({ streamName })),
    ];
    const answers = await together(requests);
    for (const [index, request] of requests.entries())
      expect(pageOf(answers[index] as never)).toEqual(await right(store.readStream(request)));
    expect(pageOf(answers[0] as never).events.map(({ version }) => version)).toEqual(
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
    expect(pageOf(answers[1] as never)).toMatchObject({ version: 200, next: 103 });
  });

  it('what is missing, archived, tombstoned or of another tenant is told to who asks for it alone', async () => {
    const [open, archived, tombstoned] = [await written(1), await written(2), await written(3)];
    await right(store.markStream({ streamName: archived, as: 'archived', expected: any }));
    await right(store.markStream({ streamName: tombstoned, as: 'tombstoned', expected: any }));
    const requests = [
      ...[{ streamName: open }, { streamName: aStream() }, { streamName: archived }],
      ...[{ streamName: archived, includeArchived: true }, { streamName: tombstoned }],
      ...[
        { streamName: open, tenant: 'other' as Tenant },
        { streamName: open, from: 2 },
      ],
    ];
    const [first, missing, closed, shown, gone, others, beyond] = await together(requests);
    expect(pageOf(first as never).events).toMatchObject([{ tenant: defaultTenant, streamName: open }]);
    expect(missing).toMatchObject({ right: { events: [], version: 0, next: undefined } });
    expect(closed).toMatchObject({ left: { _tag: 'StreamArchived', streamName: archived } });
    expect(pageOf(shown as never).events).toHaveLength(2);
    expect(gone).toMatchObject({ left: { _tag: 'StreamTombstoned', streamName: tombstoned } });
    expect(others).toMatchObject({ right: { events: [], version: 0 } });
    expect(beyond).toMatchObject({ right: { events: [], version: 1, next: undefined } });
  });

  it('a read that began after an append was answered sees it, whatever is under way', async () => {
    const streamName = await written(1);
    for (let version = 1; version <= 20; version += 1) {
      const under = together(Array.from({ length: 8 }, () => ({ streamName })));
      await append(store, streamName, events(1));
      expect((await right(store.readStream({ streamName }))).version).toBe(version + 1);
      await under;
    }
  });

  it('where the shared statement fails, each is asked for by itself', async () => {
    const names = await Promise.all([written(1), written(2), written(3)]);
    const broken = countingPool(opened.url);
    let isBroken = true;
    broken.pool.on('connect', (client) => {
      const query = client.query.bind(client) as (config: { readonly name?: string }) => Promise<never>;
      const failing = (config: { readonly name?: string }): Promise<never> =>
        isBroken && /_readStreams_/.test(config.name ?? '')
          ? Promise.reject(
              Object.assign(new Error('canceling statement'), { code: '57014', severity: 'ERROR' }),
            )
          : query(config);
      Object.assign(client, { query: failing });
    });
    const narrow = await toPromise(openPostgres({ pool: broken.pool, poolMax: 1 }));
    const reads = [aStream(), ...names].map((streamName) => right(narrow.readStream({ streamName })));
    expect((await Promise.all(reads)).map(({ version }) => version)).toEqual([0, 1, 2, 3]);
    isBroken = false;
    await narrow.close();
    const closed = await Promise.all(
      names.map((streamName) => refused(narrow.readStream({ streamName }), 'StoreClosed')),
    );
    expect(closed).toMatchObject([{ _tag: 'StoreClosed' }, { _tag: 'StoreClosed' }, { _tag: 'StoreClosed' }]);
    await broken.pool.end();
  });

  it('where a driver breaks at the shared statement, nobody waits for ever: each is asked for by itself', async () => {
    const names = await Promise.all([written(1), written(2), written(3)]);
    const broken = countingPool(opened.url);
    broken.pool.on('connect', (client) => {
      const query = client.query.bind(client) as (config: { readonly name?: string }) => Promise<never>;
      const failing = (config: { readonly name?: string }): Promise<never> =>
        /_readStreams_/.test(config.name ?? '')
          ? Promise.reject(new RangeError('Invalid string length'))
          : query(config);
      Object.assign(client, { query: failing });
    });
    const narrow = await toPromise(openPostgres({ pool: broken.pool, poolMax: 1 }));
    const reads = [aStream(), ...names].map((streamName) => right(narrow.readStream({ streamName })));
    expect((await Promise.all(reads)).map(({ version }) => version)).toEqual([0, 1, 2, 3]);
    await narrow.close();
    await broken.pool.end();
  });

  it('twenty subscribers at the end of the order are one read for each look, and each sees every event', async () => {
    const streamName = aStream();
    const filter = { streamPrefixes: [streamName] };
    const { last } = await right(store.readAll({ maxCount: 1, direction: 'backwards' }));
    const after = { position: last, epoch: await right(store.epoch()) };
    const ending = new AbortController();
    const { signal } = ending;
    setMaxListeners(0, signal);
    const seen = Array.from({ length: 20 }, (): number[] => []);
    let caughtUp = 0;
    const following = seen.map(async (versions) => {
      for await (const item of store.subscribe({ after, filter, signal, pollMs: 60_000 }))
        if (item._tag === 'Event') versions.push(item.event.version);
        else if (item._tag === 'CaughtUp') caughtUp += 1;
    });
    const until = async (isTrue: () => boolean): Promise<void> => {
      while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until(() => caughtUp >= 20);
    counting.asked.length = 0;
    await append(store, streamName, events(3));
    await until(() => seen.every((versions) => versions.length === 3));
    expect(seen).toEqual(Array.from({ length: 20 }, () => [1, 2, 3]));
    expect(counting.asked.length).toBeLessThan(10);
    ending.abort();
    await Promise.all(following);
  });

  /** Which statements were asked, by what their names say. */
  const askedFor = (of: typeof counting = counting) =>
    of.asked.map((name) => /_(read[A-Za-z]+)/.exec(name)?.[1]).sort();
  const [alone, shared] = ['readStreamForwards', 'readStreams'];

  it('a page larger than the default goes by itself, and holds up nobody', async () => {
    const [long, short] = [await written(pageDefault + 8), await written(2)];
    const small = { streamName: short, maxCount: pageDefault };
    const large = { streamName: long, maxCount: pageDefault + 1 };
    counting.asked.length = 0;
    const [page, ...pages] = await together([large, small, { streamName: short }]);
    expect(askedFor()).toEqual([alone, alone, shared]);
    expect(pageOf(page as never)).toMatchObject({ version: pageDefault + 8, next: pageDefault + 2 });
    for (const one of pages) expect(pageOf(one).events).toHaveLength(2);
    counting.asked.length = 0;
    await together([large, large, large]);
    expect(askedFor()).toEqual([alone, alone, alone, alone]);
  });

  it('a long page beside one other takes its beginning from the shared statement, and the rest by itself', async () => {
    const [long, short] = [await written(200), await written(2)];
    counting.asked.length = 0;
    const [page, other] = await together([{ streamName: long, maxCount: 200 }, { streamName: short }]);
    expect(askedFor()).toEqual([alone, alone, shared]);
    expect(pageOf(page as never).events).toHaveLength(200);
    expect(pageOf(other as never).events).toHaveLength(2);
    counting.asked.length = 0;
    await together([{ streamName: long, maxCount: 64 }, { streamName: short }]);
    expect(askedFor()).toEqual([alone, shared]);
  });

  it('those that were begun when the store is closed have their page, whether they wait, share or go alone', async () => {
    const streamName = await written(300);
    const counted = countingPool(opened.url);
    for (const pool of [{ pool: counted.pool }, { connectionString: opened.url }]) {
      const closing = await toPromise(openPostgres({ ...pool, poolMax: 1 }));
      const reads = Array.from({ length: 12 }, (_, index) =>
        closing.readStream({ streamName, maxCount: [2, 300, 4_096][index % 3] as number })(),
      );
      const closed = closing.close();
      const late = await refused(closing.readStream({ streamName }), 'StoreClosed');
      expect(late).toMatchObject({ _tag: 'StoreClosed' });
      for (const [index, answer] of (await Promise.all(reads)).entries())
        expect(pageOf(answer).events).toHaveLength(index % 3 === 0 ? 2 : 300);
      await closed;
    }
    await counted.pool.end();
  });

  it('where the shared statement cannot be asked, all are told at once: none is asked for again', async () => {
    const names = await Promise.all([written(1), written(2), written(3)]);
    const broken = countingPool(opened.url);
    broken.pool.on('connect', (client) => {
      const query = client.query.bind(client) as (config: { readonly name?: string }) => Promise<never>;
      const failing = async (config: { readonly name?: string }): Promise<never> => {
        const answer = await query(config);
        // What a driver says of a connection that is lost has no severity.
        if (/_readStreams_/.test(config.name ?? '')) throw new Error('Connection terminated unexpectedly');
        return answer;
      };
      Object.assign(client, { query: failing });
    });
    const narrow = await toPromise(openPostgres({ pool: broken.pool, poolMax: 1 }));
    broken.asked.length = 0;
    const [lone, ...others] = await Promise.all(
      [aStream(), ...names].map((streamName) => narrow.readStream({ streamName })()),
    );
    expect(pageOf(lone as never).version).toBe(0);
    expect(others).toMatchObject(names.map(() => ({ left: { _tag: 'StoreUnavailable' } })));
    // A pool may hand out several connections that broke, so that the statement itself is asked on another one.
    expect(askedFor(broken)).toEqual([alone, shared, shared, shared]);
    const connect = broken.pool.connect.bind(broken.pool);
    let connects = 0;
    const refusing = (): Promise<never> => {
      connects += 1;
      return Promise.reject(new Error('connect ECONNREFUSED'));
    };
    Object.assign(broken.pool, { connect: refusing });
    const unconnected = await Promise.all(
      [aStream(), ...names].map((streamName) => narrow.readStream({ streamName })()),
    );
    Object.assign(broken.pool, { connect });
    expect(unconnected).toMatchObject(
      unconnected.map(() => ({ left: { _tag: 'StoreUnavailable', message: 'connect ECONNREFUSED' } })),
    );
    expect(connects).toBe(2);
    await narrow.close();
    await broken.pool.end();
  });
});
