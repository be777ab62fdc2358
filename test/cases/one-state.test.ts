/** Cases 1 to 7: whoever is first, however merges are grouped, a saga comes to one state. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { canonicalJson, memoryStore, newId, recordTypes, sagaRuntime, toPromise } from 'watersmeet';
import { acceptableCredit } from '../../sagas/acceptable-credit/index.js';
import { basketSaga, itemsOf } from '../support/basket.js';
import {
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  inMemory,
  onEveryStore,
  recordsOf,
  streamOf,
  to,
  typesOf,
  viewOf,
  withAppend,
} from './support.js';

const adds = (sagaId: string, ...numbers: ReadonlyArray<number>) =>
  numbers.map((by) => to(sagaId)('Add', { by }));

onEveryStore('concurrent states of one saga', {
  '1. two credit scores at once lead to one decision, although neither handler saw both': async (bench) => {
    const sagaId = freshId();
    const credit = (type: string, data: object) => ({ id: newId(), sagaId, type, data }) as never;
    const runtime = sagaRuntime(acceptableCredit, bench);
    await toPromise(runtime.handle(credit('IsAcceptableAsCustomer', { customer: 'Ada' })));
    const score = (bureau: string, points: number) => credit('CreditCardScore', { bureau, score: points });
    await concurrently(bench, [score('Equifax', 720), score('Experian', 750)], acceptableCredit);
    const sent = await followUntilDone(bench.store, acceptableCredit);
    const decisions = sent.filter((one) => one.sagaId === sagaId && one.type === 'CreditDecision');
    expect(decisions.map(({ data }) => data)).toEqual([{ customer: 'Ada', acceptable: true }]);
    expect((await viewOf(bench.store, sagaId, acceptableCredit)).completed).toBe(true);
  },

  '3. a merge of a merge: branches that left before and after it, with bases of their own, all arrive':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const saga = basketSaga();
      await concurrently(bench, [send('Add', { by: 1 }), send('Add', { by: 2 })]);
      await concurrently(bench, [
        send('Put', { item: 'pear' }),
        send('Add', { by: 4 }),
        send('Add', { by: 8 }),
      ]);
      expect((await viewOf(bench.store, sagaId, saga)).state).toMatchObject({ count: 15 });
      expect(await countOf(bench.store, sagaId, recordTypes.sagaMerged)).toBeGreaterThanOrEqual(2);
    },

  '3b. with different bases, one branch adds an item from absent and another removes it from present': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    // The first branch's base holds no pear; the trunk puts one; the second branch's base does, and takes it.
    await concurrently(bench, [
      send('Put', { item: 'pear' }, 'first'),
      send('Put', { item: 'pear' }, 'second'),
    ]);
    await concurrently(bench, [send('Add', { by: 1 }), send('Take', { item: 'pear' })]);
    expect(itemsOf((await viewOf(bench.store, sagaId)).state)).toEqual([]);
    // Somebody who had not seen the removal puts one again: that one stays.
    await concurrently(bench, [send('Take', { item: 'pear' }), send('Put', { item: 'pear' }, 'third')]);
    expect(itemsOf((await viewOf(bench.store, sagaId)).state)).toEqual(['pear']);
  },

  '4. a merge that loses to an append leaves no record, no message and no compensation of its own': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const saga = basketSaga({ compensateTold: true });
    let intruded = 0;
    const store = withAppend(bench.store, async (request, append) => {
      const isMerge = request.events.some(({ type }) => type === recordTypes.sagaMerged);
      if (isMerge && intruded < 3) {
        // Somebody else moves the trunk between the calculation of the merge and its append.
        intruded += 1;
        const { version } = await viewOf(bench.store, sagaId);
        const data = { by: 100 };
        const event = { eventId: newId(), type: 'Added', schemaVersion: 1, data, metadata: {} };
        const intruder = { streamName: streamOf(sagaId), expected: { _tag: 'exactly', version } as const };
        expect(E.isRight(await append({ ...intruder, events: [event] })())).toBe(true);
      }
      return append(request)();
    });
    await concurrently(
      { store, second: store },
      [send('Tell', { text: 'one', once: false }), send('Tell', { text: 'two', once: false })],
      saga,
    );
    expect(intruded).toBe(3);
    expect(await countOf(bench.store, sagaId, recordTypes.sagaMerged)).toBe(1);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(300);
    const sent = (await followUntilDone(bench.store, saga)).filter((one) => one.sagaId === sagaId);
    expect(new Set(sent.map(({ id }) => id)).size).toBe(sent.length);
    expect(sent.filter(({ type }) => type === 'Notice')).toHaveLength(2);
  },

  '5. two processes merge overlapping sets of branches at once: each branch is merged exactly once': async (
    bench,
  ) => {
    const sagaId = freshId();
    const saga = basketSaga();
    // Merges are held back until several branches wait.
    const branchesOnly = withAppend(bench.store, async (request, append) =>
      request.events.some(({ type }) => type === recordTypes.sagaMerged)
        ? E.left({ _tag: 'StoreUnavailable', message: 'not now' })
        : append(request)(),
    );
    await concurrently({ store: branchesOnly, second: branchesOnly }, adds(sagaId, 1, 2, 4, 8, 16));
    expect((await viewOf(bench.store, sagaId)).pending).toHaveLength(4);
    const mergers = [bench.store, bench.second, bench.store, bench.second].map((store) =>
      sagaRuntime(saga, { store }),
    );
    await Promise.all(mergers.map((runtime) => toPromise(runtime.resolve(sagaId))));
    const merges = (await recordsOf(bench.store, sagaId)).filter(
      ({ type }) => type === recordTypes.sagaMerged,
    );
    const resolved = merges.flatMap(({ data }) => (data as { resolves: string[] }).resolves);
    expect(resolved).toHaveLength(4);
    expect(new Set(resolved).size).toBe(4);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(31);
  },

  '6. what one side removed and the other did not touch stays removed; a counter counts its base once':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const runtime = sagaRuntime(basketSaga(), bench);
      for (const one of [
        send('Put', { item: 'pear' }),
        send('Put', { item: 'fig' }),
        send('Add', { by: 10 }),
      ])
        await toPromise(runtime.handle(one));
      await concurrently(bench, [
        send('Take', { item: 'pear' }),
        send('Add', { by: 5 }),
        send('Add', { by: 7 }),
      ]);
      const { state } = await viewOf(bench.store, sagaId);
      expect([itemsOf(state), state.count]).toEqual([['fig'], 22]);
    },

  '7. a side that changed a value and changed it back does not win over the side that changed it': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const runtime = sagaRuntime(basketSaga(), bench);
    await toPromise(runtime.handle(send('Add', { by: 10 })));
    const there = send('AddAndTakeBack', { by: 3 });
    await concurrently(bench, [send('Add', { by: 5 }), there]);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(15);
    expect(await typesOf(bench.store, sagaId)).toContain(recordTypes.mergeSagaState);
  },
});

inMemory('orders and groupings', {
  '2. n branches in every order and grouping come to one state': async () => {
    const parts = [
      ['Add', { by: 3 }],
      ['Add', { by: -7 }],
      ['Put', { item: 'pear' }],
      ['Take', { item: 'fig' }],
      ['Put', { item: 'apple' }],
    ] as const;
    const messages = parts.map(([type, data], index) => to('b')(type, data, `m${index}`));
    const ends = new Set<string>();
    const orders = fc.shuffledSubarray(messages, { minLength: 5, maxLength: 5 });
    const groupings = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(orders, groupings, async (order, sizes) => {
        const bench = { store: memoryStore() };
        const saga = basketSaga();
        await toPromise(sagaRuntime(saga, bench).handle(to('b')('Put', { item: 'fig' }, 'before')));
        // Messages of a group meet each other, each in a process of its own.
        const processes = order.map(() => sagaRuntime(saga, bench));
        for (let at = 0, group = 0; at < order.length; at += sizes[group] ?? 1, group += 1)
          await Promise.all(
            order
              .slice(at, at + (sizes[group] ?? 1))
              .map((one, index) => toPromise(processes[at + index]!.handle(one))),
          );
        const { state, pending } = await toPromise(sagaRuntime(saga, bench).load('b'));
        expect(pending).toEqual([]);
        ends.add(canonicalJson(state as never));
      }),
      { numRuns: 100 },
    );
    expect(ends.size).toBe(1);
  },
});
