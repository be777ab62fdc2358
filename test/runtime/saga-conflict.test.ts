/** What a saga does with conflicts: branches, merges, refusals, repeats and completion, on the store in memory. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type EventStore,
  foldSaga,
  hashOf,
  memoryStore,
  mergeRefused,
  merger,
  type RecordedEvent,
  recordTypes,
  sagaRuntime,
  type StreamName,
  tenant,
  toPromise,
} from 'watersmeet';
import * as E from 'fp-ts/lib/Either.js';
import { concurrently } from '../cases/support.js';
import { type Basket, basketMerger, basketSaga, itemsOf, message } from '../support/basket.js';

const stream = 'basket-b' as StreamName;

const recordsOf = async (store: EventStore): Promise<ReadonlyArray<RecordedEvent>> =>
  (await toPromise(store.readStream({ streamName: stream, maxCount: 4096 }))).events;

const typesOf = async (store: EventStore): Promise<ReadonlyArray<string>> =>
  (await recordsOf(store)).map(({ type }) => type);

const start = (saga = basketSaga()) => {
  const store = memoryStore();
  return { store, saga, runtime: sagaRuntime(saga, { store }) };
};

/** Hands messages over at the same moment: all handlers load the same version. */
const atOnce = <S>(
  runtime: { handle: ReturnType<typeof start>['runtime']['handle'] },
  ...messages: ReadonlyArray<S>
) => Promise.all(messages.map((one) => runtime.handle(one as never)()));

/** Each message by a process of its own: the first one gets onto the trunk, and the others meet it at the store. */
const ofProcesses = (
  { store, saga }: Pick<ReturnType<typeof start>, 'store' | 'saga'>,
  ...messages: ReadonlyArray<ReturnType<typeof message>>
) => concurrently({ store, second: store }, messages, saga);

/** A branch of another process that adds 5 to a count of 10 at version 1; the process died before the merge. */
const leaveBranch = async (store: EventStore): Promise<string> => {
  const branchId = '0190163d-8694-739b-aea5-966c26f8ad93';
  const cause = { messageId: 'theirs', type: 'Add', schemaVersion: 1, data: { by: 5 } };
  const events = [{ type: 'Added', schemaVersion: 1, data: { by: 5 } }];
  const baseHash = hashOf({ count: 10, items: {}, highest: 10, prices: {} });
  const data = { branchId, epoch: 1, base: 1, baseHash, events, messages: [], completes: false, cause };
  const branch = {
    eventId: branchId,
    type: recordTypes.mergeSagaState,
    schemaVersion: 1,
    data,
    metadata: {},
  };
  await toPromise(store.append({ streamName: stream, expected: { _tag: 'any' }, events: [branch] }));
  return branchId;
};

describe('a saga in conflict', () => {
  it('keeps both sides’ changes, runs each handler once, and leaves the branch’s events on the trunk', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Add', { by: 10 })));
    const handled = await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    expect(handled.map((one) => E.isRight(one) && one.right._tag)).toEqual(['Appended', 'Merged']);
    expect((await toPromise(runtime.load('b'))).state.count).toBe(13);
    expect(await typesOf(store)).toEqual(['Added', 'Added', 'MergeSagaState', 'Added', 'SagaMerged']);
  });

  it('two messages that start a saga at once merge over an empty base', async () => {
    const { runtime } = start();
    await atOnce(runtime, message('Put', { item: 'pear' }), message('Put', { item: 'plum' }));
    expect(itemsOf((await toPromise(runtime.load('b'))).state)).toEqual(['pear', 'plum']);
  });

  it('an item that one side removed and the other did not touch stays removed', async () => {
    const { runtime } = start();
    await toPromise(runtime.handle(message('Put', { item: 'pear' })));
    await atOnce(runtime, message('Take', { item: 'pear' }), message('Add', { by: 1 }));
    expect(itemsOf((await toPromise(runtime.load('b'))).state)).toEqual([]);
  });

  it('a message that is delivered again before, during and after its merge is handled once', async () => {
    const { store, runtime } = start();
    const [first, twice] = [message('Add', { by: 1 }), message('Add', { by: 2 })];
    await atOnce(runtime, first, twice, twice, twice);
    expect(await toPromise(runtime.handle(twice))).toEqual({ _tag: 'Duplicate' });
    expect((await toPromise(runtime.load('b'))).state.count).toBe(3);
    expect((await typesOf(store)).filter((type) => type === 'Added')).toHaveLength(2);
  });

  it('two processes that get the same message record it once', async () => {
    const { store, saga, runtime } = start();
    const other = sagaRuntime(saga, { store });
    const [first, twice] = [message('Add', { by: 1 }), message('Add', { by: 2 })];
    await Promise.all([
      runtime.handle(first)(),
      runtime.handle(twice)(),
      other.handle(twice)(),
      other.handle(first)(),
    ]);
    expect((await toPromise(runtime.load('b'))).state.count).toBe(3);
  });

  it('a repeat of a MergeSagaState, and one whose message is on the trunk, are void', async () => {
    const { store, saga, runtime } = start();
    await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    const branch = (await recordsOf(store)).find(
      ({ type }) => type === recordTypes.mergeSagaState,
    ) as RecordedEvent;
    const { eventId: _, ...rest } = branch;
    await toPromise(
      store.append({
        streamName: stream,
        expected: { _tag: 'any' },
        events: [{ ...rest, eventId: '0190163d-8694-739b-aea5-966c26f8ad91' }],
      }),
    );
    const before = await typesOf(store);
    expect(await toPromise(sagaRuntime(saga, { store }).resolve('b'))).toEqual({ _tag: 'Nothing' });
    expect(await typesOf(store)).toEqual(before);
    expect((await toPromise(runtime.load('b'))).state.count).toBe(3);
  });

  it('an append that lost only to branch records moves past them, and makes no branch of its own', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Add', { by: 10 })));
    const branchId = await leaveBranch(store);
    expect(await toPromise(runtime.handle(message('Add', { by: 100 })))).toMatchObject({
      _tag: 'Appended',
      fastForwards: 1,
    });
    expect(await toPromise(runtime.resolve('b'))).toMatchObject({ _tag: 'Merged', branchIds: [branchId] });
    expect((await toPromise(runtime.load('b'))).state.count).toBe(115);
  });

  it('events that are declared commuting move past each other without a merge', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Add', { by: 1 })));
    // `Told` commutes with `Added`, but what `Tell` sends was decided on the state: that is a branch.
    await atOnce(runtime, message('Add', { by: 1 }), message('Tell', { text: 'hello', once: false }));
    expect((await typesOf(store)).filter((type) => type === recordTypes.sagaMerged)).toHaveLength(1);
  });

  it('a handler that decides nothing writes nothing, and one that throws writes nothing and says so', async () => {
    const { store, runtime } = start();
    expect(await toPromise(runtime.handle(message('Nothing')))).toEqual({ _tag: 'Nothing' });
    expect(await runtime.handle(message('Break'))()).toMatchObject({
      left: { _tag: 'ReactionFailed', message: 'the handler broke' },
    });
    expect(await runtime.handle(message('Add', { by: 'much' }))()).toMatchObject({
      left: {
        _tag: 'MessageInvalid',
        problem: { problems: [{ path: '$.by', expected: 'number', found: '"much"' }] },
      },
    });
    expect(await typesOf(store)).toEqual([]);
  });

  it('tenants have sagas of their own under the same id', async () => {
    const { store, saga, runtime } = start();
    const acme = E.getOrElseW(() => {
      throw new Error('no tenant');
    })(tenant('acme'));
    const other = sagaRuntime(saga, { store, tenant: acme });
    const same = message('Add', { by: 1 });
    await toPromise(runtime.handle(same));
    expect(await toPromise(other.handle(same))).toMatchObject({ _tag: 'Appended', version: 1 });
  });

  it('a message whose key has left on the trunk is cancelled in the merge; without a key it is released', async () => {
    const { store, runtime } = start();
    await atOnce(
      runtime,
      message('Tell', { text: 'one', once: true }),
      message('Tell', { text: 'two', once: true }),
      message('Tell', { text: 'three', once: false }),
    );
    const sent = (await toPromise(runtime.owed('b'))).messages.map(({ data }) => data);
    expect(sent).toEqual([{ text: 'one' }, { text: 'three' }]);
    expect((await typesOf(store)).filter((type) => type === recordTypes.mergeSagaState)).toHaveLength(2);
  });
});

describe('a merger that cannot', () => {
  const refusing = merger<Basket>(() => E.left(mergeRefused('both sides want the last pear', ['$.items'])));

  it.each([
    ['refuses', refusing, 'both sides want the last pear'],
    [
      'throws',
      merger<Basket>(() => {
        throw new Error('oops');
      }),
      'the merger threw: oops',
    ],
    [
      'answers a state that is none',
      merger<Basket>(() => E.right({ state: { count: Number.NaN } as never })),
      'basket state',
    ],
  ])('%s: the branch stays, the saga is parked, and says why', async (_what, merge, reason) => {
    const { store, runtime } = start(basketSaga({ merge }));
    const handled = await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    expect(handled[1]).toMatchObject({ right: { _tag: 'Branched', isParked: true } });
    const view = await toPromise(runtime.load('b'));
    expect(view.parked?.reason).toContain(reason);
    expect(view.pending).toHaveLength(1);
    expect(await runtime.handle(message('Add', { by: 4 }))()).toMatchObject({ left: { _tag: 'SagaParked' } });
    expect((await typesOf(store)).filter((type) => type === recordTypes.sagaMergeRefused)).toHaveLength(1);
  });

  it('is mended: the follower of the new version merges what was parked, and history keeps the refusal', async () => {
    const { store, runtime } = start(basketSaga({ merge: refusing }));
    await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    const mended = sagaRuntime(basketSaga({ mergerVersion: '2' }), { store });
    const following = mended.follow({ pollMs: 5 });
    await following.caughtUp();
    await following.stop();
    expect(await toPromise(mended.load('b'))).toMatchObject({
      state: { count: 3 },
      pending: [],
      parked: undefined,
    });
    expect(await typesOf(store)).toEqual([
      'Added',
      'MergeSagaState',
      'SagaMergeRefused',
      'Added',
      'SagaMerged',
    ]);
  });

  it('answers differently each time: refused where that is checked', async () => {
    let calls = 0;
    const store = memoryStore();
    const merge = merger<Basket>(({ current }) => E.right({ state: { ...current, count: (calls += 1) } }));
    const runtime = sagaRuntime(basketSaga({ merge }), { store, checkDeterminism: true });
    await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    expect((await toPromise(runtime.load('b'))).parked).toMatchObject({ cause: 'notDeterministic' });
  });

  it('is changed: replay gives the history as it was, because the merged state is stored', async () => {
    const { store, runtime } = start();
    await atOnce(runtime, message('Add', { by: 1 }), message('Add', { by: 2 }));
    const other = basketSaga({
      merge: merger<Basket>(() => E.right({ state: { count: -1, items: {}, highest: 0, prices: {} } })),
    });
    const log = foldSaga(other, await recordsOf(store));
    expect(E.isRight(log) && log.right.view().state).toMatchObject({ count: 3 });
  });

  it('meets a base that is no longer what it was: parked, not guessed', async () => {
    const { store, saga, runtime } = start();
    const page = await toPromise(runtime.handle(message('Add', { by: 1 })));
    expect(page._tag).toBe('Appended');
    // The branch remembers another base than today's code folds.
    const branchId = '0190163d-8694-739b-aea5-966c26f8ad92';
    const data = {
      branchId,
      epoch: 1,
      base: 1,
      baseHash: 'other',
      events: [],
      messages: [],
      completes: false,
      cause: { messageId: 'x', type: 'Add', schemaVersion: 1, data: { by: 1 } },
    };
    await toPromise(
      store.append({
        streamName: stream,
        expected: { _tag: 'any' },
        events: [
          { eventId: branchId, type: recordTypes.mergeSagaState, schemaVersion: 1, data, metadata: {} },
        ],
      }),
    );
    expect(await toPromise(sagaRuntime(saga, { store }).resolve('b'))).toMatchObject({ _tag: 'Parked' });
    expect((await toPromise(runtime.load('b'))).parked).toMatchObject({ cause: 'baseChanged' });
  });
});

describe('completion', () => {
  it('a branch that completes completes after the merge, once', async () => {
    const { store, runtime } = start();
    await atOnce(runtime, message('Add', { by: 1 }), message('Finish'));
    expect(await toPromise(runtime.load('b'))).toMatchObject({ completed: true, pending: [] });
    expect((await typesOf(store)).filter((type) => type === recordTypes.sagaCompleted)).toHaveLength(1);
  });

  it('a completion that meets a branch becomes one itself: the saga completes on the merged state', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Add', { by: 10 })));
    await leaveBranch(store);
    expect(await toPromise(runtime.handle(message('Finish')))).toMatchObject({ _tag: 'Merged' });
    expect(await toPromise(runtime.load('b'))).toMatchObject({
      completed: true,
      pending: [],
      state: { count: 15 },
    });
    expect((await typesOf(store)).slice(-2)).toEqual([recordTypes.sagaMerged, recordTypes.sagaCompleted]);
  });

  it('both sides complete: one completion, one message', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Add', { by: 1 })));
    await atOnce(runtime, message('Finish'), message('Finish'));
    expect((await typesOf(store)).filter((type) => type === recordTypes.sagaCompleted)).toHaveLength(1);
    expect((await toPromise(runtime.owed('b'))).messages).toHaveLength(1);
  });

  it('a completion that is ready beside other work in one process is decided with it: nothing comes late, and what it tells is whole', async () => {
    const seen: boolean[] = [];
    const merge: typeof basketMerger = {
      ...basketMerger,
      merge: (conflict) => {
        seen.push(conflict.completed);
        return basketMerger.merge(conflict);
      },
    };
    const { store, runtime } = start(basketSaga({ merge }));
    await atOnce(runtime, message('Finish'), message('Add', { by: 7 }));
    expect(seen).toEqual([false]);
    expect(await toPromise(runtime.load('b'))).toMatchObject({
      completed: true,
      epoch: 1,
      pending: [],
      state: { count: 7 },
    });
    expect(await typesOf(store)).toEqual([
      'Added',
      recordTypes.mergeSagaState,
      recordTypes.sagaMerged,
      recordTypes.sagaCompleted,
    ]);
  });

  it('a branch that comes after completion reaches the merger with `completed`, and is absorbed without a new completion', async () => {
    const seen: boolean[] = [];
    const merge: typeof basketMerger = {
      ...basketMerger,
      merge: (conflict) => {
        seen.push(conflict.completed);
        return basketMerger.merge(conflict);
      },
    };
    const late = start(basketSaga({ merge }));
    const { runtime } = late;
    await ofProcesses(late, message('Finish'), message('Add', { by: 7 }));
    expect(seen).toEqual([true]);
    expect(await toPromise(runtime.load('b'))).toMatchObject({
      completed: true,
      epoch: 1,
      state: { count: 7 },
    });
  });

  it('a merger may turn a late branch away, or open the saga again in a new epoch', async () => {
    const late = (choice: 'reject' | 'reopen'): typeof basketMerger => ({
      ...basketMerger,
      merge: (conflict) =>
        E.map((answer: { state: Basket }) => ({ ...answer, late: choice }))(basketMerger.merge(conflict)),
    });
    const rejecting = start(basketSaga({ merge: late('reject') }));
    await ofProcesses(rejecting, message('Finish'), message('Tell', { text: 'late', once: false }));
    expect(await toPromise(rejecting.runtime.load('b'))).toMatchObject({
      completed: true,
      epoch: 1,
      pending: [],
    });
    expect((await toPromise(rejecting.runtime.owed('b'))).messages.map(({ type }) => type)).toEqual([
      'Closed',
    ]);
    const reopening = start(basketSaga({ merge: late('reopen') }));
    await ofProcesses(reopening, message('Finish'), message('Add', { by: 7 }));
    expect(await toPromise(reopening.runtime.load('b'))).toMatchObject({
      completed: false,
      epoch: 2,
      state: { count: 7 },
    });
    await toPromise(reopening.runtime.handle(message('Finish')));
    expect((await toPromise(reopening.runtime.owed('b'))).messages.map(({ data }) => data)).toEqual([
      { count: 0 },
      { count: 7 },
    ]);
  });

  it('a message after completion is acknowledged, and wakes nothing up', async () => {
    const { store, runtime } = start();
    await toPromise(runtime.handle(message('Finish')));
    const before = await typesOf(store);
    expect(await toPromise(runtime.handle(message('Add', { by: 1 })))).toEqual({ _tag: 'Completed' });
    expect(await typesOf(store)).toEqual(before);
  });
});

describe('many writers', () => {
  it('128 at once on one saga: every handler once, nothing lost, one merge for many branches', async () => {
    let reacted = 0;
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store, hooks: { onReacted: () => void (reacted += 1) } });
    await atOnce(runtime, ...Array.from({ length: 128 }, () => message('Add', { by: 1 })));
    expect(await toPromise(runtime.load('b'))).toMatchObject({ state: { count: 128 }, pending: [] });
    expect(reacted).toBe(128);
    const merges = (await typesOf(store)).filter((type) => type === recordTypes.sagaMerged).length;
    expect(merges).toBeLessThan(16);
  });

  it('any messages in any bursts, from two processes, end where they end one after another', async () => {
    const one = fc.oneof(
      fc.record({ type: fc.constant('Add'), data: fc.record({ by: fc.integer({ min: -5, max: 5 }) }) }),
      fc.record({
        type: fc.constant('Put'),
        data: fc.record({ item: fc.constantFrom('pear', 'plum', 'fig') }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(one, { minLength: 1, maxLength: 6 }), { maxLength: 6 }),
        async (bursts) => {
          const { store, saga, runtime } = start();
          const other = sagaRuntime(saga, { store });
          for (const burst of bursts) {
            const messages = burst.map(({ type, data }) => message(type, data));
            await Promise.all(
              messages.map((each, index) => toPromise((index % 2 === 0 ? runtime : other).handle(each))),
            );
          }
          const all = bursts.flat();
          const { state, pending } = await toPromise(runtime.load('b'));
          expect(pending).toEqual([]);
          expect(state.count).toBe(
            all.reduce(
              (sum, { type, data }) => (type === 'Add' ? sum + (data as { by: number }).by : sum),
              0,
            ),
          );
          expect(itemsOf(state)).toEqual(
            [
              ...new Set(
                all.flatMap(({ type, data }) => (type === 'Put' ? [(data as { item: string }).item] : [])),
              ),
            ].sort(),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
