/** Rare schedules, each as small as it can be, that a simulation found: what must come of them. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  type Dispatched,
  type EventStore,
  memoryStore,
  merger,
  recordTypes,
  type Saga,
  saga,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import * as t from 'io-ts';
import { concurrently } from '../cases/support.js';
import { type Basket, basketMerger, basketSaga, message } from '../support/basket.js';

const unavailable = E.left({ _tag: 'StoreUnavailable' as const, message: 'made to fail by a test' });

describe('a merger that says reopen of a saga that has not completed', () => {
  it('lets no second message of a key leave', async () => {
    const reopening = merger<Basket>((conflict) =>
      E.map((answer: object) => ({ ...answer, state: conflict.current, late: 'reopen' as const }))(
        basketMerger.merge(conflict),
      ),
    );
    const runtime = sagaRuntime(basketSaga({ merge: reopening }), { store: memoryStore() });
    const both = ['one', 'two'].map((text) =>
      toPromise(runtime.handle(message('Tell', { text, once: true }))),
    );
    await Promise.all(both);
    expect((await toPromise(runtime.owed('b'))).messages).toHaveLength(1);
    expect(await toPromise(runtime.load('b'))).toMatchObject({ epoch: 1, pending: [] });
  });
});

describe('a process that does not keep the saga’s fold', () => {
  // It sends and nothing else, so that it moves past others who do the same.
  const asking = saga({
    name: 'asking',
    messages: { Ask: t.type({}) },
    sends: { Question: t.type({}) },
    events: {},
    state: t.type({}),
    initialState: {},
    evolve: {},
    react: { Ask: () => ({ send: [{ type: 'Question', data: {}, key: 'question' }] }) },
    onConflict: 'merge',
    merge: basketMerger as never,
  });

  it.each([0, 1_000])(
    'knows which keys have left when it moves past those who sent them, with %i sagas kept',
    async (sagasKept) => {
      const store = memoryStore();
      const asks = ['one', 'two'].map((id) => ({ id, sagaId: 'b', type: 'Ask', data: {} }));
      const answers = await concurrently({ store, second: store }, asks as never, asking as unknown as Saga, {
        sagasKept,
      });
      expect(answers).toMatchObject([
        { right: { _tag: 'Appended', fastForwards: 0 } },
        { right: { _tag: 'Appended', fastForwards: 1 } },
      ]);
      expect((await toPromise(sagaRuntime(asking, { store }).owed('b'))).messages).toHaveLength(1);
    },
  );
});

describe('a process that dies while it merges under the lease', () => {
  it('leaves a merge that a follower waits for, and does not pass by', async () => {
    let now = 0;
    const store = memoryStore({ clockMs: () => now });
    const saga = basketSaga();
    // It holds the lease, and its merge never comes back.
    const dying: EventStore = {
      ...store,
      append: (request) =>
        request.events.some(({ type }) => type === recordTypes.sagaMerged)
          ? () => new Promise(() => undefined)
          : store.append(request),
    };
    const dead = sagaRuntime(saga, { store: dying, leaseAfter: 0 });
    void dead.handle(message('Add', { by: 1 }))();
    void dead.handle(message('Add', { by: 2 }))();
    while ((await toPromise(dead.owed('b'))).merges.length === 0) await new Promise(setImmediate);
    await new Promise(setImmediate);

    const environment = {
      random: () => 0.1,
      sleep: async (ms: number) => {
        now += ms;
        await new Promise(setImmediate);
      },
    };
    const runtime = sagaRuntime(saga, { store, leaseAfter: 0, environment });
    const following = runtime.follow({ mergeAfterMs: 1, pollMs: 1 });
    await following.caughtUp();
    await following.stop();
    expect(await toPromise(runtime.load('b'))).toMatchObject({ state: { count: 3 }, pending: [] });
    // It did wait: the lease was the dead one's for as long as it lasts.
    expect(now).toBeGreaterThan(1_000);
  });
});

describe('a process whose fold is behind', () => {
  it('does not take it for up to date when the read that was to bring the rest failed', async () => {
    const store = memoryStore();
    const broken = { appends: false, reads: false };
    const flaky: EventStore = {
      ...store,
      append: (request) => async () => {
        const answer = await store.append(request)();
        return broken.appends ? unavailable : answer;
      },
      readStream: (request) => async () => (broken.reads ? unavailable : store.readStream(request)()),
    };
    const reacted: string[] = [];
    const hooks = {
      onReacted: ({ messageId }: { readonly messageId: string }) => void reacted.push(messageId),
    };
    const runtime = sagaRuntime(basketSaga(), { store: flaky, hooks });
    const second = message('Add', { by: 2 }, 'second');
    await toPromise(runtime.handle(message('Add', { by: 1 }, 'first')));
    broken.appends = true;
    expect(await runtime.handle(second)()).toMatchObject(unavailable);
    broken.appends = false;
    broken.reads = true;
    expect(await runtime.handle(second)()).toMatchObject(unavailable);
    broken.reads = false;
    expect(await toPromise(runtime.handle(second))).toEqual({ _tag: 'Duplicate' });
    expect(reacted).toEqual(['first', 'second']);
  });

  it('hears of what an earlier fold of the same saga, dropped meanwhile, has learnt', async () => {
    const store = memoryStore();
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const slow: EventStore = {
      ...store,
      append: (request) => async () => {
        if (request.events[0]?.metadata.causationId === 'second') await opened;
        return store.append(request)();
      },
    };
    const reacted: string[] = [];
    const hooks = {
      onReacted: ({ messageId }: { readonly messageId: string }) => void reacted.push(messageId),
    };
    const runtime = sagaRuntime(basketSaga(), { store: slow, hooks, sagasKept: 1 });
    const second = message('Add', { by: 2 }, 'second');
    await toPromise(runtime.handle(message('Add', { by: 1 }, 'first')));
    const handling = toPromise(runtime.handle(second));
    // Another saga takes the only place; then this one is read anew, before the append is made.
    await toPromise(runtime.handle(message('Add', { by: 1 }, 'other', 'c')));
    await toPromise(runtime.handle(message('Nothing', {}, 'nothing')));
    open();
    expect(await handling).toMatchObject({ _tag: 'Appended', version: 2 });
    expect(await toPromise(runtime.handle(second))).toEqual({ _tag: 'Duplicate' });
    expect(reacted.filter((id) => id === 'second')).toHaveLength(1);
  });

  it('may be read by two at once, whoever is answered first', async () => {
    const store = memoryStore();
    await toPromise(sagaRuntime(basketSaga(), { store }).handle(message('Add', { by: 1 })));
    let reads = 0;
    const uneven: EventStore = {
      ...store,
      readStream: (request) => async () => {
        reads += 1;
        const isFirst = reads === 1;
        const page = await store.readStream(request)();
        if (isFirst) await new Promise(setImmediate);
        return page;
      },
    };
    const runtime = sagaRuntime(basketSaga(), { store: uneven });
    const both = [2, 3].map((by) => toPromise(runtime.handle(message('Add', { by }))));
    await Promise.all(both);
    expect(reads).toBeGreaterThan(1);
    expect(await toPromise(runtime.load('b'))).toMatchObject({ state: { count: 6 } });
  });
});

describe('a follower on a clock of its own', () => {
  it('waits with the timers of its environment, and with no others', async () => {
    const store = memoryStore();
    const waits: number[] = [];
    const timers = {
      now: () => 0,
      after: (ms: number, run: () => void) => {
        waits.push(ms);
        setImmediate(run);
        return () => undefined;
      },
      soon: (run: () => void) => void setImmediate(run),
    };
    const runtime = sagaRuntime(basketSaga(), {
      store,
      environment: { random: () => 0, sleep: async () => undefined, timers },
    });
    await toPromise(runtime.handle(message('Tell', { text: 'hello', once: false })));
    const dispatched: Dispatched[] = [];
    const following = runtime.follow({
      dispatch: (one) => void dispatched.push(one),
      pollMs: 59_000,
      deliverTimeMaxMs: 59_000,
      timeouts: { pollMs: 59_000 },
    });
    await following.caughtUp();
    await following.stop();
    expect(dispatched).toHaveLength(1);
    // The machine's own timers would have answered in none of these.
    expect(waits.every((ms) => ms >= 59_000)).toBe(true);
    expect(waits.length).toBeGreaterThan(0);
  });
});
