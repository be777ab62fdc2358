/** The store on PostgreSQL beyond the contract: how it is opened, what it tells, and what it does beside other programs. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openPostgres } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import {
  any,
  comparePositions,
  endPosition,
  exactly,
  noStream,
  type Position,
  startPosition,
  type StreamName,
} from '../../src/core/stream.js';
import type { EventStore, SubscriptionItem } from '../../src/store/event-store.js';
import {
  allThrough,
  append,
  aStream,
  aTenant,
  events,
  idsOf,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { bareDatabase, dropTestDatabase, runOn, serverUrl, whyNoServer } from '../support/postgres.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;
const reason = skip === undefined ? '' : ` (skipped: ${skip})`;

const clientOf = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

/** Asks again until there is an answer, for 10 seconds at most. */
const until = async <T>(ask: () => Promise<T | undefined>): Promise<T> => {
  for (
    const end = Date.now() + 10_000;
    Date.now() < end;
    await new Promise((resolve) => setTimeout(resolve, 10))
  ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error('it did not come to be within 10 s');
};

const checkWorks = async (store: EventStore): Promise<void> => {
  const streamName = aStream();
  const batch = events(3);
  await append(store, streamName, batch.slice(0, 2), noStream);
  await append(store, streamName, batch.slice(2), exactly(2));
  expect(idsOf(await wholeStream(store, { streamName }))).toEqual(idsOf(batch));
};

suite(`event store [postgres] opening${reason}`, () => {
  let opened: PostgresTestStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
  });
  afterAll(() => opened.dispose());

  it('its name shows host and database, and neither user nor password', async () => {
    const url = new URL(opened.url);
    url.password = 'very secret';
    const store = await toPromise(openPostgres({ connectionString: url.href }));
    expect(store.name).toBe(`postgres://${url.host}${url.pathname}`);
    await store.close();
  });

  it('an unreachable server is StoreUnavailable, without the password', async () => {
    const connectionString = 'postgres://someone:very%20secret@127.0.0.1:1/none';
    const error = await refused(openPostgres({ connectionString }), 'StoreUnavailable');
    expect(JSON.stringify(error)).not.toMatch(/very/);
  });

  it('a connection string that is none is refused, without the password', async () => {
    for (const connectionString of ['postgres://a:very secret@[', 'not a url at all', 'postgres://']) {
      const outcome = await openPostgres({ connectionString, connectTimeoutMs: 500 })();
      expect(outcome._tag).toBe('Left');
      expect(JSON.stringify(outcome)).not.toMatch(/very/);
    }
  });

  it('a database that is not there is StoreUnavailable', async () => {
    const url = new URL(opened.url);
    url.pathname = '/no_such_database';
    const error = await refused(openPostgres({ connectionString: url.href }), 'StoreUnavailable');
    expect(error.message).toMatch(/no_such_database/);
  });

  it('a schema that was not migrated is MigrationMissing with advice, and `migrate: true` migrates it', async () => {
    const url = await bareDatabase();
    const error = await refused(openPostgres({ connectionString: url }), 'MigrationMissing');
    expect(error.message).toMatch(/watersmeet migrate/);
    const store = await toPromise(openPostgres({ connectionString: url, migrate: true }));
    await checkWorks(store);
    await store.close();
    await dropTestDatabase(url);
  });

  it('a schema that disappears while the store is open is MigrationMissing', async () => {
    const other = await openTestPostgres();
    await runOn(other.url, 'drop schema watersmeet cascade');
    const streamName = aStream();
    await refused(other.store.append({ streamName, expected: any, events: events(1) }), 'MigrationMissing');
    await refused(other.store.readStream({ streamName }), 'MigrationMissing');
    await other.dispose();
  });

  it('a schema name outside the allowed letters is refused before anything is asked', async () => {
    for (const schema of ['', 'A', '1a', 'a-b', 'a"; drop table x; --', 'pg_own', 'x'.repeat(64), 'é'])
      expect(
        (await refused(openPostgres({ connectionString: opened.url, schema }), 'InvalidRequest')).field,
      ).toBe('schema');
  });

  it('two schemas in one database are two stores, also when their names are words of SQL', async () => {
    const open = (schema: string) =>
      toPromise(openPostgres({ connectionString: opened.url, schema, migrate: true }));
    const [one, two] = [await open('select'), await open('table')];
    const streamName = aStream();
    await append(one, streamName, events(1), noStream);
    expect(await wholeStream(two, { streamName })).toEqual([]);
    await append(two, streamName, events(2), noStream);
    expect((await wholeStream(one, { streamName })).length).toBe(1);
    await one.close();
    await two.close();
  });

  it('a pool that was handed in stays open, and parsers of its program change nothing', async () => {
    const pool = new pg.Pool({ connectionString: opened.url, max: 2 });
    const before = pg.types.getTypeParser(25);
    pg.types.setTypeParser(25, (value: string) => `parsed ${value}`);
    try {
      const store = await toPromise(openPostgres({ pool }));
      await checkWorks(store);
      await store.close();
    } finally {
      pg.types.setTypeParser(25, before);
    }
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(pool.listenerCount('error')).toBe(0);
    await pool.end();
  });

  it('works without prepared statements, and without a session of its own between two statements', async () => {
    const store = await toPromise(openPostgres({ connectionString: opened.url, prepare: false }));
    await checkWorks(store);
    await store.close();
    const client = await clientOf(opened.url);
    const { rows } = await client.query<{ count: string }>('select count(*) from pg_prepared_statements');
    expect(rows).toEqual([{ count: '0' }]);
    await client.end();
  });

  it('works where the server isolates transactions more strictly by default', async () => {
    for (const level of ['repeatable read', 'serializable']) {
      const other = await openTestPostgres();
      const database = new URL(other.url).pathname.slice(1);
      await runOn(other.url, `alter database "${database}" set default_transaction_isolation to '${level}'`);
      const store = await other.secondHandle();
      await checkWorks(store);
      const streamName = aStream();
      const writers = Array.from({ length: 6 }, async () => {
        for (let round = 0; round < 5; round += 1) await append(store, streamName, events(1), any);
      });
      await Promise.all(writers);
      expect((await wholeStream(store, { streamName })).map(({ version }) => version)).toEqual(
        Array.from({ length: 30 }, (_, index) => index + 1),
      );
      await other.dispose();
    }
  });

  it('reads times to the millisecond, in UTC, however the server shows times by default', async () => {
    const other = await openTestPostgres();
    const database = new URL(other.url).pathname.slice(1);
    for (const setting of [`datestyle to 'German'`, `timezone to 'Asia/Kathmandu'`])
      await runOn(other.url, `alter database "${database}" set ${setting}`);
    const store = await other.secondHandle();
    const streamName = aStream();
    const { position } = await append(store, streamName, events(4));
    const given = ['2026-01-31 23:59:59+00', '2026-01-31 23:59:59.5+00', '2026-02-01 05:44:59.07+05:45'];
    for (const [index, time] of given.entries())
      await runOn(
        other.url,
        `set datestyle to 'ISO'; update watersmeet.events set recorded_at = '${time}' where version = ${index + 1}`,
      );
    const times = (await wholeStream(store, { streamName })).map(({ recordedAt }) => recordedAt);
    expect(times.slice(0, 3)).toEqual([
      '2026-01-31T23:59:59.000Z',
      '2026-01-31T23:59:59.500Z',
      '2026-01-31T23:59:59.070Z',
    ]);
    expect(Math.abs(Date.parse(times[3] as string) - Date.now())).toBeLessThan(60_000);
    const all = await allThrough(store, {}, position);
    expect(all.map(({ recordedAt }) => recordedAt)).toEqual(times);
    const back = await right(store.readAll({ direction: 'backwards', maxCount: 4 }));
    expect(back.events.map(({ recordedAt }) => recordedAt)).toEqual(times.toReversed());
    await other.dispose();
  });
});

suite(`event store [postgres] beside others${reason}`, () => {
  let opened: PostgresTestStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
  });
  afterAll(() => opened.dispose());

  it('survives connections that the server ends, idle and in use', async () => {
    const { store, url } = opened;
    for (let round = 0; round < 5; round += 1) {
      await checkWorks(store);
      await runOn(
        url,
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
      await checkWorks(store);
    }
  });

  it('appends while all connections are ended again and again lose nothing and double nothing', async () => {
    const { url } = opened;
    const store = await toPromise(
      openPostgres({ connectionString: url, poolMax: 8, resolveOutcomeMs: 2_000 }),
    );
    const killer = await clientOf(serverUrl());
    const database = new URL(url).pathname.slice(1);
    const counts = { appended: 0, unknown: 0, unavailable: 0, ended: 0 };
    let done = false;
    const killing = (async () => {
      while (!done) {
        const ended = await killer.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
          [database],
        );
        counts.ended += ended.rowCount ?? 0;
        // Long enough to connect in, even on a busy machine, and never in step with the writers.
        await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 70));
      }
    })();
    const write = async (streamName: StreamName): Promise<ReadonlyArray<string>> => {
      const written: string[] = [];
      let batch = events(1);
      while (written.length < 150) {
        const outcome = await store.append({
          streamName,
          expected: exactly(written.length),
          events: batch,
        })();
        if (outcome._tag === 'Right') {
          expect(outcome.right.version).toBe(written.length + 1);
          written.push(...idsOf(batch));
          counts.appended += 1;
          batch = events(1);
        } else if (outcome.left._tag === 'OutcomeUnknown') {
          // The advice of that error: the very same append again.
          counts.unknown += 1;
        } else {
          expect(outcome.left._tag).toBe('StoreUnavailable');
          counts.unavailable += 1;
          // Nothing was written, so another batch may take its place.
          batch = events(1);
        }
      }
      return written;
    };
    const streams = Array.from({ length: 8 }, () => aStream());
    const outcomes = await Promise.allSettled(streams.map(write));
    done = true;
    await killing;
    await killer.end();
    for (const [index, streamName] of streams.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status !== 'fulfilled') throw outcome?.reason;
      expect(idsOf(await wholeStream(store, { streamName }))).toEqual(outcome.value);
    }
    expect(counts.ended).toBeGreaterThan(20);
    await store.close();
  });

  it('an event that was written past the row locks is a conflict by the unique key, with where the stream stands', async () => {
    const { store, url } = opened;
    const streamName = aStream();
    const [first] = events(1);
    await append(store, streamName, events(1), noStream);
    const client = await clientOf(url);
    await client.query(
      `insert into watersmeet.events
         (transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
       select pg_current_xact_id(), s.id, s.tenant, s.name, 2, $2::uuid, 'Smuggled', 1, '{}', '{}'
       from watersmeet.streams s where s.name = $1`,
      [streamName, first?.eventId],
    );
    await client.end();
    const request = { streamName, expected: exactly(1), events: events(1), tailMax: 10 };
    const conflict = await refused(store.append(request), 'VersionConflict');
    expect([conflict.actual, conflict.tail?.map(({ type }) => type)]).toEqual([2, ['Smuggled']]);
  });

  it('never skips an event that commits late: readers wait for it, and say who holds them back', async () => {
    const { store, url } = opened;
    const tenant = aTenant();
    const [slow, fast] = [aStream(), aStream()];
    const client = await clientOf(url);
    await client.query("set application_name to 'a slow program'");
    const late = events(1);
    const lateRequest = [{ tenant, stream: slow, expected: 'any', version: 0, tailMax: 0, events: late }];
    await client.query('begin');
    await client.query('select watersmeet.append_events($1::text::jsonb)', [JSON.stringify(lateRequest)]);
    const early = events(2);
    const { position } = await append(store, fast, early, noStream, { tenant });
    // Other suites' transactions in the same cluster may be older for a moment, and then are named first.
    const held = await until(async () => {
      const page = await right(store.readAll({ filter: { tenant } }));
      expect([idsOf(page.events), page.isEnd]).toEqual([[], true]);
      return page.heldBack?.by.includes('a slow program') === true ? page : undefined;
    });
    expect(held.heldBack?.heldBackMs).toBeGreaterThanOrEqual(0);
    await client.query('commit');
    await client.end();
    const after = await allThrough(store, { filter: { tenant }, after: held.last }, position);
    expect(idsOf(after)).toEqual([...idsOf(late), ...idsOf(early)]);
    await until(async () =>
      (await right(store.readAll({ after: position }))).heldBack === undefined ? true : undefined,
    );
  });

  it('read backwards, the order begins before what waits for an open transaction, and says who holds it back', async () => {
    const { store } = opened;
    const tenant = aTenant();
    const slow = await opened.connect();
    const [early, late, fast] = [events(1), events(2), events(2)];
    await append(store, aStream(), early, noStream, { tenant });
    await slow.query("set application_name to 'a writer in no hurry'");
    const lateRequest = [
      { tenant, stream: aStream(), expected: 'any', version: 0, tailMax: 0, events: late },
    ];
    await slow.query('begin');
    await slow.query('select watersmeet.append_events($1::text::jsonb)', [JSON.stringify(lateRequest)]);
    const { position } = await append(store, aStream(), fast, noStream, { tenant });
    const back = { filter: { tenant }, direction: 'backwards', maxCount: 1 } as const;
    // Other suites' transactions in the same cluster may be older for a moment, and hold back more.
    const held = await until(async () => {
      const page = await right(store.readAll(back));
      expect(idsOf(fast)).not.toContain(page.events[0]?.eventId);
      return page.events.length === 1 && page.heldBack?.by.includes('a writer in no hurry') === true
        ? page
        : undefined;
    });
    expect(idsOf(held.events)).toEqual(idsOf(early));
    // Who reads on before what waits is held back by nobody.
    expect((await right(store.readAll({ ...back, after: held.last }))).heldBack).toBeUndefined();
    await slow.query('commit');
    await allThrough(store, { filter: { tenant } }, position);
    const all = await right(store.readAll({ ...back, maxCount: 10 }));
    expect(idsOf(all.events)).toEqual([...idsOf([...early, ...late, ...fast])].reverse());
    expect([all.isEnd, all.heldBack]).toEqual([true, undefined]);
  });

  it('a subscription raises the alarm while it is held back, and hands everything over afterwards', async () => {
    const { store, url } = opened;
    const tenant = aTenant();
    const client = await clientOf(url);
    await client.query('begin');
    await client.query('select pg_current_xact_id()');
    const batch = events(3);
    await append(store, aStream(), batch, noStream, { tenant });
    const items: SubscriptionItem[] = [];
    for await (const item of store.subscribe({ filter: { tenant }, pollMs: 10, lagAlarmMs: 100 })) {
      items.push(item);
      if (item._tag === 'Lag') {
        expect(items.some(({ _tag }) => _tag === 'Event')).toBe(false);
        expect(item.heldBack.heldBackMs).toBeGreaterThanOrEqual(100);
        await client.query('commit');
      }
      if (items.filter(({ _tag }) => _tag === 'Event').length === 3) break;
    }
    await client.end();
    expect(items.filter(({ _tag }) => _tag === 'Lag').length).toBe(1);
  });

  it('the global order keeps the order of each stream, whichever writer got its transaction id first', async () => {
    const { store } = opened;
    const tenant = aTenant();
    const streams = [aStream(), aStream()];
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      for (let round = 0; round < 25; round += 1)
        await append(store, streams[(writer + round) % 2] as (typeof streams)[0], events(1), any, { tenant });
    });
    await Promise.all(writers);
    const { position: last } = await append(store, aStream(), events(1), noStream);
    const all = await allThrough(store, { filter: { tenant } }, last);
    expect(all.length).toBe(400);
    for (const streamName of streams) {
      const versions = all.filter((event) => event.streamName === streamName).map(({ version }) => version);
      expect(versions).toEqual(versions.map((_, index) => index + 1));
    }
  });

  it('a filter that matches next to nothing reads on in bounded steps', async () => {
    const other = await openTestPostgres();
    let almost = startPosition;
    for (let round = 0; round < 5; round += 1)
      ({ position: almost } = await append(other.store, aStream('noise'), events(10_000), any));
    const wanted = events(1);
    const { position } = await append(other.store, aStream('wanted'), wanted, any);
    await until(async () => {
      const { events: last } = await right(
        other.store.readAll({ filter: { categories: ['wanted'] }, after: almost }),
      );
      return last.length === 1 ? true : undefined;
    });
    let [after, steps] = [startPosition, 0];
    const found: string[] = [];
    for (; comparePositions(after, position) < 0; steps += 1) {
      const page = await right(other.store.readAll({ after, filter: { categories: ['wanted'] } }));
      expect(comparePositions(after, page.last)).toBeLessThan(0);
      found.push(...idsOf(page.events));
      after = page.last;
    }
    expect([found, steps]).toEqual([idsOf(wanted), 3]);
    const back: Position[] = [];
    for (let isEnd = false; !isEnd; ) {
      const filter = { categories: ['elsewhere'] };
      const page = await right(
        other.store.readAll({ direction: 'backwards', filter, after: back.at(-1) ?? endPosition }),
      );
      expect(comparePositions(page.last, back.at(-1) ?? endPosition)).toBeLessThan(0);
      back.push(page.last);
      isEnd = page.isEnd;
    }
    expect(back.length).toBe(3);
    await other.dispose();
  });
});

suite(`event store [postgres] many writers at once, on a warmed pool${reason}`, () => {
  const writers = 16;
  const rounds = 200;
  let opened: PostgresTestStore;
  beforeAll(async () => {
    opened = await openTestPostgres({ poolMax: writers });
    await Promise.all(Array.from({ length: writers * 2 }, () => right(opened.store.epoch())));
  });
  afterAll(() => opened.dispose());

  it(`${rounds} times, of ${writers} at one exact version one wins, and the others learn where the stream stands`, async () => {
    const { store } = opened;
    for (let round = 0; round < rounds; round += 1) {
      const streamName = aStream();
      const version = round % 3;
      if (version > 0) await append(store, streamName, events(version), noStream);
      const batches = Array.from({ length: writers }, () => events(1 + (round % 2)));
      const outcomes = await Promise.all(
        batches.map((batch) =>
          store.append({ streamName, expected: exactly(version), events: batch, tailMax: 5 })(),
        ),
      );
      const won = outcomes.flatMap((outcome, index) => (outcome._tag === 'Right' ? [index] : []));
      expect(won.length).toBe(1);
      const ids = idsOf(batches[won[0] as number] as (typeof batches)[0]);
      for (const outcome of outcomes)
        if (outcome._tag === 'Left') {
          if (outcome.left._tag !== 'VersionConflict') throw new Error(outcome.left._tag);
          expect(outcome.left.actual).toBe(version + ids.length);
          expect(idsOf(outcome.left.tail ?? [])).toEqual(ids);
        }
      expect(idsOf((await wholeStream(store, { streamName })).slice(version))).toEqual(ids);
    }
  });

  it(`${rounds} times, all of ${writers} at any land, and versions have no gap`, async () => {
    const { store } = opened;
    for (let round = 0; round < rounds; round += 1) {
      const streamName = aStream();
      const batches = Array.from({ length: writers }, () => events(2));
      const results = await Promise.all(
        batches.map((batch) => right(store.append({ streamName, expected: any, events: batch }))),
      );
      const recorded = await wholeStream(store, { streamName });
      expect(recorded.map(({ version }) => version)).toEqual(
        Array.from({ length: 2 * writers }, (_, i) => i + 1),
      );
      for (const [index, { version }] of results.entries())
        expect(idsOf(recorded.slice(version - 2, version))).toEqual(
          idsOf(batches[index] as (typeof batches)[0]),
        );
    }
  });

  it(`${rounds} times, of ${writers} appends to the same streams in any order one wins whole, and none waits for ever`, async () => {
    const { store } = opened;
    for (let round = 0; round < rounds; round += 1) {
      const names = [aStream(), aStream(), aStream()];
      const outcomes = await Promise.all(
        Array.from({ length: writers }, (_, writer) => {
          const turned = [...names.slice(writer % 3), ...names.slice(0, writer % 3)];
          return store.appendMany(
            turned.map((streamName) => ({ streamName, expected: noStream, events: events(1) })),
          )();
        }),
      );
      expect(outcomes.filter(({ _tag }) => _tag === 'Right').length).toBe(1);
      for (const outcome of outcomes)
        if (outcome._tag === 'Left') expect(outcome.left._tag).toBe('VersionConflict');
      for (const streamName of names) expect((await wholeStream(store, { streamName })).length).toBe(1);
    }
  });
});
