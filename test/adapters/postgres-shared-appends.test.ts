/** Appends of many callers share statements and commits on PostgreSQL, and none of them can tell by anything but the time it takes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { OneOutcome } from '../../src/adapters/postgres/append.js';
import { appendLine } from '../../src/adapters/postgres/append-line.js';
import type { PlainAppend } from '../../src/adapters/postgres/append-words.js';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import {
  any,
  exactly,
  noStream,
  type Position,
  type StreamName,
  streamExists,
  type Tenant,
} from '../../src/core/stream.js';
import type { AppendRequest, EventStore } from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';
import { fenceOf } from '../../src/store/leases.js';
import {
  append,
  aStream,
  events,
  idsOf,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { runOn, whyNoServer } from '../support/postgres.js';
import { cuts, startProxy } from '../support/proxy.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

/** So many names, each known to be there. */
type Streams<N extends number, Known extends ReadonlyArray<StreamName> = []> = Known['length'] extends N
  ? Known
  : Streams<N, readonly [StreamName, ...Known]>;
const streams = <N extends number>(count: N): Streams<N> =>
  Array.from({ length: count }, () => aStream()) as unknown as Streams<N>;
const commitOf = ({ position }: { readonly position: Position }): string => position.split('/')[0] as string;

/** A pool of one connection: whatever comes together shares one statement. `read` are how many rows each page of a stream had. */
const countingPool = (connectionString: string) => {
  const pool = new pg.Pool({ connectionString, max: 1 });
  const read: number[] = [];
  type Query = (config: { readonly name?: string }) => Promise<{ readonly rows: ReadonlyArray<unknown> }>;
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as unknown as Query;
    const counted: Query = async (config) => {
      const answer = await query(config);
      if (/_readStream/.test(config.name ?? '')) read.push(answer.rows.length);
      return answer;
    };
    Object.assign(client, { query: counted });
  });
  return { pool, read };
};

suite(`event store [postgres] appends that share a commit${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let opened: PostgresTestStore;
  let store: SqlStore;
  // With one connection, all that come together share one statement.
  let narrow: SqlStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
    store = opened.store;
    narrow = await toPromise(openPostgres({ connectionString: opened.url, poolMax: 1 }));
    // A cold pool starts its writers one after another.
    await Promise.all(Array.from({ length: 16 }, () => right(store.readAll({ maxCount: 1 }))));
  });
  afterAll(async () => {
    await narrow.close();
    await opened.dispose();
  });

  /** All at once. The first goes by itself; what comes after it shares statements. */
  const together = (requests: ReadonlyArray<AppendRequest>, by = narrow) => {
    const lone = by.append({ streamName: aStream(), expected: noStream, events: events(1) })();
    return Promise.all([...requests.map((request) => by.append(request)()), lone]).then((outcomes) =>
      outcomes.slice(0, -1),
    );
  };

  it('each of 64 has its own outcome, its events are stored equal, and they are fewer commits', async () => {
    const requests = streams(64).map((streamName, index) => ({
      ...{ streamName, expected: noStream, events: events(1 + (index % 3)) },
    }));
    const results = await Promise.all(requests.map((request) => right(store.append(request))));
    expect(new Set(results.map(commitOf)).size).toBeLessThan(16);
    for (const [index, request] of requests.entries()) {
      const recorded = await wholeStream(store, request);
      const last = recorded.at(-1);
      expect(recorded.map(({ eventId, data, metadata }) => ({ eventId, data, metadata }))).toEqual(
        request.events.map(({ eventId, data, metadata }) => ({ eventId, data, metadata })),
      );
      const { streamName } = request;
      const version = request.events.length;
      expect(results[index]).toEqual({ streamName, version, position: last?.position, idempotent: false });
    }
  });

  it('what is refused, repeated, closed or not there touches no other', async () => {
    const [fresh, behind, archived, tombstoned, repeated, missing, grown] = streams(7);
    const old = events(3);
    const again = events(2);
    for (const streamName of [behind, grown]) await append(store, streamName, events(1), noStream);
    await append(store, behind, old, exactly(1));
    await append(store, repeated, again, noStream);
    for (const [streamName, as] of [
      [archived, 'archived'],
      [tombstoned, 'tombstoned'],
    ] as const) {
      await append(store, streamName, events(1), noStream);
      await right(store.markStream({ streamName, as, expected: any }));
    }
    const outcomes = await together([
      { streamName: fresh, expected: noStream, events: events(1) },
      { streamName: behind, expected: exactly(1), events: events(1), tailMax: 2 },
      { streamName: archived, expected: any, events: events(1) },
      { streamName: tombstoned, expected: exactly(1), events: events(1) },
      { streamName: repeated, expected: any, events: again },
      { streamName: missing, expected: exactly(4), events: events(1) },
      { streamName: grown, expected: any, events: events(2) },
      { streamName: missing, expected: streamExists, events: events(1) },
    ]);
    expect(outcomes).toMatchObject([
      { right: { streamName: fresh, version: 1, idempotent: false } },
      { left: { _tag: 'VersionConflict', streamName: behind, actual: 4, alreadyRecorded: [] } },
      { left: { _tag: 'StreamArchived', streamName: archived } },
      { left: { _tag: 'StreamTombstoned', streamName: tombstoned } },
      { right: { streamName: repeated, version: 2, idempotent: true } },
      { left: { _tag: 'VersionConflict', streamName: missing, actual: 0 } },
      { right: { streamName: grown, version: 3, idempotent: false } },
      { left: { _tag: 'VersionConflict', streamName: missing, actual: 0 } },
    ]);
    const [, conflict] = outcomes as unknown as [unknown, { left: { tail: typeof old } }];
    expect(idsOf(conflict.left.tail)).toEqual(idsOf(old.slice(0, 2)));
    expect(await wholeStream(store, { streamName: missing })).toEqual([]);
    expect((await right(store.listStreams({}))).some(({ streamName }) => streamName === missing)).toBe(false);
  });

  it('under exact versions alone, what is refused, repeated, closed, not there or next in its stream touches no other', async () => {
    const [fresh, behind, archived, repeated, missing, grown] = streams(6);
    const again = events(2);
    for (const streamName of [behind, archived, grown]) await append(store, streamName, events(2), noStream);
    await append(store, repeated, again, noStream);
    await right(store.markStream({ streamName: archived, as: 'archived', expected: any }));
    const outcomes = await together([
      { streamName: fresh, expected: noStream, events: events(3) },
      { streamName: behind, expected: exactly(1), events: events(1), tailMax: 2 },
      { streamName: archived, expected: exactly(2), events: events(1) },
      { streamName: repeated, expected: noStream, events: again },
      { streamName: missing, expected: exactly(4), events: events(1) },
      { streamName: grown, expected: exactly(2), events: events(2) },
      { streamName: grown, expected: exactly(2), events: events(1), tailMax: 5 },
      { streamName: grown, expected: exactly(4), events: events(2) },
    ]);
    expect(outcomes).toMatchObject([
      { right: { streamName: fresh, version: 3, idempotent: false } },
      { left: { _tag: 'VersionConflict', streamName: behind, actual: 2, tail: [{ version: 2 }] } },
      { left: { _tag: 'StreamArchived', streamName: archived } },
      { right: { streamName: repeated, version: 2, idempotent: true } },
      { left: { _tag: 'VersionConflict', streamName: missing, actual: 0 } },
      { right: { streamName: grown, version: 4, idempotent: false } },
      { left: { _tag: 'VersionConflict', streamName: grown, actual: 4 } },
      { right: { streamName: grown, version: 6, idempotent: false } },
    ]);
    for (const [streamName, length] of [
      [fresh, 3],
      [behind, 2],
      [repeated, 2],
      [missing, 0],
      [grown, 6],
    ] as const)
      expect((await wholeStream(store, { streamName })).map(({ version }) => version)).toEqual(
        Array.from({ length }, (_, index) => index + 1),
      );
    expect((await right(store.listStreams({}))).some(({ streamName }) => streamName === missing)).toBe(false);
  });

  it('where a trigger drops the events of one of them, that one fails, and its stream does not move', async () => {
    const raw = await opened.connect();
    await raw.query(`create function watersmeet.drop_some() returns trigger language plpgsql as $$
      begin
        return case when new.type = 'Dropped' then null else new end;
      end $$`);
    await raw.query(
      'create trigger drop_some before insert on watersmeet.events for each row execute function watersmeet.drop_some()',
    );
    try {
      const dropped = () => events(1).map((event) => ({ ...event, type: 'Dropped' }));
      for (const expected of [noStream, any]) {
        const [one, two, three] = streams(3);
        const alone = await store.append({ streamName: one, expected, events: dropped() })();
        expect(alone).toMatchObject({ left: { _tag: 'StoreUnavailable' } });
        const outcomes = await together([
          { streamName: one, expected, events: events(1) },
          { streamName: two, expected, events: dropped() },
          { streamName: three, expected, events: events(1) },
        ]);
        expect(outcomes).toMatchObject([
          { right: { version: 1 } },
          { left: { _tag: 'StoreUnavailable' } },
          { right: { version: 1 } },
        ]);
        expect((await right(store.listStreams({}))).some(({ streamName }) => streamName === two)).toBe(false);
      }
    } finally {
      await raw.query('drop trigger drop_some on watersmeet.events');
    }
  });

  it('what refused ones of a long stream have missed is read for each by itself where it is far apart', async () => {
    const { pool, read } = countingPool(opened.url);
    const counted = await toPromise(openPostgres({ pool, poolMax: 1 }));
    const streamName = aStream();
    await append(counted, streamName, events(3_000), noStream);
    const behind = (version: number, tailMax: number): AppendRequest => ({
      ...{ streamName, expected: exactly(version), events: events(1), tailMax },
    });
    const missed = async (requests: ReadonlyArray<AppendRequest>) => {
      read.length = 0;
      const outcomes = await together(requests, counted);
      return outcomes.map((outcome) =>
        outcome._tag === 'Left' && outcome.left._tag === 'VersionConflict'
          ? outcome.left.tail?.map(({ version }) => version)
          : outcome,
      );
    };
    expect(await missed([behind(2_999, 1), behind(1, 1)])).toEqual([[3_000], [2]]);
    expect([...read].sort()).toEqual([1, 1]);
    // What overlaps is read once.
    expect(await missed([behind(12, 3), behind(2_990, 20), behind(10, 4), behind(10, 1)])).toEqual([
      ...[[13, 14, 15], Array.from({ length: 10 }, (_, index) => 2_991 + index)],
      ...[[11, 12, 13, 14], [11]],
    ]);
    expect(read).toEqual([5, 10]);
    await counted.close();
    await pool.end();
  });

  it('those of one stream are judged one after the other, in their order', async () => {
    const [streamName, other] = streams(2);
    const batches = Array.from({ length: 5 }, () => events(1));
    const [first, second, loser, repeat, last] = batches as [
      (typeof batches)[0],
      (typeof batches)[0],
      (typeof batches)[0],
      (typeof batches)[0],
      (typeof batches)[0],
    ];
    const outcomes = await together([
      { streamName: other, expected: exactly(3), events: events(1) },
      { streamName, expected: noStream, events: first },
      { streamName, expected: exactly(1), events: second },
      { streamName, expected: exactly(1), events: loser, tailMax: 4 },
      { streamName: other, expected: noStream, events: events(1) },
      { streamName, expected: any, events: repeat },
      { streamName, expected: any, events: repeat },
      { streamName, expected: exactly(1), events: second },
      { streamName, expected: exactly(3), events: last },
    ]);
    expect(outcomes).toMatchObject([
      { left: { _tag: 'VersionConflict', actual: 0 } },
      { right: { version: 1, idempotent: false } },
      { right: { version: 2, idempotent: false } },
      { left: { _tag: 'VersionConflict', actual: 2, tail: [{ eventId: second[0]?.eventId }] } },
      { right: { version: 1, idempotent: false } },
      { right: { version: 3, idempotent: false } },
      { right: { version: 3, idempotent: true } },
      { right: { version: 2, idempotent: true } },
      { right: { version: 4, idempotent: false } },
    ]);
    expect(idsOf(await wholeStream(store, { streamName }))).toEqual(
      [first, second, repeat, last].flatMap(idsOf),
    );
  });

  it('appends to one stream keep the order in which they came, large ones among them', async () => {
    const streamName = aStream();
    const batches = Array.from({ length: 150 }, (_, index) => events(index % 40 === 7 ? 30 : 1));
    const results = await Promise.all(
      batches.map((batch) => right(store.append({ streamName, expected: any, events: batch }))),
    );
    const recorded = await wholeStream(store, { streamName });
    expect(idsOf(recorded)).toEqual(batches.flatMap(idsOf));
    expect(results.map(({ version }) => version)).toEqual(
      batches.map((_, index) => batches.slice(0, index + 1).flat().length),
    );
  });

  it('one hundred writers of one version: one is first, and all others are told by whom', async () => {
    const streamName = aStream();
    const writers = Array.from({ length: 100 }, () => events(1));
    const outcomes = await Promise.all(
      writers.map((batch) => store.append({ streamName, expected: noStream, events: batch, tailMax: 1 })()),
    );
    const [winner] = await wholeStream(store, { streamName });
    const won = outcomes.flatMap((outcome, index) => (outcome._tag === 'Right' ? [index] : []));
    expect(won.map((index) => writers[index]?.[0]?.eventId)).toEqual([winner?.eventId]);
    for (const outcome of outcomes)
      if (outcome._tag === 'Left')
        expect(outcome.left).toMatchObject({ actual: 1, tail: [{ eventId: winner?.eventId }] });
  });

  it('the global order holds each event once, and each stream in the order of its versions', async () => {
    const tenant = `tenant-${newId()}` as Tenant;
    const names = streams(12);
    await Promise.all(
      Array.from({ length: 20 }, () => names)
        .flat()
        .map((streamName) => right(store.append({ tenant, streamName, expected: any, events: events(1) }))),
    );
    const seen = new Map<string, number>();
    let after: Position | undefined;
    // Other tests write to this server too, and hold the order back for a moment.
    for (let page = 0; page < 500 && [...seen.values()].reduce((a, b) => a + b, 0) < 240; page += 1) {
      const read = await right(store.readAll({ filter: { tenant }, ...(after && { after }) }));
      for (const { streamName, version } of read.events) {
        expect(version).toBe((seen.get(streamName) ?? 0) + 1);
        seen.set(streamName, version);
      }
      after = read.last;
      if (read.isEnd) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect([...seen.values()]).toEqual(names.map(() => 20));
  });

  it('fences, messages and conditions beside them keep their promises', async () => {
    const lease = await right(store.leases.acquire({ name: newId(), holder: 'one', ttlMs: 60_000 }));
    const lost = { ...fenceOf(lease), token: lease.token + 1 };
    const tags = [`tag-${newId()}`];
    const tagged = events(1).map((event) => ({ ...event, metadata: { tags } }));
    const queue = `queue-${newId()}`;
    const message = { queue, id: newId(), key: 'k', type: 'T', schemaVersion: 1, data: {}, metadata: {} };
    const [a, b, c, d, e] = streams(5);
    const outcomes = await together([
      { streamName: a, expected: noStream, events: events(1), fence: lost },
      { streamName: b, expected: noStream, events: events(1), fence: fenceOf(lease) },
      { streamName: c, expected: noStream, events: tagged },
      { streamName: d, expected: noStream, events: events(1), enqueue: [message] },
      { streamName: e, expected: noStream, events: events(1) },
    ]);
    expect(outcomes).toMatchObject([
      { left: { _tag: 'LeaseLost' } },
      ...[b, c, d, e].map((streamName) => ({ right: { streamName, version: 1 } })),
    ]);
    const noneOf = { anyOf: [{ tags }] };
    const condition = { noneOf };
    const streamName = aStream();
    await refused(
      store.append({ streamName, expected: any, events: events(1), condition }),
      'ConditionFailed',
    );
    const raw = await opened.connect();
    const { rows } = await raw.query('select id from watersmeet.messages where queue = $1', [queue]);
    expect(rows).toEqual([{ id: message.id }]);
  });

  it('a stream that somebody holds does not hold up the others', async () => {
    const names = streams(24);
    for (const streamName of names) await append(store, streamName, events(1), noStream);
    const holder = await opened.connect();
    await holder.query('begin');
    await holder.query('select from watersmeet.streams where name = $1 for update', [names[5]]);
    let isHeldSettled = false;
    const appends = names.map((streamName, index) => {
      const appended = right(store.append({ streamName, expected: exactly(1), events: events(1) }));
      if (index === 5) void appended.then(() => (isHeldSettled = true));
      return appended;
    });
    const others = await Promise.all(appends.filter((_, index) => index !== 5));
    expect(others.every(({ version }) => version === 2)).toBe(true);
    expect(isHeldSettled).toBe(false);
    // Nor those that come while it waits by itself.
    const later = await Promise.all(
      streams(24).map((streamName) =>
        right(store.append({ streamName, expected: noStream, events: events(1) })),
      ),
    );
    expect(later.length).toBe(24);
    expect(isHeldSettled).toBe(false);
    await holder.query('commit');
    expect((await appends[5])?.version).toBe(2);
  });

  it('events written past the locks refuse the append that meets them, and no other', async () => {
    const names = streams(6);
    await append(store, names[2] as StreamName, events(1), noStream);
    const raw = await opened.connect();
    await raw.query(
      `insert into watersmeet.events
         (transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
       select pg_current_xact_id(), s.id, s.tenant, s.name, 2, gen_random_uuid(), 'Past', 1, '{}', '{}'
       from watersmeet.streams s where s.name = $1`,
      [names[2]],
    );
    const outcomes = await together(
      names.map((streamName, index) => ({
        ...{ streamName, events: events(1), tailMax: 1 },
        expected: index === 2 ? exactly(1) : noStream,
      })),
    );
    expect(outcomes.map(({ _tag }) => _tag)).toEqual(['Right', 'Right', 'Left', 'Right', 'Right', 'Right']);
  });

  it('two programs whose writers name the same streams in opposite orders never wait for each other in a circle', async () => {
    const second = await opened.secondHandle();
    const names = streams(30);
    const rounds = 12;
    for (let round = 0; round < rounds; round += 1)
      await Promise.all([
        ...names.map((streamName) => right(store.append({ streamName, expected: any, events: events(1) }))),
        ...[...names]
          .reverse()
          .map((streamName) => right(second.append({ streamName, expected: any, events: events(1) }))),
        right(
          store.appendMany(
            names.slice(0, 9).map((streamName) => ({ streamName, expected: any, events: [] })),
          ),
        ),
      ]);
    for (const streamName of names)
      expect((await wholeStream(store, { streamName })).length).toBe(2 * rounds);
    const wins = async (by: EventStore, streamName: StreamName, version: number): Promise<number> => {
      const outcome = await by.append({ streamName, expected: exactly(version), events: events(1) })();
      return outcome._tag === 'Right' ? 1 : 0;
    };
    for (let version = 2 * rounds; version < 3 * rounds; version += 1) {
      const ours = Promise.all(names.map((streamName) => wins(store, streamName, version)));
      const theirs = Promise.all([...names].reverse().map((streamName) => wins(second, streamName, version)));
      const [won, lost] = [await ours, (await theirs).reverse()];
      expect(won.map((count, index) => count + (lost[index] ?? 0))).toEqual(names.map(() => 1));
    }
    const raw = await opened.connect();
    const { rows } = await raw.query<{ deadlocks: string }>(
      'select deadlocks::text from pg_stat_database where datname = current_database()',
    );
    expect(rows).toEqual([{ deadlocks: '0' }]);
  });

  it('without prepared statements, as behind a pooler, it is the same', async () => {
    const plain = await toPromise(openPostgres({ connectionString: opened.url, prepare: false }));
    const names = streams(20);
    const requests = names.map((streamName) => ({ streamName, expected: noStream, events: events(1) }));
    const outcomes = await together([...requests, ...requests], plain);
    expect(outcomes).toMatchObject([
      ...names.map((streamName) => ({ right: { streamName, version: 1, idempotent: false } })),
      ...names.map((streamName) => ({ right: { streamName, version: 1, idempotent: true } })),
    ]);
    await plain.close();
  });

  it('where transactions are repeatable read by default, nobody is refused for it', async () => {
    const strict = await openTestPostgres();
    const database = new URL(strict.url).pathname.slice(1);
    await runOn(
      strict.url,
      `alter database "${database}" set default_transaction_isolation to 'repeatable read'`,
    );
    const stores = [await strict.secondHandle(), await strict.secondHandle()];
    const names = streams(4);
    for (let round = 0; round < 5; round += 1)
      await Promise.all(
        stores.flatMap((one) =>
          names.map((streamName) => right(one.append({ streamName, expected: any, events: events(1) }))),
        ),
      );
    for (const streamName of names)
      expect((await wholeStream(strict.store, { streamName })).map(({ version }) => version)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ]);
    await strict.dispose();
  });

  it('a store that is closed gives all that it took their outcomes, and takes no more', async () => {
    const closing = await toPromise(openPostgres({ connectionString: opened.url, poolMax: 2 }));
    const names = streams(200);
    const appends = names.map((streamName) =>
      closing.append({ streamName, expected: noStream, events: events(1) })(),
    );
    const closed = closing.close();
    const late = await closing.append({ streamName: aStream(), expected: noStream, events: events(1) })();
    expect(late).toMatchObject({ left: { _tag: 'StoreClosed' } });
    expect((await Promise.all(appends)).every(({ _tag }) => _tag === 'Right')).toBe(true);
    await closed;
  });

  describe('where the connection is cut while many are under way', () => {
    for (const cut of cuts)
      it(`${cut}: each is written once, and answered as written`, async () => {
        const proxy = await startProxy(opened.url, /append_?events_?(shared|exactly)/i);
        const cuttable = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 6 }));
        await Promise.all(Array.from({ length: 6 }, () => right(cuttable.readAll({ maxCount: 1 }))));
        for (let round = 0; round < (cut === 'late request' ? 2 : 6); round += 1) {
          const names = streams(8);
          const requests = [noStream, exactly(1), any, exactly(3)].flatMap((expected) =>
            names.map((streamName) => ({ streamName, expected, events: events(1) })),
          );
          proxy.cutNext(cut);
          const outcomes = await together(requests, cuttable);
          expect(proxy.count()).toBe(round + 1);
          await proxy.settled();
          for (const [index, { streamName }] of requests.entries())
            expect(outcomes[index]).toMatchObject({
              right: { streamName, version: 1 + Math.floor(index / 8), idempotent: false },
            });
          for (const streamName of names)
            expect(idsOf(await wholeStream(store, { streamName }))).toEqual(
              requests
                .filter((request) => request.streamName === streamName)
                .flatMap(({ events: own }) => idsOf(own)),
            );
        }
        await cuttable.close();
        await proxy.close();
      });

    it('a refusal among them that may still change is unknown, to its own caller alone', async () => {
      const proxy = await startProxy(opened.url, /append_?events_?(shared|exactly)/i);
      const cuttable = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 1 }));
      const [one, two, three] = streams(3);
      proxy.cutNext('before the request');
      const outcomes = await together(
        [
          { streamName: one, expected: noStream, events: events(1) },
          { streamName: two, expected: exactly(7), events: events(1) },
          { streamName: three, expected: noStream, events: events(1) },
        ],
        cuttable,
      );
      expect(proxy.count()).toBe(1);
      expect(outcomes).toMatchObject([
        { right: { version: 1 } },
        { left: { _tag: 'OutcomeUnknown', streamName: two } },
        { right: { version: 1 } },
      ]);
      await cuttable.close();
      await proxy.close();
    });
  });
});

describe('the line of appends', () => {
  const plain = (streamName: string, isLarge = false): PlainAppend => {
    const texts = isLarge ? undefined : [{ data: '1', metadata: '{}' }];
    return { request: { tenant: 'default', streamName, expected: any }, texts } as unknown as PlainAppend;
  };

  /** A line whose statements end when told, and whose turn comes when told. */
  const aLine = (statementsMax = 2) => {
    const sent: string[][] = [];
    const ends: Array<() => void> = [];
    const turns: Array<() => void> = [];
    const answer = { _tag: 'Right', right: {} } as OneOutcome;
    const send = (names: string[]): Promise<ReadonlyArray<OneOutcome>> =>
      new Promise((resolve) => {
        sent.push(names);
        ends.push(() => resolve(names.map(() => answer)));
      });
    const line = appendLine({
      statementsMax,
      alone: async ({ request }) => (await send([request.streamName]))[0] as OneOutcome,
      together: (appends) => send(appends.map(({ request }) => request.streamName)),
      soon: (run) => void turns.push(run),
    });
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    const turn = async (): Promise<void> => {
      for (const run of turns.splice(0)) run();
      await settled();
    };
    const end = async (): Promise<void> => {
      ends.shift()?.();
      await settled();
    };
    return { line, sent, turn, end };
  };

  it('a lone append is sent at once, before anything else can happen, again and again', async () => {
    const { line, sent, end } = aLine();
    for (let count = 1; count <= 3; count += 1) {
      void line.append(plain('a'));
      expect(sent.length).toBe(count);
      await end();
    }
  });

  it('what comes while statements run goes together, shared out among as many statements as may run', async () => {
    const { line, sent, turn, end } = aLine(2);
    for (const name of 'abcdefg') void line.append(plain(name));
    expect(sent).toEqual([['a']]);
    await turn();
    expect(sent).toEqual([['a'], ['b', 'c', 'd', 'e']]);
    await end();
    await turn();
    expect(sent.slice(2)).toEqual([['f', 'g']]);
  });

  it('an append waits for the one before it on its stream, and nobody else waits for it', async () => {
    const { line, sent, turn, end } = aLine(4);
    for (const name of ['a', 'a', 'b', 'a']) void line.append(plain(name));
    await turn();
    expect(sent).toEqual([['a'], ['b']]);
    await end();
    await turn();
    // In one statement, since the second must not go before the first.
    expect(sent.slice(2)).toEqual([['a', 'a']]);
  });

  it('a large one goes by itself, beside the statements that are shared, and keeps its place on its stream', async () => {
    const { line, sent, turn, end } = aLine(1);
    void line.append(plain('a'));
    void line.append(plain('b', true));
    await turn();
    expect(sent).toEqual([['a'], ['b']]);
    for (const [name, isLarge] of [
      ['a', true],
      ['a', false],
    ] as const)
      void line.append(plain(name, isLarge));
    await turn();
    expect(sent.length).toBe(2);
    await end();
    await turn();
    expect(sent.slice(2)).toEqual([['a']]);
  });
});
