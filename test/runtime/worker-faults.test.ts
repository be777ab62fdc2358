/** What goes wrong under a worker: crashes, poison, hangs and owners who come too late. Nothing is lost, nothing has two effects. */
import { expect } from '@jest/globals';
import { toPromise } from '../../src/core/fault.js';
import type { QueueWorker } from '../../src/runtime/queue/queue-worker.js';
import type { WorkerHooks } from '../../src/runtime/queue/worker-options.js';
import { freshId, onBothStores, withAppend } from '../cases/support.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  left,
  mortal,
  pause,
  queueOf,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

/** Notes what a worker tells, as short words. */
const noting = (notes: string[]): WorkerHooks => ({
  onHandled: ({ message, outcome }) => void notes.push(`${message.id} ${outcome._tag}`),
  onRetry: ({ message, error }) => void notes.push(`${message.id} retry ${error._tag}`),
  onParked: ({ message, error }) => void notes.push(`${message.id} parked ${error._tag}`),
});

const stocked = async (store: Parameters<typeof enqueue>[0], queue: string, itemId: string) => {
  await enqueue(store, stock(queue, itemId, 100));
  const one = worker({ store, queue, handlers: itemHandlers() });
  await eventually('stocked', async () => (await left(store, queue)).depth === 0);
  await one.stop();
};

onBothStores('a queue worker in trouble', {
  'that dies after its append and before its answer: the message comes again and is recognised': async ({
    store,
    second,
  }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    await enqueue(store, reserve(queue, itemId, order));
    const dying = mortal(store);
    const dies = withAppend(dying.store, async (request) => {
      const appended = await store.append(request)();
      dying.kill();
      return appended;
    });
    const dead = worker({ store: dies, queue, handlers: itemHandlers() });
    await eventually('written', async () => (await reservedOf(store, itemId)).length === 1);
    const notes: string[] = [];
    const heir = worker({ store: second, queue, handlers: itemHandlers(), hooks: noting(notes) });
    await eventually('handled by the heir', () => notes.length === 1);
    await Promise.all([heir.stop(), dead.stop(0)]);
    expect(notes).toEqual([`${order} Duplicate`]);
    expect(await reservedOf(store, itemId)).toEqual([order]);
  },

  'whose message kills its process is counted: the message is parked without being run again': async ({
    store,
    second,
  }) => {
    const [queue, itemId, killer] = [freshId(), freshId(), freshId()];
    const other = freshId();
    await stocked(store, queue, itemId);
    await enqueue(store, reserve(queue, itemId, killer), reserve(queue, itemId, other));
    let runs = 0;
    const dead: QueueWorker[] = [];
    for (let death = 1; death <= 3; death += 1) {
      const dying = mortal(store);
      const handlers = itemHandlers(() => {
        runs += 1;
        dying.kill();
      });
      dead.push(worker({ store: dying.store, queue, handlers }));
      await eventually(`death ${death}`, () => runs === death);
    }
    const notes: string[] = [];
    const heir = worker({ store: second, queue, handlers: itemHandlers(), hooks: noting(notes) });
    await eventually('parked', () => notes.length === 1);
    await pause(50);
    expect(notes).toEqual([`${killer} parked AttemptsUsedUp`]);
    const letters = await toPromise(queueOf(store).deadLetters.list({ queue }));
    expect(letters.map(({ id, waiting }) => [id, waiting])).toEqual([[killer, 1]]);
    await toPromise(queueOf(store).deadLetters.retry(letters[0] as never));
    await eventually('both handled', () => notes.length === 3);
    await Promise.all([heir, ...dead].map((one) => one.stop(0)));
    expect(runs).toBe(3);
    expect(await reservedOf(store, itemId)).toEqual([killer, other]);
  },

  'parks poison, holds back those of its key alone, and goes on where it was mended': async ({ store }) => {
    const [queue, sick, well] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, sick);
    await stocked(store, `${queue}`, well);
    let isMended = false;
    const notes: string[] = [];
    const handlers = itemHandlers(({ id }) => {
      if (id === `${sick}-1` && !isMended) throw new Error('cannot');
    });
    const running = worker({ store, queue, handlers, hooks: noting(notes), partitions: 1 });
    const orders = [1, 2, 3].flatMap((n) => [
      reserve(queue, sick, `${sick}-${n}`),
      reserve(queue, well, `${well}-${n}`),
    ]);
    await enqueue(store, ...orders);
    await eventually('parked', () => notes.some((note) => note.includes('parked')));
    await eventually('others handled', () => notes.filter((note) => note.startsWith(well)).length === 3);
    expect(await reservedOf(store, sick)).toEqual([]);
    expect(notes.filter((note) => note.startsWith(sick))).toEqual([
      `${sick}-1 retry HandlerThrew`,
      `${sick}-1 retry HandlerThrew`,
      `${sick}-1 parked HandlerThrew`,
    ]);
    const [letter] = await toPromise(queueOf(store).deadLetters.list({ queue }));
    expect(letter?.history.map(({ error }) => error)).toEqual(
      Array(3).fill('HandlerThrew: Reserve: cannot') as string[],
    );
    isMended = true;
    await toPromise(queueOf(store).deadLetters.retry(letter as never));
    await eventually('all handled', async () => (await reservedOf(store, sick)).length === 3);
    await running.stop();
    expect(await reservedOf(store, sick)).toEqual([1, 2, 3].map((n) => `${sick}-${n}`));
  },

  'stops a handler that hangs, and nothing that it comes to later is written': async ({ store }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    const notes: string[] = [];
    const tokens: number[] = [];
    const aborted: boolean[] = [];
    let release: () => void = () => undefined;
    const handlers = itemHandlers(async ({ attempt, signal }) => {
      if (attempt > 1) return;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      aborted.push(signal.aborted);
    });
    const running = worker({
      ...{ store, queue, handlers, partitions: 1, handlerTimeMaxMs: 60 },
      hooks: { ...noting(notes), onPartitionTaken: ({ token }) => void tokens.push(token) },
    });
    await enqueue(store, reserve(queue, itemId, order));
    await eventually('handled', () => notes.length === 2);
    expect(notes).toEqual([`${order} retry HandlerTimedOut`, `${order} Appended`]);
    expect(running.state().partitions[0]?.token).toBe((tokens[0] as number) + 1);
    release();
    await eventually('the first handler went on', () => aborted.length === 1);
    await pause(30);
    await running.stop();
    expect(aborted).toEqual([true]);
    expect(await reservedOf(store, itemId)).toEqual([order]);
  },

  'fences off an append of a hung handler that was on its way already': async ({ store }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    const notes: string[] = [];
    const refusals: string[] = [];
    let isFirst = true;
    const slow = withAppend(store, async (request, append) => {
      if (!isFirst) return append(request)();
      isFirst = false;
      await eventually('given up', () => notes.length > 0);
      const late = await append(request)();
      if (late._tag === 'Left') refusals.push(late.left._tag);
      return late;
    });
    const hooks = noting(notes);
    const options = { store: slow, queue, handlers: itemHandlers(), partitions: 1, hooks };
    await enqueue(store, reserve(queue, itemId, order));
    const running = worker({ ...options, handlerTimeMaxMs: 60, retry: { attemptsMax: 1 } });
    await eventually('refused', () => refusals.length === 1);
    await running.stop();
    expect(notes).toEqual([`${order} parked HandlerTimedOut`]);
    expect(refusals).toEqual(['LeaseLost']);
    expect(await reservedOf(store, itemId)).toEqual([]);
  },

  'that was too slow writes nothing once its partition is another’s': async ({ store, second }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    await enqueue(store, reserve(queue, itemId, order));
    const refusals: string[] = [];
    const lost: string[] = [];
    const heirs: string[] = [];
    let isTaken = false;
    const stalled = mortal(store);
    // As a process that is stopped past its lease: it renews nothing, and its append comes when another has the partition.
    const slow = withAppend({ ...store, leases: stalled.store.leases }, async (request, append) => {
      stalled.kill();
      await eventually('taken over', () => isTaken);
      const late = await append(request)();
      if (late._tag === 'Left') refusals.push(late.left._tag);
      return late;
    });
    const old = worker({
      ...{ store: slow, queue, handlers: itemHandlers() },
      hooks: { ...noting(lost), onPartitionLost: ({ reason }) => void lost.push(reason) },
    });
    await eventually('begun', async () => old.state().partitions.some(({ inHand }) => inHand.length > 0));
    const handlers = itemHandlers(async () => {
      isTaken = true;
      await eventually('refused', () => refusals.length === 1);
    });
    const heir = worker({ store: second, queue, handlers, hooks: noting(heirs) });
    await eventually('noticed', () => lost.length === 4);
    await eventually('handled', () => heirs.length === 1);
    await Promise.all([heir.stop(), old.stop(0)]);
    expect(heirs).toEqual([`${order} Appended`]);
    expect(refusals).toEqual(['LeaseLost']);
    expect(lost).toEqual(['lost', 'lost', 'lost', 'lost']);
    expect(await reservedOf(store, itemId)).toEqual([order]);
  },

  'breaks off a handler that never pauses, where the store is durable': async ({ store }) => {
    if (!store.capabilities.durable) return;
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    const notes: string[] = [];
    const handlers = itemHandlers(({ attempt }) => {
      while (attempt === 1);
    });
    const running = worker({ store, queue, handlers, hooks: noting(notes), handlerTimeMaxMs: 100 });
    await enqueue(store, reserve(queue, itemId, order));
    await eventually('handled', () => notes.length === 2);
    await running.stop();
    expect(notes).toEqual([`${order} retry HandlerTimedOut`, `${order} Appended`]);
  },

  'tells by name of a lock that was not given in time, and writes nothing': async ({ store, second }) => {
    const [queue, itemId] = [freshId(), freshId()];
    await stocked(store, queue, itemId);
    const notes: string[] = [];
    const handlers = itemHandlers(() => eventually('timed out', () => notes.length > 0), 'lock', 30);
    const hooks = noting(notes);
    const workers = [store, second].map((one) =>
      worker({ store: one, queue, handlers, hooks, concurrency: 2 }),
    );
    const orders = Array.from({ length: 2 }, freshId);
    // Keys of their own: nothing but the lock keeps them apart.
    await enqueue(store, ...orders.map((order) => ({ ...reserve(queue, itemId, order), key: order })));
    await eventually('both handled', async () => (await reservedOf(store, itemId)).length === 2);
    await Promise.all(workers.map((one) => one.stop()));
    expect(notes[0]).toMatch(/retry LockTimeout/);
    expect(notes.filter((note) => note.includes('Appended')).length).toBe(2);
  },

  'knows a message that comes again although the state is in hand and the queue has forgotten it': async ({
    store,
  }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    const notes: string[] = [];
    const running = worker({ store, queue, handlers: itemHandlers(), hooks: noting(notes) });
    const all = reserve(queue, itemId, order, 100);
    await enqueue(store, all);
    await eventually('handled', () => notes.length === 1);
    await pause(5);
    await toPromise(queueOf(store).forget(0));
    await enqueue(store, all);
    running.wake();
    await eventually('handled again', () => notes.length === 2);
    await running.stop();
    expect(notes).toEqual([`${order} Appended`, `${order} Duplicate`]);
  },

  'waits out a store that cannot be reached, and counts no attempt for it': async ({ store }) => {
    const [queue, itemId, order] = [freshId(), freshId(), freshId()];
    await stocked(store, queue, itemId);
    let outages = 3;
    const notes: string[] = [];
    const attempts: number[] = [];
    const flaky = withAppend(store, async (request, append) => {
      outages -= 1;
      if (outages < 0) return append(request)();
      return { _tag: 'Left', left: { _tag: 'StoreUnavailable', message: 'away' } };
    });
    const handlers = itemHandlers(({ attempt }) => void attempts.push(attempt));
    const running = worker({ store: flaky, queue, handlers, hooks: noting(notes), ttlMs: 5_000 });
    await enqueue(store, reserve(queue, itemId, order));
    await eventually('handled', () => notes.length > 0);
    await running.stop();
    expect(notes).toEqual([`${order} Appended`]);
    expect(attempts).toEqual([1, 1, 1, 1]);
  },

  'ends with what a hook throws, and gives its partitions back': async ({ store }) => {
    const [queue, itemId] = [freshId(), freshId()];
    await enqueue(store, stock(queue, itemId, 1));
    const broken = worker({
      ...{ store, queue, handlers: itemHandlers() },
      hooks: {
        onHandled: () => {
          throw new Error('the hook broke');
        },
      },
    });
    await expect(broken.done).rejects.toThrow('the hook broke');
    const held = await toPromise(store.leases?.list({ prefix: `queue:${queue}:` }) as never);
    expect(held).toEqual([]);
  },
});
