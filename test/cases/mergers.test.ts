/** Cases 8, 9, 10 and 24: mergers that misbehave, change, or no longer fit. Nothing is guessed, and history stays what it was. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { foldSaga, mergeRefused, merger, type Merger, recordTypes, sagaRuntime, toPromise } from 'watersmeet';
import { type Basket, basketSaga, emptyBasket } from '../support/basket.js';
import {
  type Bench,
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  onEveryStore,
  recordsOf,
  to,
  viewOf,
  write,
} from './support.js';

/** A conflict of two additions, answered by this merger. */
const conflict = async (bench: Bench, sagaId: string, merge: Merger<Basket>, context = {}) => {
  const send = to(sagaId);
  const messages = [send('Add', { by: 1 }), send('Add', { by: 2 })];
  return concurrently(bench, messages, basketSaga({ merge }), context);
};

/** The saga is parked; then a mended merger is deployed, and its follower finds what waits. */
const parkedThenMended = async (bench: Bench, sagaId: string, reason: string | RegExp): Promise<void> => {
  const parked = await viewOf(bench.store, sagaId);
  expect(parked.parked?.reason).toMatch(reason);
  expect(parked.pending).toHaveLength(1);
  const mended = basketSaga({ mergerVersion: '2' });
  await followUntilDone(bench.store, mended);
  expect(await viewOf(bench.store, sagaId, mended)).toMatchObject({
    state: { count: 3 },
    pending: [],
    parked: undefined,
  });
  // The refusal stays in the history; it was written once, however often it was met.
  expect(await countOf(bench.store, sagaId, recordTypes.sagaMergeRefused)).toBe(1);
};

onEveryStore('mergers', {
  '8. a merger that is not deterministic: every reader replays the same, and development mode reports it':
    async (bench) => {
      const [free, checked] = [freshId(), freshId()];
      let calls = 0;
      const dice = merger<Basket>(({ current }) => E.right({ state: { ...current, count: (calls += 1) } }));
      await conflict(bench, free, dice);
      const counts = [];
      for (const store of [bench.store, bench.second, bench.store])
        counts.push((await viewOf(store, free, basketSaga({ merge: dice }))).state.count);
      expect(counts).toEqual([1, 1, 1]);
      await conflict(bench, checked, dice, { checkDeterminism: true });
      expect((await viewOf(bench.store, checked)).parked).toMatchObject({ cause: 'notDeterministic' });
    },

  '9. the merger changes between deployments: replay and rebuild give the old history': async (bench) => {
    const sagaId = freshId();
    const old = merger<Basket>(({ current, branches }) =>
      E.right({ state: { ...current, count: current.count + (branches[0]?.state.count ?? 0) } }),
    );
    await conflict(bench, sagaId, old);
    let calls = 0;
    const next = basketSaga({
      merge: merger<Basket>(() => {
        calls += 1;
        return E.right({ state: { ...emptyBasket, count: -1 } });
      }),
      mergerVersion: '2',
    });
    const rebuilt = foldSaga(next, await recordsOf(bench.store, sagaId));
    expect(E.isRight(rebuilt) && rebuilt.right.view().state.count).toBe(3);
    expect((await viewOf(bench.store, sagaId, next)).state.count).toBe(3);
    expect(calls).toBe(0);
    // Only a conflict that comes now is answered by the merger of now.
    await concurrently(bench, [to(sagaId)('Add', { by: 1 }), to(sagaId)('Add', { by: 1 })], next);
    expect((await viewOf(bench.store, sagaId, next)).state.count).toBe(-1);
  },

  '10a. the merger throws; the saga is parked and says so; then the merger is mended': async (bench) => {
    const sagaId = freshId();
    const throwing = merger<Basket>(() => {
      throw new Error('divided by zero');
    });
    await conflict(bench, sagaId, throwing);
    await parkedThenMended(bench, sagaId, 'the merger threw: divided by zero');
  },

  '10b. the merger exceeds its time; it is broken off, the process lives, and then the merger is mended':
    async (bench) => {
      const sagaId = freshId();
      const endless = merger<Basket>(() => {
        for (;;);
      });
      const answers = await conflict(bench, sagaId, endless, { mergeTimeMaxMs: 50 });
      expect(answers[1]).toMatchObject({ right: { _tag: 'Branched', isParked: true } });
      await parkedThenMended(bench, sagaId, 'the merge took longer than 50 ms');
    },

  '10c. the merger answers with a refusal; the branch and its messages wait; then the merger is mended':
    async (bench) => {
      const sagaId = freshId();
      const refusing = merger<Basket>(() => E.left(mergeRefused('both want the last pear', ['$.items'])));
      await conflict(bench, sagaId, refusing);
      expect((await viewOf(bench.store, sagaId)).parked?.paths).toEqual(['$.items']);
      await parkedThenMended(bench, sagaId, 'both want the last pear');
    },

  '24. the fold changes between fork and merge, so that the base is another one: parked, not guessed': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const runtime = sagaRuntime(basketSaga(), bench);
    await toPromise(runtime.handle(send('Add', { by: 1 })));
    // The process that wrote this branch folded version 1 to a state that today’s code does not.
    const branchId = sagaId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    const data = {
      branchId,
      epoch: 1,
      base: 1,
      baseHash: 'that of another fold',
      events: [{ type: 'Added', schemaVersion: 1, data: { by: 1 } }],
      messages: [],
      completes: false,
      cause: { messageId: 'theirs', type: 'Add', schemaVersion: 1, data: { by: 1 } },
    };
    const type = recordTypes.mergeSagaState;
    await write(bench.store, sagaId, [{ eventId: branchId, type, schemaVersion: 1, data, metadata: {} }]);
    expect(await toPromise(sagaRuntime(basketSaga(), bench).resolve(sagaId))).toMatchObject({
      _tag: 'Parked',
    });
    const { parked, pending, state } = await viewOf(bench.store, sagaId);
    expect([parked?.cause, pending.length, state.count]).toEqual(['baseChanged', 1, 1]);
  },
});
