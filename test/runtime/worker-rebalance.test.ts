/** Partitions move between workers that come, leave and die, under load: nothing is lost, nothing is doubled, order is kept. */
import { expect } from '@jest/globals';
import { toPromise } from '../../src/core/fault.js';
import { shareOf } from '../../src/runtime/queue/partition-owner.js';
import type { QueueWorker } from '../../src/runtime/queue/queue-worker.js';
import { freshId, inMemory, onBothStores } from '../cases/support.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  left,
  mortal,
  pause,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

const ownedBy = (one: QueueWorker): ReadonlyArray<number> => one.state().partitions.map(({ index }) => index);

const settled =
  (partitions: number, ...workers: ReadonlyArray<QueueWorker>) =>
  () => {
    const all = workers.flatMap(ownedBy);
    const sizes = workers.map((one) => ownedBy(one).length);
    return (
      all.length === partitions &&
      new Set(all).size === partitions &&
      Math.max(...sizes) - Math.min(...sizes) <= 1
    );
  };

onBothStores('workers of one queue', {
  'share its partitions, take over at once from one that stops, and after the lease from one that died':
    async ({ store, second }) => {
      const queue = freshId();
      const options = { queue, handlers: itemHandlers(), partitions: 7 };
      const dying = mortal(store);
      const first = worker({ ...options, store });
      await eventually('one has all', settled(7, first));
      const third = worker({ ...options, store: second });
      const dies = worker({ ...options, store: dying.store });
      await eventually('three share', settled(7, first, third, dies));
      expect([first, third, dies].map((one) => ownedBy(one).length).sort()).toEqual([2, 2, 3]);
      dying.kill();
      await eventually('two share', settled(7, first, third));
      await first.stop();
      await eventually('the last has all', settled(7, third));
      await Promise.all([third.stop(), dies.stop(0)]);
      const held = await toPromise(store.leases?.list({ prefix: `queue:${queue}:` }) as never);
      const names = (held as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name);
      expect(names.filter((name) => !name.includes(':member:'))).toEqual([]);
    },

  'lose and double nothing while three come, leave and die': async ({ store, second }) => {
    const queue = freshId();
    const items = Array.from({ length: 12 }, () => freshId());
    const perItem = 25;
    const handlers = itemHandlers(() => pause(1));
    await enqueue(store, ...items.map((one) => stock(queue, one, 1_000)));
    const order = (n: number) => items.map((one) => reserve(queue, one, `${one}-${n}`));
    const options = {
      queue,
      handlers,
      partitions: 6,
      concurrency: 2,
      retry: { attemptsMax: 10, delayMs: 5 },
    };
    const join = (on: typeof store) => worker({ ...options, store: on });
    const loading = (async () => {
      for (let n = 0; n < perItem; n += 1) {
        await enqueue(store, ...order(n));
        await pause(20);
      }
    })();
    const dying = mortal(second);
    const first = join(store);
    await pause(100);
    const dies = join(dying.store);
    await pause(400);
    const third = join(second);
    await pause(300);
    dying.kill();
    await pause(200);
    await first.stop();
    const fourth = join(store);
    await loading;
    await eventually('all handled', async () => (await left(store, queue)).depth === 0);
    expect((await left(store, queue)).parked).toBe(0);
    await Promise.all([third.stop(), fourth.stop()]);
    for (const one of items)
      expect(await reservedOf(store, one)).toEqual(Array.from({ length: perItem }, (_, n) => `${one}-${n}`));
    await dies.stop(0);
  },

  'go on with the others’ partitions while one of them changes hands slowly': async ({ store, second }) => {
    const queue = freshId();
    let release: () => void = () => undefined;
    let isHeld = false;
    const slowItem = freshId();
    const handlers = itemHandlers(async ({ key }) => {
      if (key !== slowItem) return;
      isHeld = true;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const items = Array.from({ length: 20 }, () => freshId());
    await enqueue(store, ...[slowItem, ...items].map((one) => stock(queue, one, 10)));
    await enqueue(store, reserve(queue, slowItem, slowItem));
    const first = worker({ store, queue, handlers });
    await eventually('one is held', () => isHeld);
    const other = worker({ store: second, queue, handlers });
    await enqueue(store, ...items.map((one) => reserve(queue, one, one)));
    // Those of the held partition wait; all the others are handled although it has not been given back yet.
    await eventually('the other has its share', () => ownedBy(other).length >= 1);
    const countOf = async () => {
      const all = await Promise.all(items.map((one) => reservedOf(store, one)));
      return all.filter((orders) => orders.length === 1).length;
    };
    await eventually('most are handled', async () => (await countOf()) >= 8);
    expect((await reservedOf(store, slowItem)).length).toBe(0);
    release();
    await eventually('all are handled', async () => (await countOf()) === items.length);
    await eventually('shared', settled(4, first, other));
    await Promise.all([first.stop(), other.stop()]);
    expect(await reservedOf(store, slowItem)).toEqual([slowItem]);
  },

  'that cut it into another number of partitions wait until the older ones have gone': async ({
    store,
    second,
  }) => {
    const queue = freshId();
    const old = worker({ store, queue, handlers: itemHandlers(), partitions: 4 });
    await eventually('the old one has all', settled(4, old));
    const newer = worker({ store: second, queue, handlers: itemHandlers(), partitions: 8 });
    await pause(700);
    expect([ownedBy(newer), newer.state().members]).toEqual([[], 2]);
    await old.stop();
    await eventually('the newer one has all', settled(8, newer));
    await newer.stop();
  },
});

inMemory('a worker', {
  'holds no more in hand than it may, and says what it has': async ({ store }) => {
    const queue = freshId();
    const releases: Array<() => void> = [];
    const items = Array.from({ length: 30 }, () => freshId());
    const handlers = itemHandlers(() => new Promise<void>((resolve) => void releases.push(resolve)));
    await enqueue(store, ...items.map((one) => stock(queue, one, 10)));
    await enqueue(store, ...items.map((one) => reserve(queue, one, one)));
    const one = worker({ store, queue, handlers, partitions: 1, concurrency: 3, prefetch: 8, ttlMs: 2_000 });
    await eventually('three run', () => releases.length === 3);
    await pause(50);
    const [partition] = one.state().partitions;
    expect(partition?.waitsFor).toBe('room');
    expect(partition?.inHand.map(({ phase }) => phase).sort()).toEqual([
      ...Array(3).fill('runs'),
      ...Array(5).fill('waits'),
    ]);
    const [depth] = await toPromise(one.depths());
    expect(depth?.depth).toBe(30);
    expect(depth?.hottest.length).toBe(5);
    // What runs is finished; what waits for its turn is left to the next owner.
    const stopping = one.stop();
    for (const release of releases) release();
    await stopping;
    expect((await left(store, queue)).depth).toBe(27);
    expect(one.state()).toMatchObject({ isStopping: true, partitions: [] });
  },

  'stops in bounded time although a handler does not': async ({ store }) => {
    const [queue, itemId] = [freshId(), freshId()];
    let runs = 0;
    const handlers = itemHandlers(() => {
      runs += 1;
      return new Promise<void>(() => undefined);
    });
    await enqueue(store, stock(queue, itemId, 10), reserve(queue, itemId, freshId()));
    const one = worker({ store, queue, handlers });
    await eventually('it hangs', () => runs === 1);
    const began = Date.now();
    await one.stop(100);
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(await reservedOf(store, itemId)).toEqual([]);
  },

  'counts shares that differ by one at most and add up': async () => {
    for (let partitions = 1; partitions <= 40; partitions += 1)
      for (let members = 1; members <= 12; members += 1) {
        const shares = Array.from({ length: members }, (_, rank) => shareOf(partitions, members, rank));
        expect(shares.reduce((sum, one) => sum + one, 0)).toBe(partitions);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }
  },
});
