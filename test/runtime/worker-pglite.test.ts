/** Workers, dead letters and the answers to contention on PGlite: one connection for all of them, and the same results. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { toPromise } from '../../src/core/fault.js';
import type { QueueWorker } from '../../src/runtime/queue/queue-worker.js';
import type { EventStore } from '../../src/store/event-store.js';
import { freshId } from '../cases/support.js';
import { strategyNames, strategyOn } from '../support/inventory-strategies.js';
import { openTestPGlite, type TestStore } from '../support/stores.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  left,
  queueOf,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

const ordersOf = (itemId: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, order) => `${itemId}-${order}`);

describe('workers [pglite]', () => {
  let opened: TestStore | undefined;
  beforeAll(async () => {
    opened = await openTestPGlite();
  }, 60_000);
  afterAll(() => opened?.dispose());
  const storeOf = (): EventStore => (opened as TestStore).store;
  // All share one connection: workers that looked every few milliseconds would keep it busy, and on a slow machine lose their leases.
  const calm = { ttlMs: 10_000, pollMs: 50 };
  const running: QueueWorker[] = [];
  const start = (options: Parameters<typeof worker>[0]): QueueWorker => {
    const started = worker({ ...options, ...calm });
    running.push(started);
    return started;
  };
  // Also those of a test that failed, so that they are not in the way of the next.
  afterEach(() => Promise.all(running.splice(0).map((one) => one.stop())));

  it('handle the messages of each key in their order, shared by two that join and leave', async () => {
    const [store, queue] = [storeOf(), freshId()];
    const items = [freshId(), freshId(), freshId()];
    await enqueue(store, ...items.map((one) => stock(queue, one, 100)));
    await enqueue(
      store,
      ...items.flatMap((one) => ordersOf(one, 8).map((order) => reserve(queue, one, order))),
    );
    const first = start({ store, queue, handlers: itemHandlers() });
    await eventually('begun', async () => (await left(store, queue)).depth < 27);
    const second = start({ store, queue, handlers: itemHandlers() });
    await first.stop();
    await eventually('all handled', async () => (await left(store, queue)).depth === 0);
    await second.stop();
    for (const one of items) expect(await reservedOf(store, one)).toEqual(ordersOf(one, 8));
  });

  it('park poison with its history, hold back its key alone, and go on with it once it is retried', async () => {
    const [store, queue, sick, well] = [storeOf(), freshId(), freshId(), freshId()];
    let isMended = false;
    const handlers = itemHandlers(({ id }) => {
      if (id === `${sick}-0` && !isMended) throw new Error('cannot');
    });
    await enqueue(store, stock(queue, sick, 9), stock(queue, well, 9));
    for (const item of [sick, well])
      await enqueue(store, ...ordersOf(item, 2).map((order) => reserve(queue, item, order)));
    start({ store, queue, handlers });
    await eventually('parked', async () => (await left(store, queue)).parked === 1);
    await eventually('others handled', async () => (await reservedOf(store, well)).length === 2);
    expect(await reservedOf(store, sick)).toEqual([]);
    const [letter, ...others] = await toPromise(queueOf(store).deadLetters.list({ queue }));
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ id: `${sick}-0`, attempt: 3, waiting: 1 });
    expect(letter?.history.map(({ attempt, error }) => [attempt, error.includes('cannot')])).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
    isMended = true;
    await toPromise(queueOf(store).deadLetters.retry(letter as never));
    await eventually('both handled', async () => (await reservedOf(store, sick)).length === 2);
    expect(await reservedOf(store, sick)).toEqual(ordersOf(sick, 2));
  });

  it.each(strategyNames)(
    '%s: 20 at once for one item with 12: none is left, and none is sold twice',
    async (name) => {
      const itemId = `${name}${freshId()}`;
      const strategy = strategyOn(name, storeOf(), { pollMs: calm.pollMs });
      await strategy.handle({
        ...{ id: `${itemId}-delivery`, type: 'AdjustInventory' },
        data: { itemId, delta: 12, reason: 'delivery' },
      });
      const answers = await Promise.all(
        ordersOf(itemId, 20).map((orderId) =>
          strategy.handle({ id: orderId, type: 'ReserveInventory', data: { itemId, orderId, quantity: 1 } }),
        ),
      );
      expect(answers.filter(({ _tag }) => _tag === 'Left')).toEqual([]);
      expect(await strategy.stockOf(itemId)).toMatchObject({ supply: 12, reserved: 12 });
      await strategy.stop();
    },
  );
});
