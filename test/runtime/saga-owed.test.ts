/** What is owed is done: messages leave once in order, compensations run, and a crash at any append loses nothing. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  type Dispatched,
  type EventStore,
  memoryStore,
  recordTypes,
  sagaRuntime,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { concurrently, followUntilDone } from '../cases/support.js';
import { basketSaga, message } from '../support/basket.js';
import { toHandlers, toQueue } from '../../src/runtime/saga/saga-transport.js';
import { Crash, faultyStore } from '../support/faulty-store.js';

const stream = 'basket-b' as StreamName;
const typesOf = async (store: EventStore): Promise<ReadonlyArray<string>> =>
  (await toPromise(store.readStream({ streamName: stream, maxCount: 4096 }))).events.map(({ type }) => type);

const textsOf = (dispatched: ReadonlyArray<Dispatched>): ReadonlyArray<string> =>
  dispatched.map(({ type, data }) => `${type} ${(data as { text?: string }).text ?? ''}`.trim());

describe('the subscription that does what is owed', () => {
  it('dispatches what was released, in order, under stable ids; a second follower of the same name sends nothing again', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    for (const text of ['one', 'two', 'three'])
      await toPromise(runtime.handle(message('Tell', { text, once: false })));
    expect(textsOf(await followUntilDone(store))).toEqual(['Notice one', 'Notice two', 'Notice three']);
    expect(await followUntilDone(store)).toEqual([]);
  });

  it('sends a held message only after its merge', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    const dispatched: Dispatched[] = [];
    const following = runtime.follow({ dispatch: (one) => void dispatched.push(one), pollMs: 1 });
    await Promise.all(
      [1, 2, 3, 4].map((n) => toPromise(runtime.handle(message('Tell', { text: `${n}`, once: false })))),
    );
    await following.caughtUp();
    await following.stop();
    const mergedAt = (await typesOf(store)).flatMap((type, index) =>
      type === recordTypes.sagaMerged ? [index + 1] : [],
    );
    expect(dispatched).toHaveLength(4);
    for (const { version } of dispatched.slice(1)) expect(mergedAt).toContain(version);
  });

  it('delivers a message again, under the same id, until it is taken, and the saga’s next one after it', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store, retry: { delayMs: 1, attemptsMax: 5 } });
    for (const text of ['one', 'two'])
      await toPromise(runtime.handle(message('Tell', { text, once: false })));
    const tried: string[] = [];
    const dispatched: Dispatched[] = [];
    const following = runtime.follow({
      dispatch: (one) => {
        tried.push(one.id);
        if (tried.length < 4) throw new Error('the transport is down');
        dispatched.push(one);
      },
      pollMs: 2,
    });
    await following.caughtUp();
    await following.stop();
    expect(textsOf(dispatched)).toEqual(['Notice one', 'Notice two']);
    expect(tried.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => tried[0]));
    expect(tried).toHaveLength(5);
  });

  it('parks a message that is never taken, says so, and delivers it to the next follower', async () => {
    const store = memoryStore();
    const parked: unknown[] = [];
    const hooks = { onDeliveryParked: (notice: unknown) => void parked.push(notice) };
    const runtime = sagaRuntime(basketSaga(), { store, retry: { delayMs: 1, attemptsMax: 3 }, hooks });
    await toPromise(runtime.handle(message('Tell', { text: 'stuck', once: false })));
    await toPromise(runtime.handle(message('Tell', { text: 'free', once: false }, undefined, 'c')));
    const taken: Dispatched[] = [];
    const following = runtime.follow({
      dispatch: {
        deliver: async (one) => {
          if (one.sagaId === 'b') throw new Error('never');
          taken.push(one);
        },
      },
      pollMs: 2,
    });
    await following.caughtUp();
    await following.stop();
    expect(textsOf(taken)).toEqual(['Notice free']);
    expect(parked).toEqual([
      expect.objectContaining({ streamName: 'basket-b', kind: 'message', attempts: 3, error: 'never' }),
    ]);
    expect(textsOf(await followUntilDone(store))).toContain('Notice stuck');
  });

  it('lets a slow transport hold back nobody but its own saga', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    const dispatched: string[] = [];
    let letGo: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const following = runtime.follow({
      dispatch: async ({ sagaId, data }) => {
        if (sagaId === 'slow') await slow;
        dispatched.push(`${sagaId} ${(data as { text: string }).text}`);
      },
      pollMs: 1,
    });
    const tell = (sagaId: string, text: string) =>
      toPromise(runtime.handle(message('Tell', { text, once: false }, undefined, sagaId)));
    for (const text of ['one', 'two']) for (const sagaId of ['slow', 'b', 'c']) await tell(sagaId, text);
    while (dispatched.length < 4) await new Promise((resolve) => setTimeout(resolve, 1));
    // Later batches as well, while the first message of the slow one is still on its way.
    await tell('slow', 'three');
    await tell('b', 'three');
    while (dispatched.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(dispatched.some((text) => text.startsWith('slow'))).toBe(false);
    // The checkpoint waits for it.
    expect(await toPromise(store.checkpoints.load('basket'))).toBeUndefined();
    letGo();
    await following.caughtUp();
    await following.stop();
    for (const sagaId of ['slow', 'b'])
      expect(dispatched.filter((text) => text.startsWith(sagaId))).toEqual(
        ['one', 'two', 'three'].map((text) => `${sagaId} ${text}`),
      );
    expect(await followUntilDone(store)).toEqual([]);
  });

  it('delivers to so many at once, and takes in no more sagas than may be on their way', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    for (let n = 0; n < 24; n += 1)
      await toPromise(runtime.handle(message('Tell', { text: `${n}`, once: false }, undefined, `s${n}`)));
    let atOnce = 0;
    let atOnceMost = 0;
    const following = runtime.follow({
      dispatch: async () => {
        atOnce += 1;
        atOnceMost = Math.max(atOnceMost, atOnce);
        await new Promise((resolve) => setTimeout(resolve, 2));
        atOnce -= 1;
      },
      dispatchConcurrency: 3,
      dispatchAheadMax: 8,
      pollMs: 1,
    });
    await following.caughtUp();
    await following.stop();
    expect(atOnceMost).toBe(3);
    expect(await followUntilDone(store)).toEqual([]);
  });

  it('puts messages into a durable queue, each once, and by type into handlers', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    for (const text of ['one', 'two'])
      await toPromise(runtime.handle(message('Tell', { text, once: false })));
    const handled: Dispatched[] = [];
    const transports = [
      toQueue(store.queue, 'notices'),
      toQueue(store.queue, 'notices', ({ sagaId }) => sagaId),
      toHandlers({ Notice: (one) => void handled.push(one) }),
    ];
    for (const [index, dispatch] of transports.entries()) {
      const following = runtime.follow({ dispatch, subscriber: `s${index}`, pollMs: 1 });
      await following.caughtUp();
      await following.stop();
    }
    const partition = { queue: 'notices', index: 0, of: 1 };
    const taken = await toPromise(store.queue.take({ partition, maxCount: 10 }));
    expect(taken).toMatchObject([
      { id: handled[0]?.id, key: 'basket-b', type: 'Notice', data: { text: 'one' } },
    ]);
    await toPromise(store.queue.done(taken));
    const next = await toPromise(store.queue.take({ partition, maxCount: 10 }));
    expect(next).toMatchObject([{ id: handled[1]?.id, data: { text: 'two' } }]);
    await toPromise(store.queue.done(next));
    expect(await toPromise(store.queue.take({ partition, maxCount: 10 }))).toEqual([]);
  });

  it('delivers again what takes too long', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store, retry: { delayMs: 1 } });
    await toPromise(runtime.handle(message('Tell', { text: 'hello', once: false })));
    const ids: string[] = [];
    const following = runtime.follow({
      dispatch: ({ id }) => (ids.push(id) === 1 ? new Promise<void>(() => undefined) : undefined),
      deliverTimeMaxMs: 20,
      pollMs: 1,
    });
    await following.caughtUp();
    await following.stop();
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  it('finishes a merge whose process died after its branch record', async () => {
    const store = memoryStore();
    const saga = basketSaga();
    let died = false;
    const dying = faultyStore(store, (_call, { events }) =>
      events[0]?.type === recordTypes.mergeSagaState ? ((died = true), 'crashAfter') : 'none',
    );
    // Two processes: the second one loses, and dies when its branch is recorded.
    const two = concurrently({ store: dying, second: dying }, [
      message('Add', { by: 1 }),
      message('Add', { by: 2 }),
    ]);
    await expect(two).rejects.toBeInstanceOf(Crash);
    expect(died).toBe(true);
    await followUntilDone(store);
    expect(await toPromise(sagaRuntime(saga, { store }).load('b'))).toMatchObject({
      state: { count: 3 },
      pending: [],
    });
  });

  it('finishes a merge whose process died after one append of many decisions', async () => {
    const store = memoryStore();
    let died = false;
    const dying = sagaRuntime(basketSaga(), {
      store: faultyStore(store, (call) => (call === 1 ? ((died = true), 'crashAfter') : 'crashBefore')),
    });
    await Promise.allSettled([1, 2, 4].map((by) => dying.handle(message('Add', { by }))()));
    expect(died).toBe(true);
    expect(await typesOf(store)).toEqual(['Added', recordTypes.mergeSagaState, recordTypes.mergeSagaState]);
    await followUntilDone(store);
    expect(await toPromise(sagaRuntime(basketSaga(), { store }).load('b'))).toMatchObject({
      state: { count: 7 },
      pending: [],
    });
  });
});

describe('compensation hooks', () => {
  const diverge = async (saga: ReturnType<typeof basketSaga>) => {
    const store = memoryStore();
    const runtime = sagaRuntime(saga, { store });
    await Promise.all(
      [message('Tell', { text: 'wrong', once: true }), message('Add', { by: 1 })].map((one) =>
        toPromise(runtime.handle(one)),
      ),
    );
    return store;
  };

  it('run once after the merge, for what had left, under a stable id, and what they send leaves once', async () => {
    const runs: unknown[] = [];
    const saga = basketSaga({ compensateTold: true, onHook: (data) => void runs.push(data) });
    const store = await diverge(saga);
    expect(textsOf(await followUntilDone(store, saga))).toEqual(['Notice wrong', 'Undo wrong']);
    await followUntilDone(store, saga);
    expect(runs).toEqual([{ text: 'wrong', branches: 1 }]);
    expect((await typesOf(store)).filter((type) => type === recordTypes.compensationApplied)).toHaveLength(1);
  });

  it('that fail are tried again with the same id, and each failure is on the stream', async () => {
    const saga = basketSaga({
      compensateTold: true,
      onHook: (_data, attempt) => {
        if (attempt < 3) throw new Error(`attempt ${attempt}`);
      },
    });
    const store = await diverge(saga);
    await followUntilDone(store, saga);
    expect((await typesOf(store)).filter((type) => type.startsWith('Compensation'))).toEqual([
      'CompensationFailed',
      'CompensationFailed',
      'CompensationApplied',
    ]);
  });

  it('that keep failing are parked after the last attempt, visibly', async () => {
    const saga = basketSaga({
      compensateTold: true,
      onHook: () => {
        throw new Error('never');
      },
    });
    const store = await diverge(saga);
    await followUntilDone(store, saga);
    const page = await toPromise(store.readStream({ streamName: stream }));
    expect(page.events.at(-1)).toMatchObject({
      type: 'CompensationFailed',
      data: { attempt: 3, parked: true, error: 'never' },
    });
    await followUntilDone(store, saga);
    expect((await typesOf(store)).filter((type) => type === recordTypes.compensationFailed)).toHaveLength(3);
  });
});

describe('a crash', () => {
  const messages = () => [
    message('Add', { by: 1 }, 'a1'),
    message('Tell', { text: 'one', once: true }, 't1'),
    message('Tell', { text: 'two', once: true }, 't2'),
    message('Add', { by: 2 }, 'a2'),
    message('Put', { item: 'pear' }, 'p1'),
  ];

  it.each(['crashBefore', 'crashAfter', 'lostAfter', 'refusedBefore'] as const)(
    'of kind %s at any append loses nothing and doubles nothing, once the messages are delivered again',
    async (fault) => {
      let isOver = false;
      for (let at = 1; !isOver && at < 60; at += 1) {
        const store = memoryStore();
        let happened = false;
        const saga = basketSaga({ compensateTold: true });
        const faulty = faultyStore(store, (call) => {
          // A dead process makes no further calls.
          if (happened && fault.startsWith('crash')) return 'crashBefore';
          if (call !== at) return 'none';
          happened = true;
          return fault;
        });
        const runtime = sagaRuntime(saga, { store: faulty });
        const results = await Promise.allSettled(messages().map((one) => runtime.handle(one)()));
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(Crash);
        isOver = !happened;
        const restarted = sagaRuntime(saga, { store });
        for (const one of messages()) expect(E.isRight(await restarted.handle(one)())).toBe(true);
        const sent = textsOf(await followUntilDone(store, saga));
        const { state, pending } = await toPromise(restarted.load('b'));
        expect({ at, count: state.count, items: Object.keys(state.items), pending }).toEqual({
          at,
          count: 3,
          items: ['pear'],
          pending: [],
        });
        expect(sent.filter((text) => text.startsWith('Notice'))).toHaveLength(1);
        expect(await toPromise(restarted.owed('b'))).toMatchObject({ merges: [], compensations: [] });
      }
      expect(isOver).toBe(true);
    },
  );
});
