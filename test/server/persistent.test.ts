/** Persistent subscriptions, end to end: the client of EventStoreDB against a server over a store in memory. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type AllStreamRecordedEvent,
  END,
  EventStoreDBClient,
  jsonEvent,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
} from '@eventstore/db-client';
import { type EventStore, memoryStore } from 'watersmeet';
import { serve, type Serving } from '../../src/server/index.js';

let store: EventStore;
let serving: Serving;
let client: EventStoreDBClient;
const errors: unknown[] = [];

const open = async (): Promise<void> => {
  serving = await serve(store, { port: 0, onError: (error) => void errors.push(error) });
  client = EventStoreDBClient.connectionString(`esdb://${serving.address}?tls=false`);
};

beforeEach(async () => {
  errors.length = 0;
  store = memoryStore();
  await open();
});

afterEach(async () => {
  await client.dispose();
  await serving.close();
  await store.close();
  expect(errors).toEqual([]);
});

const settings = persistentSubscriptionToStreamSettingsFromDefaults;
const quick = { startFrom: START, checkPointAfter: 1, checkPointLowerBound: 1 } as const;

const write = async (stream: string, ...types: ReadonlyArray<string>): Promise<void> => {
  await client.appendToStream(
    stream,
    types.map((type) => jsonEvent({ type, data: { type } })),
  );
};

type Subscription = PersistentSubscriptionToStream | PersistentSubscriptionToAll;

/** The next `count` deliveries, as `type` with a `!` for each retry; `answer` says what becomes of each. */
const take = async (
  subscription: Subscription,
  count: number,
  answer: (event: Parameters<Subscription['ack']>[0], index: number) => Promise<void> | undefined = (event) =>
    subscription.ack(event),
): Promise<ReadonlyArray<string>> => {
  const taken: string[] = [];
  for await (const resolved of subscription.iterator({ destroyOnReturn: false })) {
    taken.push(`${resolved.event?.type}${'!'.repeat(resolved.retryCount)}`);
    await answer(resolved, taken.length);
    if (taken.length === count) break;
  }
  return taken;
};

const failing = (subscription: Subscription): Promise<unknown> =>
  new Promise((resolve) => {
    const told = (error: Error): void => resolve((error as Error & { readonly type: string }).type);
    (subscription as PersistentSubscriptionToStream).on('error', told);
  });

describe('persistent subscriptions of a server', () => {
  it('hands out what is there and what comes, and goes on after a restart of the server', async () => {
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
    await write('order-1', 'A', 'B', 'C');
    const before = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    const taken = take(before, 4, (event, index) => (index === 4 ? undefined : before.ack(event)));
    await write('order-1', 'D');
    expect(await taken).toEqual(['A', 'B', 'C', 'D']);
    before.on('error', () => undefined);
    for (let checkpoint: bigint | undefined; checkpoint !== 2n; )
      checkpoint = (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats
        .lastCheckpointedEventRevision;
    await client.dispose();
    await serving.close();
    await open();
    await write('order-1', 'E');
    const after = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(await take(after, 2)).toEqual(['D', 'E']);
    await after.unsubscribe();
  });

  it('begins where it was told: at the end of then, or at a revision', async () => {
    await write('order-1', 'A', 'B', 'C');
    await client.createPersistentSubscriptionToStream('order-1', 'end', settings({ startFrom: END }));
    await client.createPersistentSubscriptionToStream('order-1', 'second', settings({ startFrom: 1n }));
    await write('order-1', 'D');
    const fromEnd = client.subscribeToPersistentSubscriptionToStream('order-1', 'end');
    const fromSecond = client.subscribeToPersistentSubscriptionToStream('order-1', 'second');
    expect(await take(fromEnd, 1)).toEqual(['D']);
    expect(await take(fromSecond, 3)).toEqual(['B', 'C', 'D']);
    await Promise.all([fromEnd.unsubscribe(), fromSecond.unsubscribe()]);
  });

  it('retries, parks with the reason, and replays what is parked up to a count', async () => {
    await client.createPersistentSubscriptionToStream(
      'order-1',
      'g',
      settings({ ...quick, maxRetryCount: 1 }),
    );
    await write('order-1', 'A', 'B', 'C');
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 1 });
    const taken = await take(subscription, 4, (event, index) =>
      index <= 2 ? subscription.nack('retry', 'later', event) : subscription.nack('park', 'poison', event),
    );
    expect(taken).toEqual(['A', 'A!', 'B', 'C']);
    const parked = '$persistentsubscription-order-1::g-parked';
    const links: unknown[] = [];
    for (let look = 0; look < 200 && links.length < 3; look += 1) {
      links.length = 0;
      try {
        for await (const { event } of client.readStream(parked))
          links.push([
            Buffer.from(event?.data as Uint8Array).toString(),
            (event?.metadata as { reason: string }).reason,
          ]);
      } catch {
        // It is made with its first message.
      }
    }
    expect(links).toEqual([
      ['0@order-1', 'Reached retry count of 1'],
      ['1@order-1', "Client explicitly NAK'ed message.\npoison"],
      ['2@order-1', "Client explicitly NAK'ed message.\npoison"],
    ]);
    const infoBefore = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(infoBefore.stats.parkedMessageCount).toBe(3n);
    await client.replayParkedMessagesToStream('order-1', 'g', { stopAt: 2 });
    expect(await take(subscription, 2)).toEqual(['A', 'B']);
    const infoAfter = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(infoAfter.stats.parkedMessageCount).toBe(1n);
    await client.replayParkedMessagesToStream('order-1', 'g');
    expect(await take(subscription, 1)).toEqual(['C']);
    await subscription.unsubscribe();
  });

  it('reads all streams with a filter, and writes checkpoints that it does not hand out itself', async () => {
    const all = persistentSubscriptionToAllSettingsFromDefaults(quick);
    await client.createPersistentSubscriptionToAll('orders', all, {
      filter: { filterOn: 'streamName', prefixes: ['order-'], checkpointInterval: 1 },
    });
    await client.createPersistentSubscriptionToAll('everything', all);
    await write('order-1', 'A');
    await write('basket-1', 'X');
    await write('order-2', 'B');
    const orders = client.subscribeToPersistentSubscriptionToAll('orders');
    const everything = client.subscribeToPersistentSubscriptionToAll('everything');
    expect(await take(orders, 2)).toEqual(['A', 'B']);
    const types = await take(everything, 5);
    expect(types.filter((type) => !type.startsWith('$'))).toEqual(['A', 'X', 'B']);
    expect(types).not.toContain('$SubscriptionCheckpoint');
    await Promise.all([orders.unsubscribe(), everything.unsubscribe()]);
  });

  it('tells what it is and how it does', async () => {
    const told = settings({
      ...quick,
      extraStatistics: true,
      consumerStrategyName: 'Pinned',
      readBatchSize: 30,
    });
    await client.createPersistentSubscriptionToStream('order-1', 'g', told);
    await write('order-1', 'A', 'B');
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 7 });
    await take(subscription, 2, (event, index) => (index === 1 ? subscription.ack(event) : undefined));
    const info = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(info).toMatchObject({ eventSource: 'order-1', groupName: 'g', status: 'Live' });
    expect(info.settings).toMatchObject(told);
    expect(info.stats).toMatchObject({ totalItems: 2n, lastKnownEventRevision: 1n, parkedMessageCount: 0n });
    expect(info.connections).toHaveLength(1);
    expect(info.connections[0]).toMatchObject({ totalItems: 2n, username: 'anonymous' });
    await client.createPersistentSubscriptionToStream('order-1', 'h', settings());
    const listed = await client.listPersistentSubscriptionsToStream('order-1');
    expect(listed.map(({ groupName }) => groupName)).toEqual(['g', 'h']);
    expect(await client.listAllPersistentSubscriptions()).toHaveLength(2);
    await expect(client.listPersistentSubscriptionsToAll()).rejects.toMatchObject({
      type: 'persistent-subscription-does-not-exist',
    });
    await subscription.unsubscribe();
  });

  it('refuses groups that are not there, that are there already, too many consumers, and settings that cannot work', async () => {
    const gone = { type: 'persistent-subscription-does-not-exist', streamName: 'order-1', groupName: 'g' };
    expect(await failing(client.subscribeToPersistentSubscriptionToStream('order-1', 'g'))).toBe(gone.type);
    await expect(client.deletePersistentSubscriptionToStream('order-1', 'g')).rejects.toMatchObject(gone);
    await expect(
      client.updatePersistentSubscriptionToStream('order-1', 'g', settings()),
    ).rejects.toMatchObject(gone);
    await expect(client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).rejects.toMatchObject(gone);
    await expect(client.replayParkedMessagesToStream('order-1', 'g')).rejects.toMatchObject(gone);
    const one = settings({ maxSubscriberCount: 1 });
    await client.createPersistentSubscriptionToStream('order-1', 'g', one);
    await expect(client.createPersistentSubscriptionToStream('order-1', 'g', one)).rejects.toMatchObject({
      type: 'persistent-subscription-exists',
    });
    const first = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    await new Promise((resolve) => first.once('confirmation', resolve));
    expect(await failing(client.subscribeToPersistentSubscriptionToStream('order-1', 'g'))).toBe(
      'maximum-subscribers-reached',
    );
    await first.unsubscribe();
    await expect(
      client.createPersistentSubscriptionToStream('order-1', 'h', settings({ readBatchSize: 600 })),
    ).rejects.toMatchObject({ type: 'persistent-subscription-failed' });
  });

  it.each([
    ['is updated', () => client.updatePersistentSubscriptionToStream('order-1', 'g', settings())],
    ['is deleted', () => client.deletePersistentSubscriptionToStream('order-1', 'g')],
    ['is restarted with all', () => client.restartPersistentSubscriptionSubsystem()],
  ])('drops its consumers when it %s', async (_how, change) => {
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    await new Promise((resolve) => subscription.once('confirmation', resolve));
    const dropped = failing(subscription);
    await change();
    expect(await dropped).toBe('persistent-subscription-dropped');
  });

  it('begins anew under the name of a group that was deleted', async () => {
    await write('order-1', 'A', 'B');
    for (const _life of [1, 2]) {
      await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
      const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
      expect(await take(subscription, 2)).toEqual(['A', 'B']);
      await subscription.unsubscribe();
      await client.deletePersistentSubscriptionToStream('order-1', 'g');
    }
  });

  it('keeps a stream with one consumer where it pins', async () => {
    await client.createPersistentSubscriptionToAll(
      'pinned',
      persistentSubscriptionToAllSettingsFromDefaults({ ...quick, consumerStrategyName: 'Pinned' }),
      { filter: { filterOn: 'streamName', prefixes: ['order-'], checkpointInterval: 1 } },
    );
    const seen = new Map<string, string[]>();
    const subscriptions = ['a', 'b'].map((name) => {
      const subscription = client.subscribeToPersistentSubscriptionToAll('pinned');
      subscription.on('data', (resolved) => {
        const { streamId = '', revision = -1n } = (resolved.event ?? {}) as Partial<AllStreamRecordedEvent>;
        seen.set(streamId, [...(seen.get(streamId) ?? []), `${name}${revision}`]);
        void subscription.ack(resolved);
      });
      return subscription;
    });
    await Promise.all(
      subscriptions.map((each) => new Promise((resolve) => each.once('confirmation', resolve))),
    );
    for (let round = 0; round < 4; round += 1)
      for (const stream of ['order-1', 'order-2', 'order-3', 'order-4']) await write(stream, 'A');
    while ([...seen.values()].flat().length < 16) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const deliveries of seen.values()) {
      const [owner = ''] = deliveries[0] ?? '';
      expect(deliveries).toEqual([0, 1, 2, 3].map((revision) => `${owner}${revision}`));
    }
    await Promise.all(subscriptions.map((each) => each.unsubscribe()));
  });
});
