/** Followers and workers while the store is away for longer than any of them waits: they come back by themselves, where they were. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import { type Environment, realEnvironment } from '../../src/runtime/environment.js';
import type { Dispatched } from '../../src/runtime/saga/owed-subscription.js';
import type { OutageNotice } from '../../src/runtime/outage.js';
import { sagaRuntime } from '../../src/runtime/saga/saga-runtime.js';
import type { EventStore } from '../../src/store/event-store.js';
import { pollingSubscription } from '../../src/store/subscription.js';
import { realTimers, type Timers } from '../../src/store/timers.js';
import { makeWake } from '../../src/store/wake.js';
import { freshId } from '../cases/support.js';
import { basketSaga, message } from '../support/basket.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  left,
  pause,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

/** A hundred times as fast as the machine's: a minute takes 0.6 s. */
const quickTimers: Timers = {
  ...realTimers,
  now: () => realTimers.now() * 100,
  after: (ms, run) => realTimers.after(ms / 100, run),
};
const quick: Environment = {
  ...realEnvironment,
  timers: quickTimers,
  sleep: (ms) => realEnvironment.sleep(ms / 100),
};

type Call<A> = (...args: never) => TaskEither<unknown, A>;

/** A store that can go away: then it refuses everything. `error` is what it answers. */
const leaving = (store: EventStore, error: { readonly _tag: string } = { _tag: 'StoreUnavailable' }) => {
  let isAway = false;
  let refused = 0;
  const guard = <C extends Call<unknown>>(call: C): C =>
    ((...args: never) =>
      async () => {
        if (!isAway) return call(...args)();
        refused += 1;
        return E.left({ message: 'away', ...error });
      }) as C;
  const guardAll = <Port extends object>(port: Port): Port =>
    Object.fromEntries(
      Object.entries(port).map(([name, call]) => [name, typeof call === 'function' ? guard(call) : call]),
    ) as Port;
  const readAll = guard(store.readAll);
  const epoch = guard(store.epoch);
  const wake = makeWake(quickTimers);
  const guarded: EventStore = {
    ...store,
    ...{ readAll, epoch, append: guard(store.append), readStream: guard(store.readStream) },
    checkpoints: guardAll(store.checkpoints),
    ...(store.leases && { leases: guardAll(store.leases) }),
    ...(store.queue && { queue: guardAll(store.queue) }),
    subscribe: (request) =>
      pollingSubscription({ readAll, epoch, wake, isClosed: () => false, timers: quickTimers }, request),
  };
  return {
    store: guarded,
    refused: () => refused,
    leave: () => (isAway = true),
    come: () => (isAway = false),
  };
};

const tell = (text: string) => message('Tell', { text, once: false });
const textsOf = (dispatched: ReadonlyArray<Dispatched>) =>
  dispatched.map(({ data }) => (data as { readonly text: string }).text);

/** A follower on a store that can go away, and a writer on the same data that stays. */
const following = (error?: { readonly _tag: string }) => {
  const kept = memoryStore();
  const away = leaving(kept, error);
  const outages: OutageNotice[] = [];
  const dispatched: Dispatched[] = [];
  const follower = sagaRuntime(basketSaga(), {
    ...{ store: away.store, environment: quick, hooks: { onOutage: (one) => void outages.push(one) } },
  }).follow({ dispatch: (one) => void dispatched.push(one), pollMs: 100 });
  const writer = sagaRuntime(basketSaga(), { store: kept });
  const write = (text: string) => toPromise(writer.handle(tell(text)));
  return { ...away, kept, outages, dispatched, follower, write };
};

describe('a follower whose store is away', () => {
  it('waits with growing pauses, tells of each, and goes on where it was', async () => {
    const { write, leave, come, outages, dispatched, follower, kept } = following();
    await write('before');
    await follower.caughtUp();
    leave();
    await write('meanwhile');
    await eventually('ten outages', () => outages.length >= 10);
    expect(textsOf(dispatched)).toEqual(['before']);
    const pauses = outages.map(({ retryInMs }) => retryInMs);
    for (const [index, ms] of pauses.slice(0, 10).entries()) {
      const full = Math.min(10_000, 100 * 2 ** index);
      expect(ms).toBeGreaterThanOrEqual(full / 2);
      expect(ms).toBeLessThanOrEqual(full);
    }
    expect(outages[0]?.error).toMatchObject({ _tag: 'StoreUnavailable' });
    come();
    await follower.caughtUp();
    await write('after');
    await follower.caughtUp();
    // Neither lost nor sent again: what was done before the outage is known in this process.
    expect(textsOf(dispatched)).toEqual(['before', 'meanwhile', 'after']);
    await follower.stop();
    await follower.done;
    const position = (await toPromise(kept.checkpoints.load('basket')))?.position;
    expect(position).toBe((await toPromise(kept.readAll({}))).last);
  });

  it('begins where the store is away from the start, and again with short pauses after each outage', async () => {
    const { write, leave, come, outages, dispatched, follower } = following();
    for (const round of ['one', 'two', 'three']) {
      leave();
      const before = outages.length;
      await write(round);
      await eventually('told twice', () => outages.length >= before + 2);
      expect(outages[before]?.retryInMs).toBeLessThanOrEqual(100);
      come();
      await follower.caughtUp();
    }
    expect(textsOf(dispatched)).toEqual(['one', 'two', 'three']);
    await follower.stop();
  });

  it('is still there for whoever waits until it has caught up, and stops at once when it is told to', async () => {
    const { write, leave, outages, dispatched, follower } = following();
    await write('before');
    await follower.caughtUp();
    leave();
    await write('meanwhile');
    await eventually('told', () => outages.length >= 5);
    let hasCaughtUp = false;
    const waiting = follower.caughtUp().then(() => {
      hasCaughtUp = true;
    });
    await pause(30);
    expect(hasCaughtUp).toBe(false);
    await follower.stop();
    await follower.done;
    await waiting;
    expect(textsOf(dispatched)).toEqual(['before']);
  });

  it.each([[{ _tag: 'StoreClosed' }], [{ _tag: 'EpochChanged' }], [{ _tag: 'MigrationMissing' }]])(
    'ends with any other error: %j',
    async (error) => {
      const { leave, outages, follower } = following(error);
      await follower.caughtUp();
      leave();
      await expect(follower.done).rejects.toMatchObject({ tagged: error });
      expect(outages).toEqual([]);
      await expect(follower.stop()).rejects.toMatchObject({ tagged: error });
    },
  );

  it('ends with a hook that throws', async () => {
    const away = leaving(memoryStore());
    const onOutage = (): void => {
      throw new Error('the hook broke');
    };
    away.leave();
    const follower = sagaRuntime(basketSaga(), {
      ...{ store: away.store, environment: quick, hooks: { onOutage } },
    }).follow();
    await expect(follower.done).rejects.toThrow('the hook broke');
  });
});

describe('a queue worker whose store is away', () => {
  it('loses its partitions, looks for them until the store is back, and handles what is there once', async () => {
    const kept = memoryStore();
    const away = leaving(kept);
    const [queue, itemId] = [freshId(), freshId()];
    const outages: OutageNotice[] = [];
    const handled: string[] = [];
    const lost: string[] = [];
    const one = worker({
      ...{ store: away.store, queue, handlers: itemHandlers(), ttlMs: 200 },
      hooks: {
        onOutage: (notice) => void outages.push(notice),
        onHandled: ({ message: { id } }) => void handled.push(id),
        onPartitionLost: ({ reason }) => void lost.push(reason),
      },
    });
    await enqueue(kept, stock(queue, itemId, 10), reserve(queue, itemId, 'before'));
    await eventually('handled', () => handled.length === 2);
    away.leave();
    await enqueue(kept, reserve(queue, itemId, 'meanwhile'));
    await eventually('all lost', () => one.state().partitions.length === 0);
    await eventually('told', () => outages.length >= 5);
    expect(lost).toEqual(['lost', 'lost', 'lost', 'lost']);
    for (const { error, retryInMs } of outages) {
      expect(error._tag).toBe('StoreUnavailable');
      expect(retryInMs).toBeLessThanOrEqual(200 / 3);
    }
    // No more than a few questions for each look, whatever waits.
    const asked = away.refused();
    const looks = outages.length;
    await eventually('ten more looks', () => outages.length >= looks + 10);
    expect(away.refused() - asked).toBeLessThanOrEqual((outages.length - looks + 1) * 4);
    away.come();
    await eventually('handled', () => handled.length === 3);
    expect((await left(kept, queue)).parked).toBe(0);
    expect(await reservedOf(kept, itemId)).toEqual(['before', 'meanwhile']);
    await one.stop();
    await one.done;
  });
});
