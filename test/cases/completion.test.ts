/** Cases 15, 16 and 17: a saga's end and beginning. The conflict at completion itself is in completion-in-conflict.test.ts. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { type MergeAnswer, merger, newId, recordTypes, sagaRuntime, toPromise } from 'watersmeet';
import { type Basket, basketMerger, basketSaga } from '../support/basket.js';
import {
  type Bench,
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  onEveryStore,
  streamOf,
  to,
  typesOf,
  viewOf,
  withAppend,
} from './support.js';

const lateAnswer = (late: 'absorb' | 'reopen' | 'reject') =>
  basketSaga({
    merge: merger<Basket>((conflict) =>
      E.map((answer: MergeAnswer<Basket>) => ({ ...answer, late }))(basketMerger.merge(conflict)),
    ),
  });

/** Adds and completes; the addition was decided before the completion and arrives after it. */
const lateBranch = async (bench: Bench, sagaId: string, saga = basketSaga()) => {
  const send = to(sagaId);
  await toPromise(sagaRuntime(saga, bench).handle(send('Add', { by: 1 })));
  await concurrently(bench, [send('Finish'), send('Add', { by: 10 })], saga);
  return followUntilDone(bench.store, saga);
};

onEveryStore('the end of a saga', {
  '15a. a branch completes while the trunk moves: completed after the merge, on the merged state': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    await concurrently(bench, [send('Add', { by: 1 }), send('Finish')]);
    expect(await viewOf(bench.store, sagaId)).toMatchObject({ completed: true, state: { count: 1 } });
    expect((await typesOf(bench.store, sagaId)).slice(-2)).toEqual(['SagaMerged', 'SagaCompleted']);
  },

  '15b. both sides complete: one completion, one message': async (bench) => {
    const sagaId = freshId();
    const send = to(sagaId);
    await toPromise(sagaRuntime(basketSaga(), bench).handle(send('Add', { by: 1 })));
    await concurrently(bench, [send('Finish'), send('Finish')]);
    const sent = (await followUntilDone(bench.store)).filter((one) => one.sagaId === sagaId);
    expect(sent.map(({ type, data }) => [type, data])).toEqual([['Closed', { count: 1 }]]);
    expect(await countOf(bench.store, sagaId, recordTypes.sagaCompleted)).toBe(1);
  },

  '15c. an update meets a completion, and a completion meets an update': async (bench) => {
    for (const order of [
      ['Add', 'Finish'],
      ['Finish', 'Add'],
    ] as const) {
      const sagaId = freshId();
      const send = to(sagaId);
      await concurrently(
        bench,
        order.map((type) => send(type, type === 'Add' ? { by: 7 } : {})),
      );
      expect(await viewOf(bench.store, sagaId)).toMatchObject({ completed: true, state: { count: 7 } });
      expect(await countOf(bench.store, sagaId, recordTypes.sagaCompleted)).toBe(1);
    }
  },

  '16a. a late branch is absorbed: the state takes it in, the saga stays completed, nothing is sent twice':
    async (bench) => {
      const sagaId = freshId();
      const sent = await lateBranch(bench, sagaId);
      expect(await viewOf(bench.store, sagaId)).toMatchObject({
        completed: true,
        epoch: 1,
        state: { count: 11 },
      });
      expect(sent.filter((one) => one.sagaId === sagaId && one.type === 'Closed')).toHaveLength(1);
      expect(await countOf(bench.store, sagaId, recordTypes.sagaCompleted)).toBe(1);
    },

  '16b. a late branch opens the saga again, in a new epoch that completes on its own': async (bench) => {
    const sagaId = freshId();
    const saga = lateAnswer('reopen');
    await lateBranch(bench, sagaId, saga);
    expect(await viewOf(bench.store, sagaId, saga)).toMatchObject({
      completed: false,
      epoch: 2,
      state: { count: 11 },
    });
    await toPromise(sagaRuntime(saga, bench).handle(to(sagaId)('Finish')));
    const sent = (await followUntilDone(bench.store, saga)).filter((one) => one.sagaId === sagaId);
    expect(sent.map(({ data }) => data)).toEqual([{ count: 11 }]);
    expect(await countOf(bench.store, sagaId, recordTypes.sagaCompleted)).toBe(2);
  },

  '16c. a late branch is turned away: state and completion stay as they were': async (bench) => {
    const sagaId = freshId();
    const saga = lateAnswer('reject');
    await lateBranch(bench, sagaId, saga);
    expect(await viewOf(bench.store, sagaId, saga)).toMatchObject({
      completed: true,
      epoch: 1,
      pending: [],
      state: { count: 1 },
    });
  },

  '16d. a timeout, or any message, that comes after completion wakes nothing up': async (bench) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const runtime = sagaRuntime(basketSaga(), bench);
    await toPromise(runtime.handle(send('Finish')));
    const before = await typesOf(bench.store, sagaId);
    for (const store of [bench.store, bench.second])
      expect(await toPromise(sagaRuntime(basketSaga(), { store }).handle(send('Add', { by: 1 })))).toEqual({
        _tag: 'Completed',
      });
    // An id that the saga has seen before is a repeat, whatever it carries now.
    const known = send('Add', { by: 1 }, 'known');
    const other = freshId();
    await toPromise(runtime.handle({ ...known, sagaId: other } as never));
    expect(await toPromise(runtime.handle({ ...known, sagaId: other } as never))).toEqual({
      _tag: 'Duplicate',
    });
    expect(await typesOf(bench.store, sagaId)).toEqual(before);
  },

  '16e. a MergeSagaState that stands after completion, of a process that was cut off, is merged as late':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const noMerge = withAppend(bench.second, async (request, append) =>
        request.events.some(({ type }) => type === recordTypes.sagaMerged)
          ? E.left({ _tag: 'StoreUnavailable', message: 'cut off' })
          : append(request)(),
      );
      await concurrently({ store: noMerge, second: noMerge }, [send('Finish'), send('Add', { by: 10 })]);
      expect(await viewOf(bench.store, sagaId)).toMatchObject({ completed: true, state: { count: 0 } });
      await followUntilDone(bench.store);
      expect(await viewOf(bench.store, sagaId)).toMatchObject({
        completed: true,
        pending: [],
        state: { count: 10 },
      });
    },

  '16f. after archiving nothing is written, by name; opened again, the message finds its place': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const streamName = streamOf(sagaId);
    await toPromise(sagaRuntime(basketSaga(), bench).handle(send('Add', { by: 1 })));
    const late = send('Add', { by: 2 });
    const runtime = sagaRuntime(basketSaga(), {
      store: withAppend(bench.store, async (request, append) => {
        await toPromise(bench.second.markStream({ streamName, as: 'archived', expected: { _tag: 'any' } }));
        return append(request)();
      }),
    });
    expect(await runtime.handle(late)()).toMatchObject({ left: { _tag: 'StreamArchived' } });
    await toPromise(bench.store.markStream({ streamName, as: 'open', expected: { _tag: 'any' } }));
    expect(await typesOf(bench.store, sagaId)).toEqual(['Added']);
    expect(await toPromise(sagaRuntime(basketSaga(), bench).handle(late))).toMatchObject({ version: 2 });
  },

  '17. two messages start the same saga at once: the base is empty, and both count': async (bench) => {
    const sagaId = freshId();
    const send = to(sagaId);
    await concurrently(bench, [send('Add', { by: 1 }, newId()), send('Put', { item: 'pear' }, newId())]);
    const { state } = await viewOf(bench.store, sagaId);
    expect([state.count, Object.keys(state.items)]).toEqual([1, ['pear']]);
  },
});
