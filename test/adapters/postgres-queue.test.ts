/** The message queue on PostgreSQL where transactions overtake each other, connections are cut, and much waits. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { partitionOf } from '../../src/core/partition.js';
import { any, defaultTenant, exactly } from '../../src/core/stream.js';
import {
  aMessage,
  aQueue,
  datasOf,
  drain,
  enqueue,
  queueOf,
  take,
} from '../../src/testing/contract/queue-support.js';
import { append, aStream, events, pause, refused, right } from '../../src/testing/contract/support.js';
import { whyNoServer } from '../support/postgres.js';
import { cuts, type Proxy, startProxy } from '../support/proxy.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

suite(`message queue [postgres]${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let opened: PostgresTestStore;
  let proxy: Proxy;
  let behindProxy: SqlStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
    proxy = await startProxy(
      opened.url,
      /append_?events|enqueue_?messages|messageEnqueue|finish_?messages|messageFinish/i,
    );
    behindProxy = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 4 }));
  });
  afterAll(async () => {
    await behindProxy.close();
    await proxy.close();
    await opened.dispose();
  });

  /** Enqueues in a transaction that stays open. */
  const enqueueOpen = async (queue: string, key: string, data: string, delayMs = 0): Promise<pg.Client> => {
    const client = await opened.connect();
    await client.query('begin');
    const message = { tenant: 'default', queue, id: data, key, slot: 0, type: 'Do', schemaVersion: 1 };
    const batch = JSON.stringify([{ ...message, data, metadata: {}, delayMs }]);
    await client.query('select watersmeet.enqueue_messages($1::jsonb, null)', [batch]);
    return client;
  };

  for (const end of ['commit', 'rollback'] as const)
    it(`who enqueues to a key waits for an open transaction that does, so that none becomes visible late; other keys go on (${end})`, async () => {
      const { store } = opened;
      const queue = aQueue();
      const slow = await enqueueOpen(queue, 'a', 'first');
      let isThrough = false;
      const second = enqueue(store, aMessage(queue, 'a', 'second')).then((answer) => {
        isThrough = true;
        return answer;
      });
      await enqueue(store, aMessage(queue, 'b', 'other'));
      await pause(100);
      expect(isThrough).toBe(false);
      expect(datasOf(await take(store, queue))).toEqual(['other']);
      await slow.query(end);
      expect((await second).added.length).toBe(1);
      const line = end === 'commit' ? ['first', 'second'] : ['second'];
      expect((await drain(store, queue)).filter((data) => data !== 'other')).toEqual(line);
    });

  it('an enqueuing of the same id waits for an open one, and then knows it', async () => {
    const queue = aQueue();
    const slow = await enqueueOpen(queue, 'a', 'same id', 60_000);
    const again = enqueue(opened.store, aMessage(queue, 'b', 'again', { id: 'same id' }));
    await pause(50);
    await slow.query('commit');
    expect(await again).toEqual({ added: [], known: ['same id'] });
    expect(await take(opened.store, queue)).toEqual([]);
  });

  it('batches that name the same keys in another order do not stop each other', async () => {
    const queue = aQueue();
    const keys = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(
      Array.from({ length: 40 }, async (_, round) => {
        const order = round % 2 === 0 ? keys : [...keys].reverse();
        await enqueue(opened.store, ...order.map((key) => aMessage(queue, key, round)));
      }),
    );
    expect((await drain(opened.store, queue)).length).toBe(200);
  });

  for (const cut of cuts)
    it(`${cut}: what is enqueued, alone or with an append, is enqueued once, and what is done is done`, async () => {
      const { store } = opened;
      const queue = aQueue();
      for (let round = 0; round < (cut === 'late request' ? 1 : 10); round += 1) {
        const [alone, withEvents, bare] = [1, 2, 3].map((number) => aMessage(queue, 'a', number));
        const { streamName } = { streamName: aStream() };
        proxy.cutNext(cut);
        await right(queueOf(behindProxy).enqueue([alone!]));
        await proxy.settled();
        proxy.cutNext(cut);
        await right(
          behindProxy.append({ streamName, expected: any, events: events(1), enqueue: [withEvents!] }),
        );
        await proxy.settled();
        proxy.cutNext(cut);
        await right(behindProxy.append({ streamName, expected: exactly(1), events: [], enqueue: [bare!] }));
        await proxy.settled();
        for (const number of [1, 2, 3]) {
          const taken = await take(store, queue);
          expect(datasOf(taken)).toEqual([number]);
          proxy.cutNext(cut);
          await right(queueOf(behindProxy).done(taken));
          await proxy.settled();
        }
        expect(await take(store, queue)).toEqual([]);
      }
    });

  it('an append without events whose answer was lost does not say that its messages were refused', async () => {
    const queue = aQueue();
    const streamName = aStream();
    await append(opened.store, streamName, events(1));
    const request = { streamName, expected: exactly(1), events: [], enqueue: [aMessage(queue, 'a', 1)] };
    // What was lost runs late, after the stream has moved on: the repeat was answered before.
    proxy.cutNext('late request');
    await right(behindProxy.append(request));
    await append(opened.store, streamName, events(1));
    await proxy.settled();
    await refused(opened.store.append({ ...request, enqueue: [aMessage(queue, 'a', 2)] }), 'VersionConflict');
    expect(await drain(opened.store, queue)).toEqual([1]);
  });

  it('what waits behind a key, was handled, or lies in other partitions costs those who take nothing', async () => {
    const { store } = opened;
    const [client, queue] = [await opened.connect(), aQueue()];
    const fill = (key: string, state: string): Promise<unknown> =>
      client.query(
        `insert into watersmeet.messages
          (tenant, queue, id, key, slot, state, due_at, type, schema_version, data, metadata, handled_at)
        select 'default', $1, $2 || n, ${key}, n % 512 * 2 + 1, $2, now(), 'Do', 1, '{}', '{}', now()
        from generate_series(1, 20000) n`,
        [queue, state],
      );
    // A poison message of one partition with many behind it; many keys of the other; and many handled.
    const key =
      ['a', 'b', 'c', 'd', 'e', 'f'].find((name) => partitionOf(defaultTenant, name, 2) === 0) ?? '';
    const line = Array.from({ length: 5_000 }, (_, number) => aMessage(queue, key, number));
    await enqueue(store, ...line);
    const [poison] = await take(store, queue);
    await right(queueOf(store).failed({ message: poison!, error: 'poison', then: 'park' }));
    await fill("'handled'", 'handled');
    await fill("'key ' || n", 'waiting');
    await client.query(
      `insert into watersmeet.message_keys (tenant, queue, key, slot, due_at, in_line)
      select tenant, queue, key, slot, due_at, 1 from watersmeet.messages where queue = $1 and id like 'waiting%'`,
      [queue],
    );
    const buffersOf = async (call: string): Promise<number> => {
      const { rows } = await client.query(`explain (analyze, buffers, format json) select ${call}`);
      const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    };
    const taking = `watersmeet.take_messages('${queue}', 0, 2, 32, '[]', null, null)`;
    await buffersOf(taking);
    // 512 slots are looked into, some three pages each. Going through what lies there would be 10,000 and more.
    expect(await buffersOf(taking)).toBeLessThan(2_500);
    const [letter] = await right(queueOf(store).deadLetters.list({ queue }));
    expect(letter?.waiting).toBe(4_999);
  }, 120_000);
});
