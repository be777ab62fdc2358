/** Cases 11, 12, 13, 21 and 22: the same message, record or append again; and what is no conflict at all. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { type JsonObject, newId, recordTypes, sagaRuntime, toPromise } from 'watersmeet';
import { basketSaga } from '../support/basket.js';
import {
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  onEveryStore,
  recordsOf,
  right,
  to,
  typesOf,
  viewOf,
  withAppend,
  write,
} from './support.js';

onEveryStore('what happens twice', {
  '11. the same message before, during and after its merge, on different processes, is handled once': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const [one, two] = [send('Add', { by: 1 }), send('Add', { by: 2 })];
    // Both deliveries of `two` become branches of the same id; the second is void.
    await concurrently(bench, [one, two, two, one]);
    for (const store of [bench.store, bench.second])
      for (const again of [one, two])
        expect(await toPromise(sagaRuntime(basketSaga(), { store }).handle(again))).toEqual({
          _tag: 'Duplicate',
        });
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(3);
    expect(await countOf(bench.store, sagaId, 'Added')).toBe(2);
  },

  '12. a MergeSagaState that is there twice, or needless, leads to no append and no handler call': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    await concurrently(bench, [send('Add', { by: 1 }), send('Add', { by: 2 })]);
    const records = await recordsOf(bench.store, sagaId);
    const branch = records.find(({ type }) => type === recordTypes.mergeSagaState);
    if (branch === undefined) throw new Error('there was no conflict');
    const { type, schemaVersion, data, metadata } = branch;
    const ofTrunk = {
      ...(data as JsonObject),
      branchId: newId(),
      cause: {
        messageId: records[0]?.metadata.causationId ?? '',
        type: 'Add',
        schemaVersion: 1,
        data: { by: 1 },
      },
    };
    for (const record of [data, ofTrunk])
      await write(bench.store, sagaId, [{ eventId: newId(), type, schemaVersion, data: record, metadata }]);
    const before = await typesOf(bench.store, sagaId);
    let reacted = 0;
    const hooks = { onReacted: () => void (reacted += 1) };
    const runtime = sagaRuntime(basketSaga(), { ...bench, hooks });
    expect(await toPromise(runtime.resolve(sagaId))).toEqual({ _tag: 'Nothing' });
    await followUntilDone(bench.store, basketSaga(), { hooks });
    expect([await typesOf(bench.store, sagaId), reacted]).toEqual([before, 0]);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(3);
  },

  '13. an append succeeded and its answer was lost: the repeat finds its own event, and merges with nobody':
    async (bench) => {
      const sagaId = freshId();
      const one = to(sagaId)('Add', { by: 5 });
      let lost = false;
      const store = withAppend(bench.store, async (request, append) => {
        const answer = await append(request)();
        if (lost) return answer;
        lost = true;
        return E.left({ _tag: 'StoreUnavailable', message: 'the connection was lost' });
      });
      const runtime = sagaRuntime(basketSaga(), { store });
      expect(await runtime.handle(one)()).toMatchObject({ left: { _tag: 'StoreUnavailable' } });
      expect(await toPromise(runtime.handle(one))).toEqual({ _tag: 'Duplicate' });
      // The process that lost the answer may as well repeat the append itself.
      const [written] = await recordsOf(bench.store, sagaId);
      const { eventId, type, schemaVersion, data, metadata } = written!;
      await write(bench.store, sagaId, [{ eventId, type, schemaVersion, data, metadata }], 0);
      expect(await typesOf(bench.store, sagaId)).toEqual(['Added']);
    },

  '21. a retry never decides on a state that was kept from before': async (bench) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const retrying = { ...basketSaga(), onConflict: 'retry' } as const;
    const [kept, other] = [bench.store, bench.second].map((store) => sagaRuntime(retrying, { store }));
    await toPromise(kept!.handle(send('Add', { by: 1 })));
    await toPromise(other!.handle(send('Add', { by: 10 })));
    const seen: number[] = [];
    const looking = sagaRuntime(
      {
        ...retrying,
        react: (state, one, info) => {
          seen.push(state.count);
          return retrying.react(state, one, info);
        },
      },
      {
        // A rival comes first before the first append.
        store: withAppend(bench.store, async (request, append) => {
          if (seen.length === 1) await toPromise(other!.handle(send('Add', { by: 100 })));
          return append(request)();
        }),
        retry: { delayMs: 1 },
      },
    );
    expect(await toPromise(looking.handle(send('Add', { by: 1_000 })))).toMatchObject({ attempts: 2 });
    expect(seen).toEqual([11, 111]);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(1_111);
  },

  '22. only branch records in between are no conflict; a handler that decides nothing writes nothing': async (
    bench,
  ) => {
    const sagaId = freshId();
    const send = to(sagaId);
    await toPromise(sagaRuntime(basketSaga(), bench).handle(send('Add', { by: 1 })));
    // Between load and append a branch arrives that nobody merges.
    let hasArrived = false;
    const store = withAppend(bench.store, async (request, append) => {
      if (!hasArrived) {
        hasArrived = true;
        const noMerge = withAppend(bench.second, async (other, write) =>
          other.events.some(({ type }) => type === recordTypes.sagaMerged)
            ? E.left({ _tag: 'StoreUnavailable', message: 'not now' })
            : other.expected._tag === 'any'
              ? write(other)()
              : E.left({
                  _tag: 'VersionConflict',
                  tenant: 'default' as never,
                  streamName: other.streamName,
                  expected: other.expected,
                  actual: 1 as never,
                  tail: undefined,
                  alreadyRecorded: [],
                }),
        );
        right(await sagaRuntime(basketSaga(), { store: noMerge }).handle(send('Add', { by: 2 }))());
      }
      return append(request)();
    });
    const handled = await toPromise(sagaRuntime(basketSaga(), { store }).handle(send('Add', { by: 4 })));
    expect(handled).toMatchObject({ _tag: 'Appended', fastForwards: 1 });
    expect(await countOf(bench.store, sagaId, recordTypes.mergeSagaState)).toBe(1);
    const before = await typesOf(bench.store, sagaId);
    const nothing = send('Nothing');
    const runtime = sagaRuntime(basketSaga(), bench);
    await toPromise(runtime.resolve(sagaId));
    expect(await toPromise(runtime.handle(nothing))).toEqual({ _tag: 'Nothing' });
    expect((await typesOf(bench.store, sagaId)).slice(before.length)).toEqual(['Added', 'SagaMerged']);
    expect((await viewOf(bench.store, sagaId)).state.count).toBe(7);
  },
});
