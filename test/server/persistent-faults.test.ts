/** Persistent subscriptions when something goes wrong: writes that cannot succeed, streams that are gone, changes in between, another life of the store. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  EventStoreDBClient,
  jsonEvent,
  PARK,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
} from '@eventstore/db-client';
import * as E from 'fp-ts/lib/Either.js';
import { type EventStore, memoryStore, newId } from 'watersmeet';
import { taggedError, taggedOf } from '../../src/core/fault.js';
import { serve, type ServeOptions } from '../../src/server/index.js';
import { loadModules } from '../../src/server/loading.js';
import type { ReadResp } from '@eventstore/db-client/generated/persistent_pb.js';
import { realTimers } from '../../src/store/timers.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const open = async (store: EventStore, options: ServeOptions = {}) => {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(taggedOf(error)?._tag ?? error);
  const serving = await serve(store, { port: 0, closeMs: 300, onError, ...options });
  const client = EventStoreDBClient.connectionString(
    `esdb://${serving.address}?tls=false&throwOnAppendFailure=true`,
  );
  closers.push(async () => {
    await client.dispose();
    await serving.close();
    await store.close();
  });
  return { client, address: serving.address, errors };
};

const { grpc, persistent, persistentService, shared } = await loadModules();
const { PersistentSubscriptionsClient: Raw } = persistentService;

const settings = persistentSubscriptionToStreamSettingsFromDefaults;
const quick = { startFrom: START, checkPointAfter: 1, checkPointLowerBound: 1 } as const;
const write = (client: EventStoreDBClient, stream: string, ...types: ReadonlyArray<string>) =>
  client.appendToStream(
    stream,
    types.map((type) => jsonEvent({ type, data: {} })),
  );

const subscribe = (client: EventStoreDBClient, bufferSize = 10): PersistentSubscriptionToStream =>
  client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize });

/** The type of the error that ends it. */
const ended = (subscription: PersistentSubscriptionToStream): Promise<string> =>
  new Promise((resolve) => {
    subscription.on('error', (error) => resolve((error as Error & { readonly type: string }).type));
  });

const eventually = async <A>(look: () => Promise<A>, isGood: (found: A) => boolean): Promise<A> => {
  for (let tries = 0; ; tries += 1) {
    const found = await look();
    if (isGood(found) || tries > 500) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const isNamed = ({ streamName }: { readonly streamName: string }, part: string): boolean =>
  decodeURIComponent(streamName).startsWith(part);

describe('a persistent subscription', () => {
  it('puts a message aside whatever the length of the reason, of which the beginning is kept', async () => {
    const { client, errors } = await open(memoryStore());
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
    await write(client, 'order-1', 'A', 'B', 'C');
    const subscription = subscribe(client, 1);
    let count = 0;
    for await (const given of subscription.iterator({ destroyOnReturn: false })) {
      count += 1;
      if (count === 1) await subscription.nack(PARK, '\u0001'.repeat(2_600_000), given);
      else await subscription.ack(given);
      if (count === 3) break;
    }
    const { stats } = await eventually(
      () => client.getPersistentSubscriptionToStreamInfo('order-1', 'g'),
      (info) => info.stats.lastCheckpointedEventRevision === 2n,
    );
    expect(stats).toMatchObject({ lastCheckpointedEventRevision: 2n, parkedMessageCount: 1n });
    const reasons: number[] = [];
    for await (const { event } of client.readStream('$persistentsubscription-order-1::g-parked'))
      reasons.push((event?.metadata as { readonly reason: string }).reason.length);
    expect([reasons, errors]).toEqual([[4_096], []]);
    await subscription.unsubscribe();
  });

  it('puts a message aside without its reason where the store refuses that, and goes on', async () => {
    const inner = memoryStore();
    const store: EventStore = {
      ...inner,
      append: (request) =>
        JSON.stringify(request.events).includes('unheard of')
          ? async () =>
              E.left({ _tag: 'InvalidEvent', index: 0, type: '$>', path: 'metadata', reason: 'is bad' })
          : inner.append(request),
    };
    const { client, errors } = await open(store);
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
    await write(client, 'order-1', 'A');
    const subscription = subscribe(client);
    for await (const given of subscription.iterator({ destroyOnReturn: false })) {
      await subscription.nack(PARK, 'unheard of', given);
      break;
    }
    const { stats } = await eventually(
      () => client.getPersistentSubscriptionToStreamInfo('order-1', 'g'),
      (info) => info.stats.lastCheckpointedEventRevision === 0n,
    );
    expect(stats).toMatchObject({ lastCheckpointedEventRevision: 0n, parkedMessageCount: 1n });
    expect(errors).toEqual(['InvalidEvent']);
    await subscription.unsubscribe();
  });

  it('drops its consumers where the store refuses its checkpoint for good, and begins anew when they come back', async () => {
    const inner = memoryStore();
    let isRefusing = true;
    const store: EventStore = {
      ...inner,
      append: (request) =>
        isRefusing && request.events[0]?.type === '$SubscriptionCheckpoint'
          ? async () => E.left({ _tag: 'InvalidRequest', field: 'streamName', reason: 'is bad' })
          : inner.append(request),
    };
    const { client, errors } = await open(store);
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
    await write(client, 'order-1', 'A');
    const first = subscribe(client);
    const ending = ended(first);
    first.on('data', (given) => void first.ack(given));
    expect(await ending).toBe('persistent-subscription-dropped');
    expect(errors).toEqual(['InvalidRequest']);
    isRefusing = false;
    const next = subscribe(client);
    for await (const given of next.iterator({ destroyOnReturn: false })) {
      expect(given.event?.type).toBe('A');
      break;
    }
    await next.unsubscribe();
  });

  it('on a stream that was tombstoned is there to be told of, and does not hide the others', async () => {
    const { client } = await open(memoryStore());
    for (const stream of ['order-1', 'order-2']) {
      await write(client, stream, 'A');
      await client.createPersistentSubscriptionToStream(stream, 'g', settings(quick));
    }
    await client.tombstoneStream('order-1');
    const all = await client.listAllPersistentSubscriptions();
    expect(all.map(({ eventSource }) => eventSource)).toEqual(['order-1', 'order-2']);
    const info = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(info.groupName).toBe('g');
    await client.deletePersistentSubscriptionToStream('order-1', 'g');
  });

  it.each([
    [
      'deleted',
      'persistent-subscription-does-not-exist',
      (client: EventStoreDBClient) => client.deletePersistentSubscriptionToStream('order-1', 'g'),
    ],
    [
      'updated',
      'hands out A with the new settings',
      (client: EventStoreDBClient) =>
        client.updatePersistentSubscriptionToStream('order-1', 'g', settings({ ...quick, maxRetryCount: 7 })),
    ],
  ])('that is %s while a consumer connects is not run as it was', async (_how, expected, change) => {
    const inner = memoryStore();
    let hold: Promise<void> | undefined;
    let reached: () => void = () => undefined;
    const store: EventStore = {
      ...inner,
      readStream: (request) => async () => {
        const answer = await inner.readStream(request)();
        if (hold !== undefined && isNamed(request, '$persistentSubscriptionConfig')) {
          const held = hold;
          hold = undefined;
          reached();
          await held;
        }
        return answer;
      },
    };
    const { client } = await open(store);
    await client.createPersistentSubscriptionToStream('order-1', 'g', settings(quick));
    await write(client, 'order-1', 'A');
    let release: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => {
      reached = resolve;
    });
    hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const subscription = subscribe(client);
    const first = new Promise<string>((resolve) => {
      subscription.once('data', ({ event }) => resolve(`hands out ${event?.type} with the new settings`));
    });
    const outcome = Promise.race([first, ended(subscription)]);
    await isThere;
    await change(client);
    release();
    expect(await outcome).toBe(expected);
    await subscription.unsubscribe().catch(() => undefined);
  });

  it('ends when the store lives another life, and writes nothing of the former one into it', async () => {
    const inner = memoryStore();
    let isRestored = false;
    const epoch = newId();
    let breakOff: () => void = () => undefined;
    const store: EventStore = {
      ...inner,
      epoch: () => (isRestored ? async () => E.right(epoch) : inner.epoch()),
      subscribe: (request) =>
        (async function* () {
          if (isRestored) return;
          const broken = new Promise<never>((_, reject) => {
            breakOff = () => reject(taggedError({ _tag: 'StoreUnavailable', message: 'gone' }));
          });
          broken.catch(() => undefined);
          const items = inner.subscribe(request)[Symbol.asyncIterator]();
          for (;;) {
            const next = await Promise.race([items.next(), broken]);
            if (next.done === true) return;
            yield next.value;
          }
        })(),
    };
    const { client, errors } = await open(store);
    const slow = settings({ startFrom: START, checkPointAfter: 3_600_000 });
    await client.createPersistentSubscriptionToStream('order-1', 'g', slow);
    await write(client, 'order-1', 'A', 'B');
    const subscription = subscribe(client);
    const ending = ended(subscription);
    let count = 0;
    await new Promise<void>((resolve) => {
      subscription.on('data', (given) => {
        void subscription.ack(given);
        count += 1;
        if (count === 2) resolve();
      });
    });
    isRestored = true;
    breakOff();
    expect(await ending).toBe('persistent-subscription-dropped');
    expect(errors).toContain('EpochChanged');
    const checkpoints = client.readStream('$persistentsubscription-order-1::g-checkpoint');
    await expect(checkpoints[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      type: 'stream-not-found',
    });
  });

  it('does not send any more what it took back from a consumer that reads nothing', async () => {
    const { client, address } = await open(memoryStore());
    const once = settings({ ...quick, messageTimeout: 20, maxRetryCount: 0 });
    await client.createPersistentSubscriptionToStream('order-1', 'g', once);
    const large = 'x'.repeat(100_000);
    const count = 60;
    for (let done = 0; done < count; done += 5)
      await client.appendToStream(
        'order-1',
        Array.from({ length: 5 }, () => jsonEvent({ type: 'A', data: { large } })),
      );
    const raw = new Raw(address, grpc.credentials.createInsecure());
    const { ReadReq } = persistent;
    const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from('order-1'));
    const options = new ReadReq.Options().setStreamIdentifier(identifier).setGroupName('g').setBufferSize(1);
    options.setUuidOption(new ReadReq.Options.UUIDOption().setString(new shared.Empty()));
    const call = raw.read();
    call.on('error', () => undefined);
    call.write(new ReadReq().setOptions(options));
    // Only who has begun to read holds back the server by reading no further.
    await new Promise<void>((resolve) => {
      call.once('data', () => {
        call.pause();
        resolve();
      });
    });
    const { stats } = await eventually(
      () => client.getPersistentSubscriptionToStreamInfo('order-1', 'g'),
      (info) => info.stats.parkedMessageCount === BigInt(count),
    );
    expect(stats.parkedMessageCount).toBe(BigInt(count));
    const given: string[] = [];
    call.on('data', (answer: ReadResp) => {
      const event = answer.getEvent()?.getEvent();
      given.push(event?.getMetadataMap().get('type') ?? '');
    });
    call.resume();
    await eventually(
      () => write(client, 'order-1', 'Last').then(() => given.includes('Last')),
      (isThere) => isThere,
    );
    call.cancel();
    raw.close();
    expect(given).toContain('Last');
    expect(given.indexOf('Last')).toBeLessThan(count);
  });

  it('sets no timer that no timer can hold, however long its message timeout', async () => {
    const set: number[] = [];
    const timers = {
      ...realTimers,
      after: (ms: number, run: () => void) => {
        set.push(ms);
        return realTimers.after(ms, run);
      },
    };
    const { client, address } = await open(memoryStore(), { timers });
    const { CreateReq } = persistent;
    const days = 86_400n * 10_000_000n;
    const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from('order-1'));
    const stream = new CreateReq.StreamOptions().setStart(new shared.Empty()).setStreamIdentifier(identifier);
    const ofGroup = new CreateReq.Settings()
      .setMessageTimeoutTicks(String(30n * days))
      .setCheckpointAfterMs(60_000)
      .setMinCheckpointCount(10)
      .setMaxCheckpointCount(1_000)
      .setLiveBufferSize(500)
      .setReadBatchSize(20)
      .setHistoryBufferSize(500)
      .setConsumerStrategy('RoundRobin');
    const options = new CreateReq.Options().setStream(stream).setGroupName('g').setSettings(ofGroup);
    const raw = new Raw(address, grpc.credentials.createInsecure());
    await new Promise<void>((resolve, reject) =>
      raw.create(new CreateReq().setOptions(options), (error) => (error ? reject(error) : resolve())),
    );
    raw.close();
    await write(client, 'order-1', 'A');
    const subscription = subscribe(client);
    await new Promise((resolve) => subscription.once('data', resolve));
    expect(Math.max(...set)).toBe(2 ** 31 - 1);
    await subscription.unsubscribe();
  });
});
