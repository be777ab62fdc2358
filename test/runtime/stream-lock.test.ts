/** The lock of a stream: a fair line inside one process, other processes respected, tokens that no failed work shares. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { toPromise } from '../../src/core/fault.js';
import { defaultTenant, type StreamName } from '../../src/core/stream.js';
import { streamLeaseName } from '../../src/runtime/leases/stream-lease.js';
import { type LockRequest, withLock } from '../../src/runtime/leases/stream-lock.js';
import { handlerContext } from '../../src/runtime/queue/worker-options.js';
import type { EventStore } from '../../src/store/event-store.js';
import { realTimers } from '../../src/store/timers.js';
import type { Leases } from '../../src/store/leases.js';
import { leasesOf } from '../../src/testing/contract/leases.js';
import { freshId, onBothStores } from '../cases/support.js';
import { strategyOn } from '../support/inventory-strategies.js';
import { appendUnder } from './lease-support.js';
import { gate, pause } from './worker-support.js';

const contextOn = (store: EventStore, holder = 'one') =>
  handlerContext({}, store, { holder, enqueues: 'byCaller' });

const never = (): AbortSignal => new AbortController().signal;

const lockOf = (more: Partial<LockRequest> = {}): LockRequest => ({
  ...{ tenant: defaultTenant, streamName: `item-${freshId()}` as StreamName },
  ...{ waitMaxMs: 30_000, signal: never(), ...more },
});

/** The same, asked for by somebody else. */
const again = (request: LockRequest): LockRequest => ({ ...request, signal: never() });

/** The store, and how many requests for leases are on their way at once, and were made. */
const watched = (store: EventStore) => {
  const leases = leasesOf(store);
  const seen = { now: 0, most: 0, acquired: 0, released: 0 };
  const guarded: Leases = {
    ...leases,
    acquire: (request) => async () => {
      seen.now += 1;
      seen.most = Math.max(seen.most, seen.now);
      seen.acquired += 1;
      const answer = await leases.acquire(request)();
      seen.now -= 1;
      return answer;
    },
    release: (lease) => async () => {
      seen.released += 1;
      return leases.release(lease)();
    },
  };
  return { seen, store: { ...store, leases: guarded } };
};

const done = async (): Promise<E.Either<never, string>> => E.right('done');

onBothStores('the lock of a stream', {
  'is given in the order in which it was asked for, whoever’s context it is': async ({ store }) => {
    const contexts = [contextOn(store, 'one'), contextOn(store, 'two')] as const;
    const request = lockOf();
    const order: number[] = [];
    const tasks = Array.from({ length: 40 }, (_, index) =>
      withLock(index % 2 === 0 ? contexts[0] : contexts[1], again(request), async () => {
        order.push(index);
        if (index % 5 === 0) await pause(1);
        return index % 7 === 0 ? E.left({ _tag: 'Failed' as const }) : E.right(index);
      }),
    );
    await Promise.all(tasks);
    expect(order).toEqual(Array.from({ length: 40 }, (_, index) => index));
  },

  'holds while its work runs, also where the store’s renewal or return throws: then it rejects with that bug':
    async ({ store }) => {
      const bug = () => async () => {
        throw new TypeError('a bug of the store');
      };
      // A thousand times as fast, so that it is renewed at once.
      const { after } = realTimers;
      const timers = { ...realTimers, after: (ms: number, run: () => void) => after(ms / 1_000, run) };
      const calledOff = new AbortController();
      const asked = [
        { broken: { renew: bug }, request: lockOf() },
        { broken: { release: bug }, request: lockOf({ signal: calledOff.signal }) },
      ];
      for (const { broken, request } of asked) {
        const context = contextOn({ ...store, leases: { ...leasesOf(store), ...broken } });
        let isDone = false;
        const work = withLock(
          { ...context, environment: { ...context.environment, timers } },
          request,
          async () => {
            if ('release' in broken) calledOff.abort();
            await pause(40);
            isDone = true;
            return done();
          },
        );
        await expect(work).rejects.toThrow('a bug of the store');
        expect(isDone).toBe(true);
      }
    },

  'is asked of the store with one request at a time, and not by each of those who wait': async ({
    store,
  }) => {
    const { seen, store: one } = watched(store);
    const context = contextOn(one);
    const request = lockOf();
    const name = streamLeaseName('lock', request);
    const theirs = await toPromise(leasesOf(store).acquire({ name, holder: 'them', ttlMs: 60_000 }));
    const tasks = Array.from({ length: 64 }, () => withLock(context, again(request), done));
    await pause(60);
    await toPromise(leasesOf(store).release(theirs));
    for (const answer of await Promise.all(tasks)) expect(answer).toEqual(E.right('done'));
    expect(seen.most).toBe(1);
  },

  'is handed over from one to the next under one token, but not for ever': async ({ store }) => {
    const { seen, store: one } = watched(store);
    const context = contextOn(one);
    const request = lockOf();
    const tokens: number[] = [];
    const task = () =>
      withLock(context, again(request), async ({ token }) => {
        tokens.push(token);
        return E.right(undefined);
      });
    await Promise.all(Array.from({ length: 40 }, task));
    const used = [...new Set(tokens)];
    expect(used.map((token) => tokens.filter((each) => each === token).length)).toEqual([17, 17, 6]);
    expect([seen.acquired, seen.released]).toEqual([3, 3]);
  },

  'is never shared with what comes after a failure or a bug': async ({ store }) => {
    const context = contextOn(store);
    const request = lockOf();
    const tokens: number[] = [];
    const task = (end: () => E.Either<{ readonly _tag: 'Failed' }, number>) =>
      withLock(context, request, async ({ token }) => {
        tokens.push(token);
        return end();
      });
    const thrown = new Error('a bug');
    const all = await Promise.allSettled([
      task(() => E.left({ _tag: 'Failed' })),
      task(() => {
        throw thrown;
      }),
      task(() => E.right(1)),
      task(() => E.right(2)),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    const [first = 0] = tokens;
    expect(tokens).toEqual([first, first + 1, first + 2, first + 2]);
  },

  'leaves a handler that hangs past its time at once, and takes nothing that it still comes to': async ({
    store,
  }) => {
    const context = contextOn(store);
    const time = new AbortController();
    const request = lockOf();
    const { opened, open } = gate();
    let late: unknown;
    const hung = withLock(context, { ...request, signal: time.signal }, async (fence) => {
      await opened;
      late = await appendUnder(store, request.streamName, fence)();
      return E.right('late');
    });
    let next: unknown;
    const after = withLock(context, request, async (fence) => {
      next = await appendUnder(store, request.streamName, fence)();
      return E.right('next');
    });
    await pause(20);
    expect(next).toBeUndefined();
    time.abort();
    expect(await after).toEqual(E.right('next'));
    open();
    await hung;
    expect(next).toMatchObject({ _tag: 'Right' });
    expect(late).toMatchObject({ _tag: 'Left', left: { _tag: 'LeaseLost' } });
  },

  'tells by name who had it all the time, from inside the line too': async ({ store }) => {
    const request = lockOf();
    const { opened, open } = gate();
    const first = withLock(contextOn(store, 'the first'), request, async () => {
      await opened;
      return E.right(1);
    });
    await pause(20);
    let ran = false;
    const refused = await withLock(contextOn(store, 'second'), { ...request, waitMaxMs: 30 }, async () => {
      ran = true;
      return E.right(2);
    });
    expect(refused).toMatchObject({ left: { _tag: 'LockTimeout', holder: 'the first' } });
    expect(E.isLeft(refused) && 'waitedMs' in refused.left && refused.left.waitedMs >= 29).toBe(true);
    expect(ran).toBe(false);
    open();
    expect(await first).toEqual(E.right(1));
    // Who gave up stands in nobody's way.
    expect(await withLock(contextOn(store), request, done)).toEqual(E.right('done'));
  },

  'lets those go who are told to stop, and keeps the line whole': async ({ store }) => {
    const context = contextOn(store);
    const request = lockOf();
    const { opened, open } = gate();
    const stop = new AbortController();
    const ran: string[] = [];
    const task = (name: string, signal: AbortSignal, until: Promise<void> = Promise.resolve()) =>
      withLock(context, { ...request, signal }, async () => {
        await until;
        ran.push(name);
        return E.right(name);
      });
    const first = task('first', never(), opened);
    const second = task('second', stop.signal);
    const third = task('third', never());
    await pause(20);
    stop.abort();
    expect(await second).toMatchObject({ left: { _tag: 'LockTimeout', holder: 'one' } });
    open();
    expect([await first, await third]).toEqual([E.right('first'), E.right('third')]);
    expect(ran).toEqual(['first', 'third']);
  },

  'counts the wait for another process, and respects it': async ({ store, second }) => {
    const request = lockOf();
    const name = streamLeaseName('lock', request);
    const theirs = await toPromise(leasesOf(second).acquire({ name, holder: 'them', ttlMs: 60_000 }));
    const context = contextOn(store);
    const tasks = [60, 30, 30_000].map((waitMaxMs) => withLock(context, { ...request, waitMaxMs }, done));
    for (const refused of [await tasks[0], await tasks[1]])
      expect(refused).toMatchObject({ left: { _tag: 'LockTimeout', holder: 'them' } });
    await toPromise(leasesOf(second).release(theirs));
    expect(await tasks[2]).toEqual(E.right('done'));
  },

  'goes from process to process while each has many who wait': async ({ store, second }) => {
    const request = lockOf();
    let inside = 0;
    const ran: number[] = [];
    const task = (context: ReturnType<typeof contextOn>, process: number) =>
      withLock(context, again(request), async () => {
        inside += 1;
        expect(inside).toBe(1);
        await pause(1);
        inside -= 1;
        ran.push(process);
        return E.right(process);
      });
    const contexts = [contextOn(store, 'one'), contextOn(second, 'two')];
    const tasks = Array.from({ length: 50 }).flatMap(() => contexts.map((context, at) => task(context, at)));
    for (const answer of await Promise.all(tasks)) expect(E.isRight(answer)).toBe(true);
    expect([0, 1].map((process) => ran.filter((one) => one === process).length)).toEqual([50, 50]);
  },

  'lets 64 writers of one process have the same item, with what is set by default': async ({ store }) => {
    const itemId = freshId();
    const writers = strategyOn('lock', store, { workMs: 1, lockWaitMaxMs: 5_000 });
    await writers.handle({
      ...{ id: `${itemId}-delivery`, type: 'AdjustInventory' },
      data: { itemId, delta: 1_000, reason: 'delivery' },
    });
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, writer) => {
        const orderId = `${itemId}-${writer}`;
        return writers.handle({
          id: orderId,
          type: 'ReserveInventory',
          data: { itemId, orderId, quantity: 1 },
        });
      }),
    );
    for (const answer of answers) expect(answer).toMatchObject({ right: { _tag: 'Appended' } });
    expect(await writers.stockOf(itemId)).toMatchObject({ reserved: 64 });
    await writers.stop();
  },
});
