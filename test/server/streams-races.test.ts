/** What clients see where two of them, or a client and a program on the store, come at the same time. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  binaryEvent,
  END,
  jsonEvent,
  NO_STREAM,
  START,
  streamNameFilter,
  type StreamSubscription,
} from '@eventstore/db-client';
import * as E from 'fp-ts/lib/Either.js';
import {
  memoryStore,
  newId,
  type RecordedEvent,
  startPosition,
  type StoreUnavailable,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { taggedOf } from '../../src/core/fault.js';
import { realTimers } from '../../src/store/timers.js';
import { openFeed } from '../../src/server/feed.js';
import { served } from '../../src/server/links.js';
import { allEvents, streamItems } from '../../src/server/reading.js';
import { closeAll, counted, gate, nameOfError, open, put, readNumbers } from './races-support.js';

afterEach(closeAll);

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

describe('a subscription from the end', () => {
  it.each(['$all', 'order-1'])('to %s misses nothing that is written after its confirmation', async (of) => {
    // The read of the end waits for what is written on confirmation. Whoever confirms later does not wait in vain: a moment is enough.
    const written = gate();
    let isHeld = false;
    const held = async (isEndRead: boolean): Promise<void> => {
      if (isHeld && isEndRead) await Promise.race([written.opened, pause(200)]);
    };
    const { client, inner } = await open((store) => ({
      readAll: (request) => async () => {
        await held(request.direction === 'backwards');
        return store.readAll(request)();
      },
      readStream: (request) => async () => {
        await held(request.streamName === 'order-1' && request.direction === 'backwards');
        return store.readStream(request)();
      },
    }));
    await client.appendToStream('order-1', [counted(0)]);
    isHeld = true;
    const subscription = (
      of === '$all'
        ? client.subscribeToAll({ fromPosition: END })
        : client.subscribeToStream(of, { fromRevision: END })
    ) as StreamSubscription;
    subscription.once('confirmation', () => void put(inner, 'order-1', 1).then(written.open));
    const first = new Promise((resolve, reject) => {
      subscription.once('data', resolve).once('error', reject);
    });
    await written.opened;
    await pause(100);
    await put(inner, 'order-1', 2);
    await subscription.unsubscribe();
    expect(await first).toMatchObject({ event: { data: { n: 1 } } });
  });
});

describe('a tombstone that expects no stream', () => {
  const options = { expectedRevision: NO_STREAM } as const;

  it('does not close a stream that another has just begun', async () => {
    const { client } = await open((store) => ({
      append: (request) => async () => {
        if (request.events[0]?.type === '$streamDeleted') await put(store, 'order-1', 7);
        return store.append(request)();
      },
    }));
    const outcome = await client.tombstoneStream('order-1', options).catch(nameOfError);
    expect(outcome).toBe('WrongExpectedVersionError');
    expect(await readNumbers(client, 'order-1')).toEqual([7]);
  });

  it('does not close a stream to which another appended while it was closed', async () => {
    const { client } = await open((store) => ({
      markStream: (request) => async () => {
        await put(store, 'order-1', 7);
        return store.markStream(request)();
      },
    }));
    const outcome = await client.tombstoneStream('order-1', options).catch(nameOfError);
    expect(outcome).toBe('WrongExpectedVersionError');
  });

  it('can be repeated when it failed half-way', async () => {
    const fault: StoreUnavailable = { _tag: 'StoreUnavailable', message: 'away' };
    let failures = 1;
    const { client } = await open((store) => ({
      markStream: (request) => async () => {
        failures -= 1;
        return failures < 0 ? store.markStream(request)() : E.left(fault);
      },
    }));
    expect(await client.tombstoneStream('order-1', options).catch(nameOfError)).toBe('UnavailableError');
    await client.tombstoneStream('order-1', options);
    expect(await readNumbers(client, 'order-1')).toBe('StreamDeletedError');
  });
});

describe('metadata of a deleted stream', () => {
  const metadata = () => jsonEvent({ type: '$metadata', data: { owner: 'me' } });

  it('does not bring the stream back, written while it was deleted', async () => {
    const reached = gate();
    const deleted = gate();
    let isHeld = false;
    const { client } = await open((store) => ({
      append: (request) => async () => {
        if (isHeld && request.events[0]?.type === '$metadata') {
          reached.open();
          isHeld = false;
          await deleted.opened;
        }
        return store.append(request)();
      },
    }));
    await client.appendToStream('order-1', [counted(0), counted(1)]);
    isHeld = true;
    const setting = client.setStreamMetadata('order-1', { owner: 'me' });
    await reached.opened;
    await client.deleteStream('order-1');
    deleted.open();
    await setting;
    expect(await readNumbers(client, 'order-1')).toBe('StreamNotFoundError');
    expect((await client.getStreamMetadata('order-1')).metadata).toEqual({ owner: 'me' });
  });

  it.each(['$metadata', 'Other'])(
    'does not bring the stream back by an event of type %s whose own metadata looks like ours',
    async (type) => {
      const { client } = await open();
      await client.appendToStream('order-1', [counted(0), counted(1)]);
      await client.deleteStream('order-1');
      const looksLikeOurs = jsonEvent({ type, data: { owner: 'me' }, metadata: { schemaVersion: 1 } });
      await client.appendToStream('$$order-1', [looksLikeOurs]);
      expect(await readNumbers(client, 'order-1')).toBe('StreamNotFoundError');
    },
  );

  it('is written once, however often the very same append comes', async () => {
    const { client } = await open();
    const batch = [metadata(), metadata()];
    const first = await client.appendToStream('$$order-1', batch);
    expect(await client.appendToStream('$$order-1', batch)).toEqual(first);
    await client.appendToStream('$$order-1', [metadata()]);
    expect(await client.appendToStream('$$order-1', batch)).toEqual(first);
    const { nextExpectedRevision } = await client.appendToStream('$$order-1', [metadata()]);
    expect(nextExpectedRevision).toBe(3n);
  });

  it('is refused where it is not as expected', async () => {
    const { client } = await open();
    const attempt = (expectedRevision: bigint | 'stream_exists' | 'no_stream') =>
      client
        .appendToStream('$$order-1', [metadata()], { expectedRevision })
        .then(({ nextExpectedRevision }) => nextExpectedRevision, nameOfError);
    expect(await attempt('stream_exists')).toBe('WrongExpectedVersionError');
    expect(await attempt(0n)).toBe('WrongExpectedVersionError');
    expect(await attempt('no_stream')).toBe(0n);
    expect(await attempt('no_stream')).toBe('WrongExpectedVersionError');
    expect(await attempt(0n)).toBe(1n);
    expect(await attempt('stream_exists')).toBe(2n);
  });
});

describe('a read that a deletion comes into', () => {
  it('shows no deleted event beside one that was appended after the deletion', async () => {
    const reached = gate();
    const deleted = gate();
    let isHeld = false;
    const { client } = await open((store) => ({
      // The answer about the metadata is quick, the one about the stream slow.
      readStream: (request) => async () => {
        if (isHeld && request.streamName === 'order-1') {
          isHeld = false;
          reached.open();
          await deleted.opened;
        }
        return store.readStream(request)();
      },
    }));
    await client.appendToStream('order-1', [counted(0), counted(1)]);
    isHeld = true;
    const reading = readNumbers(client, 'order-1');
    await reached.opened;
    await client.deleteStream('order-1');
    await client.appendToStream('order-1', [counted(2)]);
    deleted.open();
    expect([[0, 1], [2]]).toContainEqual(await reading);
  });

  it.each([
    ['', 0],
    [', and an append after it', 1],
  ])('is not told as whole after a deletion%s', async (_then, appended) => {
    const reached = gate();
    const deleted = gate();
    let reads = 0;
    const { client } = await open((store) => ({
      readStream: (request) => async () => {
        if (request.streamName === 'order-1' && request.from !== undefined) {
          reads += 1;
          reached.open();
          await deleted.opened;
        }
        return store.readStream(request)();
      },
    }));
    await client.appendToStream(
      'order-1',
      Array.from({ length: 300 }, (_, n) => counted(n)),
    );
    const reading = readNumbers(client, 'order-1');
    await reached.opened;
    await client.deleteStream('order-1');
    for (let n = 0; n < appended; n += 1) await client.appendToStream('order-1', [counted(n)]);
    deleted.open();
    expect(await reading).toMatch(/Error$/);
    expect(reads).toBe(1);
  });
});

describe('a link', () => {
  it('is not resolved to an event that was deleted while the link was followed', async () => {
    const { client, inner } = await open();
    await client.appendToStream('order-1', [counted(0)]);
    const store = {
      ...inner,
      readStream: (request: Parameters<typeof inner.readStream>[0]) => async () => {
        if (request.streamName === 'order-1') {
          await client.deleteStream('order-1');
          await client.appendToStream('order-1', [counted(1)]);
        }
        return inner.readStream(request)();
      },
    };
    await client.appendToStream('links', [
      binaryEvent({ type: '$>', data: Buffer.from('0@order-1'), metadata: new Uint8Array() }),
    ]);
    const [link] = (await toPromise(inner.readStream({ streamName: 'links' as StreamName }))).events;
    expect(link).toBeDefined();
    const resolved = await served({ store, now: () => new Date() }, link as RecordedEvent, true);
    expect(resolved.event).toBeUndefined();
  });
});

describe('a filtered subscription', () => {
  it('gives the same live as from the store, by a pattern that is watched', async () => {
    const { client, inner } = await open();
    const names = ['order-1', 'other-1', 'user-22', 'order-x', 'user-3'];
    for (const name of names) await put(inner, name);
    const filter = streamNameFilter({ regex: '^(order|user)-(\\d)+$' });
    const subscription = client.subscribeToAll({ fromPosition: START, filter });
    const found: unknown[] = [];
    for await (const { event } of subscription) {
      found.push(event?.streamId);
      if (found.length === 3) for (const name of names) await put(inner, name);
      if (found.length === 6) await subscription.unsubscribe();
    }
    const expected = ['order-1', 'user-22', 'user-3'];
    expect(found).toEqual([...expected, ...expected]);
  });
});

describe('a read that nobody waits for any more', () => {
  it('asks the store for no further page', async () => {
    const store = memoryStore();
    for (let n = 0; n < 100; n += 1) await put(store, 'order-1', n);
    const ending = new AbortController();
    let reads = 0;
    const counting = {
      ...store,
      readAll: (request: Parameters<typeof store.readAll>[0]) => {
        reads += 1;
        ending.abort();
        return store.readAll(request);
      },
      readStream: (request: Parameters<typeof store.readStream>[0]) => {
        if (request.streamName === 'order-1') reads += 1;
        ending.abort();
        return store.readStream(request);
      },
    };
    const context = { store: counting, now: () => new Date() };
    const filter = { matches: () => false, checkpointEvery: 32 };
    const read = { direction: 'forwards', after: undefined, maxCount: 10, filter } as const;
    for await (const event of allEvents(context, read, ending.signal)) expect(event).toBeUndefined();
    expect(reads).toBe(1);
    const range = { direction: 'forwards', from: undefined, maxCount: 1_000 } as const;
    for await (const item of streamItems(context, 'order-1', range, ending.signal)) void item;
    expect(reads).toBe(1);
    await store.close();
  });
});

describe('another life of the store', () => {
  it('ends those who follow all streams, also those who have caught up', async () => {
    const inner = memoryStore();
    const life = await toPromise(inner.epoch());
    let epoch = life;
    let fail = (): void => undefined;
    const store = {
      ...inner,
      epoch: () => async () => E.right(epoch),
      // Breaks off when told to; its checkpoints are of the life that the store is in.
      subscribe: async function* (request: Parameters<typeof inner.subscribe>[0]) {
        const broken = new Promise<never>((_, reject) => {
          fail = () => reject(new Error('away'));
        });
        broken.catch(() => undefined);
        const after = { epoch: life, position: request.after?.position ?? startPosition };
        const items = inner.subscribe({ ...request, after })[Symbol.asyncIterator]();
        for (;;) {
          const next = await Promise.race([items.next(), broken]);
          if (next.done === true) return;
          yield { ...next.value, checkpoint: { ...next.value.checkpoint, epoch } };
        }
      },
    };
    const feed = await openFeed({
      store,
      timers: realTimers,
      now: () => new Date(),
      onError: () => undefined,
    });
    const ending = new AbortController();
    const options = { filter: undefined, resolveLinks: false, signal: ending.signal };
    const following = async (): Promise<string> => {
      for await (const item of feed.followAll('start', options)) {
        if (item._tag === 'CaughtUp') void put(inner, 'order-1', 1);
        if (item._tag !== 'Event') continue;
        epoch = newId();
        fail();
      }
      return 'ended';
    };
    const outcome = await following().catch((error) => taggedOf(error)?._tag);
    expect(outcome).toBe('EpochChanged');
    await feed.close();
    await inner.close();
  });
});
