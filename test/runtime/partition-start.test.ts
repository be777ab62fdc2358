/** How partitions begin under a worker: a message that kills its process costs those of other partitions no more than one attempt. */
import { expect } from '@jest/globals';
import { toPromise } from '../../src/core/fault.js';
import { partitionOf } from '../../src/core/partition.js';
import { defaultTenant } from '../../src/core/stream.js';
import { freshId, onBothStores } from '../cases/support.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  mortal,
  pause,
  queueOf,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

const partitions = 4;

/** An item in this partition. */
const itemIn = (index: number): string => {
  for (;;) {
    const itemId = freshId();
    if (partitionOf(defaultTenant, itemId, partitions) === index) return itemId;
  }
};

onBothStores('partitions of a worker that died', {
  'are begun one after another, so that the message which killed it is counted alone': async ({
    store,
    second,
  }) => {
    const queue = freshId();
    const items = Array.from({ length: partitions }, (_, index) => itemIn(index));
    const [killer, ...others] = items.map(() => freshId()) as [string, ...string[]];
    const orders = [killer, ...others];
    await enqueue(store, ...items.map((itemId) => stock(queue, itemId, 100)));
    const stocker = worker({ store, queue, partitions, handlers: itemHandlers() });
    await eventually('stocked', async () =>
      (await toPromise(stocker.depths())).every(({ depth }) => depth === 0),
    );
    await stocker.stop();
    await enqueue(store, ...items.map((itemId, index) => reserve(queue, itemId, orders[index] as string)));
    let runs = 0;
    const attempts = new Map<string, number>();
    const dead = [];
    for (let death = 1; death <= 3; death += 1) {
      const dying = mortal(store);
      const handlers = itemHandlers(async ({ id, attempt }) => {
        if (id !== killer) {
          attempts.set(id, attempt);
          // Still at it when the process dies.
          return pause(200);
        }
        runs += 1;
        await pause(20);
        dying.kill();
      });
      dead.push(worker({ store: dying.store, queue, partitions, handlers }));
      await eventually(`death ${death}`, () => runs === death);
    }
    const notes: string[] = [];
    const heir = worker({
      ...{ store: second, queue, partitions, handlers: itemHandlers() },
      hooks: {
        onHandled: ({ message: { id } }) => void notes.push(`${id} handled`),
        onParked: ({ message: { id } }) => void notes.push(`${id} parked`),
      },
    });
    const allDone = async (): Promise<boolean> => {
      const found = await Promise.all(items.slice(1).map((itemId) => reservedOf(store, itemId)));
      return found.every((ids) => ids.length === 1);
    };
    await eventually('parked', () => notes.includes(`${killer} parked`));
    await eventually('all others done', allDone);
    await Promise.all([heir, ...dead].map((one) => one.stop(0)));
    expect(runs).toBe(3);
    const letters = await toPromise(queueOf(store).deadLetters.list({ queue }));
    expect(letters.map(({ id }) => id)).toEqual([killer]);
    for (const [, attempt] of attempts) expect(attempt).toBeLessThanOrEqual(2);
  },
});
