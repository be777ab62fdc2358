/** A worker and its handlers on one queue: order, outcomes, one effect for each message, whatever the answer to conflict. */
import { expect } from '@jest/globals';
import * as t from 'io-ts';
import { toPromise } from '../../src/core/fault.js';
import type { MessageOutcome } from '../../src/runtime/queue/message-delivery.js';
import {
  messageHandlers,
  onAggregate,
  onBatch,
  onMessage,
  onSaga,
} from '../../src/runtime/queue/message-handlers.js';
import { freshId, onBothStores } from '../cases/support.js';
import { basketSaga } from '../support/basket.js';
import {
  enqueue,
  eventually,
  item,
  itemHandlers,
  left,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

const drained = (store: Parameters<typeof left>[0], queue: string) => async () =>
  (await left(store, queue)).depth === 0;

onBothStores('a queue worker', {
  'handles the messages of a key in their order, and those of all keys': async ({ store }) => {
    const queue = freshId();
    const items = Array.from({ length: 6 }, () => freshId());
    await enqueue(store, ...items.map((one) => stock(queue, one, 100)));
    const orders = Array.from({ length: 10 }, (_, order) => order);
    await enqueue(
      store,
      ...orders.flatMap((order) => items.map((one) => reserve(queue, one, `${one}-${order}`))),
    );
    const running = worker({ store, queue, handlers: itemHandlers() });
    await eventually('all handled', drained(store, queue));
    await running.stop();
    for (const one of items)
      expect(await reservedOf(store, one)).toEqual(orders.map((order) => `${one}-${order}`));
  },

  'gives the right stock under each answer to conflict, whoever else writes': async ({ store, second }) => {
    for (const conflict of ['retry', 'lock', 'partitioned'] as const) {
      const [queue, itemId] = [freshId(), freshId()];
      await enqueue(store, stock(queue, itemId, 20));
      // Keys of their own, so that only the answer to conflict stands between them; a partition has them in order of the item.
      const messages = Array.from({ length: 30 }, (_, index) => {
        const message = reserve(queue, itemId, `${itemId}-${index}`);
        return conflict === 'partitioned' ? message : { ...message, key: `${itemId}-${index}` };
      });
      const outcomes: MessageOutcome[] = [];
      const hooks = { onHandled: ({ outcome }: { outcome: MessageOutcome }) => void outcomes.push(outcome) };
      const handlers = itemHandlers(undefined, conflict);
      const workers = [store, second].map((one) =>
        worker({
          store: one,
          queue,
          handlers,
          hooks,
          concurrency: 2,
          retry: { delayMs: 5, attemptsMax: 50 },
        }),
      );
      await eventually('stocked', drained(store, queue));
      await enqueue(store, ...messages);
      await eventually(`all handled under ${conflict}`, drained(store, queue));
      await Promise.all(workers.map((one) => one.stop()));
      expect((await reservedOf(store, itemId)).length).toBe(20);
      expect(outcomes.filter(({ _tag }) => _tag === 'Invalid').length).toBe(10);
    }
  },

  'does not run a handler whose message is invalid, and says what was wrong': async ({ store }) => {
    const [queue, itemId] = [freshId(), freshId()];
    let runs = 0;
    const invalid: unknown[] = [];
    const handlers = itemHandlers(() => void (runs += 1));
    const hooks = { onInvalid: ({ problems }: { problems: unknown }) => void invalid.push(problems) };
    await enqueue(store, stock(queue, itemId, 1), reserve(queue, itemId, freshId(), 2));
    const running = worker({ store, queue, handlers, hooks });
    await eventually('handled', drained(store, queue));
    await running.stop();
    expect([runs, invalid]).toEqual([0, [['wants 2 of 1']]]);
  },

  'parks a message whose required stream never comes, and ends a rejected command': async ({ store }) => {
    const [queue, itemId] = [freshId(), freshId()];
    const outcomes: string[] = [];
    const parked: string[] = [];
    const handlers = messageHandlers({
      ...itemHandlers().handlers,
      Sell: onAggregate(item, {
        data: t.type({ itemId: t.string }),
        id: (data) => data.itemId,
        command: () => ({ type: 'Reserve', data: { orderId: 'o', quantity: 1 } }),
      }),
    });
    await enqueue(
      store,
      reserve(queue, itemId, freshId()),
      { queue, id: freshId(), key: 'another', type: 'Sell', data: { itemId } },
      { queue, id: freshId(), key: 'unknown', type: 'Nobody', data: {} },
      { queue, id: freshId(), key: 'bad', type: 'Sell', data: { itemId: 1 } },
    );
    const running = worker({
      ...{ store, queue, handlers },
      hooks: {
        onHandled: ({ outcome }) => void outcomes.push(outcome._tag),
        onParked: ({ error }) => void parked.push(error._tag),
      },
    });
    await eventually('all ended', async () => outcomes.length === 1 && parked.length === 3);
    await running.stop();
    expect(outcomes).toEqual(['Rejected']);
    expect(parked.sort()).toEqual(['DecodeFailed', 'HandlerMissing', 'RequiredMissing']);
    expect((await left(store, queue)).parked).toBe(3);
  },

  'enqueues what a handler answers together with its events, once': async ({ store }) => {
    const [queue, itemId] = [freshId(), freshId()];
    const told: string[] = [];
    const handlers = messageHandlers({
      Start: onAggregate(item, {
        data: t.type({ itemId: t.string }),
        id: (data) => data.itemId,
        handle: (data) => ({
          events: [{ type: 'Stocked', data: { quantity: 3 } }],
          enqueue: [
            { key: data.itemId, type: 'Tell', data: { text: 'started' } },
            { key: data.itemId, type: 'Look', data: { itemId: data.itemId } },
          ],
        }),
      }),
      Look: onAggregate(item, {
        data: t.type({ itemId: t.string }),
        id: (data) => data.itemId,
        handle: (data, { available }) => ({
          enqueue: [{ key: data.itemId, type: 'Tell', data: { text: `${available} there` } }],
        }),
      }),
      Tell: onMessage({
        data: t.type({ text: t.string }),
        key: ({ text }) => text,
        handle: ({ text }) => void told.push(text),
      }),
    });
    const start = { queue, id: freshId(), key: itemId, type: 'Start', data: { itemId } };
    await enqueue(store, start);
    const running = worker({ store, queue, handlers });
    await eventually('all told', () => told.length === 2);
    await eventually('all done', drained(store, queue));
    await enqueue(store, start);
    await running.stop();
    expect(told).toEqual(['started', '3 there']);
    const [event] = (await toPromise(store.readStream({ streamName: `item-${itemId}` as never }))).events;
    expect(event?.metadata).toMatchObject({ causationId: start.id });
  },

  'routes to a saga, validated and fenced, and knows a message that comes again': async ({ store }) => {
    const [queue, sagaId] = [freshId(), freshId()];
    const Put = t.type({ item: t.string });
    const handlers = messageHandlers({
      Add: onSaga(basketSaga(), 'Add', {
        id: () => sagaId,
        validate: ({ by }, { count }) => (count + by > 3 ? ['too many'] : []),
      }),
      Put: onSaga(basketSaga(), 'Put', { id: () => sagaId, load: 'required', conflict: 'lock' }),
    });
    const add = (by: number) => ({ queue, id: freshId(), key: sagaId, type: 'Add', data: { by } });
    const again = add(2);
    const outcomes: string[] = [];
    const hooks = {
      onHandled: ({ outcome }: { outcome: MessageOutcome }) => void outcomes.push(outcome._tag),
    };
    await enqueue(store, again, add(2), { ...add(1), type: 'Put', data: Put.encode({ item: 'pear' }) });
    const running = worker({ store, queue, handlers, hooks });
    await eventually('handled', () => outcomes.length === 3);
    // The same message by another way, after its id was forgotten by the queue or in another queue.
    await enqueue(store, { ...again, queue: `${queue}.2` });
    const second = worker({ store, queue: `${queue}.2`, handlers, hooks });
    await eventually('handled again', () => outcomes.length === 4);
    await Promise.all([running.stop(), second.stop()]);
    expect(outcomes).toEqual(['Appended', 'Invalid', 'Appended', 'Duplicate']);
  },

  'hands consecutive messages of one partition to a batch handler, and isolates the one at fault': async ({
    store,
  }) => {
    const queue = freshId();
    const batches: number[] = [];
    const seen: number[] = [];
    const parked: string[] = [];
    const handlers = messageHandlers({
      Count: onBatch({
        data: t.type({ n: t.number }),
        key: ({ n }) => `${n}`,
        batchMax: 8,
        handle: (batch) => {
          if (batch.some(({ data }) => data.n === 13)) throw new Error('unlucky');
          batches.push(batch.length);
          seen.push(...batch.map(({ data }) => data.n));
        },
      }),
    });
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await enqueue(
      store,
      ...numbers.map((n) => ({ queue, id: `${queue}-${n}`, key: `${n}`, type: 'Count', data: { n } })),
    );
    const hooks = { onParked: ({ message }: { message: { id: string } }) => void parked.push(message.id) };
    const running = worker({ store, queue, handlers, hooks, partitions: 2 });
    await eventually('all but one', () => new Set(seen).size === 39 && parked.length === 1);
    await eventually('all done', drained(store, queue));
    await running.stop();
    expect(parked).toEqual([`${queue}-13`]);
    expect(Math.max(...batches)).toBeGreaterThan(1);
    expect(Math.max(...batches)).toBeLessThanOrEqual(8);
    expect([...seen].sort((one, other) => one - other)).toEqual(numbers.filter((n) => n !== 13));
  },
});
