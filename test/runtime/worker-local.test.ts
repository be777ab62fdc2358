/** Partitions inside one process: the same handlers in order for each key, bounded channels, and senders that are told. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import { localPartitions } from '../../src/runtime/queue/local-partitions.js';
import { messageHandlers, onAggregate, onMessage } from '../../src/runtime/queue/message-handlers.js';
import { realEnvironment } from '../../src/runtime/environment.js';
import type { EventStore } from '../../src/store/event-store.js';
import { realTimers, type Timers } from '../../src/store/timers.js';
import { freshId, withAppend } from '../cases/support.js';
import { eventually, item, itemHandlers, pause, reservedOf } from './worker-support.js';

type Local = ReturnType<typeof start>;

const start = (
  store: EventStore,
  before?: Parameters<typeof itemHandlers>[0],
  more: Partial<Parameters<typeof localPartitions>[0]> = {},
) =>
  localPartitions({
    ...{ store, handlers: itemHandlers(before), partitions: 4, retry: { delayMs: 5, attemptsMax: 3 } },
    ...(more as object),
  });

const fill = (local: Local, itemId: string, quantity: number) =>
  toPromise(local.send({ type: 'Stock', id: `stock-${itemId}`, data: { itemId, quantity } }));
const order = (local: Local, itemId: string, orderId: string, quantity = 1) =>
  local.send({ type: 'Reserve', id: orderId, data: { itemId, orderId, quantity } });

describe('local partitions', () => {
  it('handle the messages of a key one after another in their order, those of others at once', async () => {
    const store = memoryStore();
    const running = new Map<string, number>();
    let most = 0;
    const local = start(store, async ({ key }) => {
      expect(running.get(key) ?? 0).toBe(0);
      running.set(key, 1);
      most = Math.max(most, [...running.values()].filter((one) => one === 1).length);
      await pause(1);
      running.set(key, 0);
    });
    const items = Array.from({ length: 12 }, () => freshId());
    for (const one of items) await fill(local, one, 100);
    for (let n = 0; n < 10; n += 1)
      for (const one of items) await toPromise(order(local, one, `${one}-${n}`));
    await local.idle();
    for (const one of items)
      expect(await reservedOf(store, one)).toEqual(Array.from({ length: 10 }, (_, n) => `${one}-${n}`));
    expect(most).toBeGreaterThan(1);
    await local.stop();
  });

  it('answer what became of each message, and know one that comes again', async () => {
    const local = start(memoryStore());
    await fill(local, 'a', 2);
    const outcomeOf = async (orderId: string, quantity: number) => {
      const { outcome } = await toPromise(order(local, 'a', orderId, quantity));
      const answer = await outcome;
      return E.isRight(answer) ? answer.right._tag : answer.left._tag;
    };
    expect(await outcomeOf('one', 2)).toBe('Appended');
    // The state is in hand, and does not tell that this order is in it; yet it is known, and not invalid.
    expect(await outcomeOf('one', 2)).toBe('Duplicate');
    expect(await outcomeOf('two', 1)).toBe('Invalid');
    expect(await outcomeOf('one', 1)).toBe('Duplicate');
    await local.stop();
  });

  it('let senders wait for room or refuse them, and never hold more than they may', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const store = memoryStore();
    const local = start(store, () => gate, { partitions: 1, capacity: 3 });
    await (await fill(local, 'a', 100)).outcome;
    const sent: string[] = [];
    const sending = Array.from({ length: 8 }, async (_, n) => {
      await toPromise(order(local, 'a', `${n}`));
      sent.push(`${n}`);
    });
    await eventually('it is full', () => local.state()[0]?.depth === 3);
    await pause(20);
    expect(sent).toEqual(['0', '1', '2']);
    expect(local.state()[0]).toMatchObject({ depth: 3, senders: 5, inHand: { id: '0' } });
    const refused = await local.offer({
      ...{ type: 'Reserve', id: 'x' },
      data: { itemId: 'a', orderId: 'x', quantity: 1 },
    })();
    expect(refused).toMatchObject({ _tag: 'Left', left: { _tag: 'QueueFull', depth: 3, depthMax: 3 } });
    release();
    await Promise.all(sending);
    await local.idle();
    expect(await reservedOf(store, 'a')).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    await local.stop();
  });

  it('hold back the key of a message that is tried again, and tell its sender when they give up', async () => {
    const store = memoryStore();
    const seen: string[] = [];
    const local = start(
      store,
      ({ id, attempt }) => {
        seen.push(`${id} ${attempt}`);
        if (id === 'sick-1') throw new Error('cannot');
      },
      { partitions: 1, retry: { delayMs: 30, jitter: 0, attemptsMax: 2 } },
    );
    for (const one of ['sick', 'well']) await fill(local, one, 9);
    const first = await toPromise(order(local, 'sick', 'sick-1'));
    await toPromise(order(local, 'sick', 'sick-2'));
    await toPromise(order(local, 'well', 'well-1'));
    expect(await first.outcome).toMatchObject({
      left: { _tag: 'MessageGivenUp', id: 'sick-1', attempts: 2, error: { _tag: 'HandlerThrew' } },
    });
    await local.idle();
    expect(seen).toEqual(['sick-1 1', 'well-1 1', 'sick-1 2', 'sick-2 1']);
    expect(await reservedOf(store, 'sick')).toEqual(['sick-2']);
    await local.stop();
  });

  it('wait for a message that comes due while they look at the clock', async () => {
    // The smallest case of a message that was left for a minute: each look finds a later time, as on a busy machine.
    let looks = 0;
    const waits: number[] = [];
    let waitsBefore: ReadonlyArray<number> = [];
    const timers: Timers = {
      ...realTimers,
      now: () => (looks += 1) * 7,
      after: (ms, run) => {
        waits.push(ms);
        return realTimers.after(1, run);
      },
    };
    const environment = { ...realEnvironment, timers };
    const hooks = { onHandled: () => void (waitsBefore = [...waits]) };
    const local = start(memoryStore(), undefined, {
      environment,
      hooks,
      partitions: 1,
      handlerTimeMaxMs: 1_000,
    });
    const sent = await toPromise(
      local.send({ type: 'Stock', id: 'a', data: { itemId: 'a', quantity: 1 }, delayMs: 100 }),
    );
    waits.length = 0;
    expect(await sent.outcome).toMatchObject({ right: { _tag: 'Appended' } });
    await local.stop();
    expect(waitsBefore.filter((ms) => ms === 60_000)).toEqual([]);
  });

  it('stop a handler that hangs and go on', async () => {
    const store = memoryStore();
    let release: () => void = () => undefined;
    const local = start(
      store,
      ({ attempt }) =>
        attempt > 1
          ? undefined
          : new Promise<void>((resolve) => {
              release = resolve;
            }),
      { handlerTimeMaxMs: 30 },
    );
    await fill(local, 'a', 9);
    const sent = await toPromise(order(local, 'a', 'one'));
    expect(await sent.outcome).toMatchObject({ right: { _tag: 'Appended' } });
    release();
    await pause(20);
    expect(await reservedOf(store, 'a')).toEqual(['one']);
    await local.stop();
  });

  it('put what handlers answer into the partitions, also where its append was not answered', async () => {
    const told: string[] = [];
    let isLost = false;
    const store = withAppend(memoryStore(), async (request, append) => {
      const answer = await append(request)();
      if (isLost || E.isLeft(answer)) return answer;
      isLost = true;
      const { streamName, events } = request;
      const eventIds = events.map(({ eventId }) => eventId);
      return E.left({ _tag: 'OutcomeUnknown', streamName, eventIds, message: 'the connection was lost' });
    });
    const handlers = messageHandlers({
      Start: onAggregate(item, {
        data: t.type({ itemId: t.string }),
        id: ({ itemId }) => itemId,
        handle: ({ itemId }) => ({
          events: [{ type: 'Stocked', data: { quantity: 3 } }],
          enqueue: [{ key: itemId, type: 'Tell', data: { text: 'started' } }],
        }),
      }),
      Tell: onMessage({
        data: t.type({ text: t.string }),
        key: ({ text }) => text,
        handle: ({ text }) => void told.push(text),
      }),
    });
    const local = localPartitions({ store, handlers, retry: { delayMs: 1 } });
    const sent = await toPromise(local.send({ type: 'Start', id: '1', data: { itemId: 'a' } }));
    expect(await sent.outcome).toMatchObject({ right: { _tag: 'Duplicate' } });
    await local.idle();
    expect(told).toEqual(['started']);
    await local.stop();
  });

  it('end in bounded time: what is not handled then is answered so, and nothing is taken any more', async () => {
    const local = start(memoryStore(), () => new Promise<void>(() => undefined), { partitions: 1 });
    await fill(local, 'a', 9);
    const all = await Promise.all(['one', 'two'].map((one) => toPromise(order(local, 'a', one))));
    await eventually('it hangs', () => local.state()[0]?.inHand?.id === 'one');
    await local.stop(30);
    for (const { outcome } of all)
      expect(await outcome).toMatchObject({ left: { _tag: 'PartitionsStopped' } });
    expect(await order(local, 'a', 'three')()).toMatchObject({ left: { _tag: 'PartitionsStopped' } });
  });
});
