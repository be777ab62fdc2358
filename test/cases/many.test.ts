/** Cases 25, 26 and 33: many writers, poison among many sagas, and histories from elsewhere. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  counter,
  exactly,
  type Dispatched,
  type EventStore,
  type HistoryVersion,
  max,
  mergeHistory,
  newId,
  noStream,
  record,
  recordTypes,
  sagaRuntime,
  type ThreeWay,
  toPromise,
  unlessBothChanged,
} from 'watersmeet';
import { basketSaga } from '../support/basket.js';
import {
  concurrently,
  countOf,
  freshId,
  inMemory,
  onEveryStore,
  recordsOf,
  right,
  streamOf,
  to,
  viewOf,
  withAppend,
} from './support.js';

onEveryStore('many', {
  '25a. 128 writers on one saga, in four processes: each handler once, nothing lost, siblings bounded':
    async (bench) => {
      const sagaId = freshId();
      const saga = basketSaga();
      let reacted = 0;
      const hooks = { onReacted: () => void (reacted += 1) };
      const processes = [bench.store, bench.second, bench.store, bench.second].map((store) =>
        sagaRuntime(saga, { store, hooks }),
      );
      const messages = Array.from({ length: 128 }, (_, index) =>
        to(sagaId)('Add', { by: 2 ** (index % 20) }),
      );
      const handled = await Promise.all(
        messages.map((one, index) => toPromise(processes[index % 4]!.handle(one))),
      );
      expect(handled.every(({ _tag }) => ['Appended', 'Merged', 'Branched'].includes(_tag))).toBe(true);
      await toPromise(processes[0]!.resolve(sagaId));
      const expected = messages.reduce((sum, { data }) => sum + (data as { by: number }).by, 0);
      expect(await viewOf(bench.store, sagaId)).toMatchObject({ pending: [], state: { count: expected } });
      expect(reacted).toBe(128);
      // No more branches wait at any version than handlers were in flight.
      let waiting = 0;
      let most = 0;
      for (const { type, data } of await recordsOf(bench.store, sagaId)) {
        if (type === recordTypes.mergeSagaState) most = Math.max(most, (waiting += 1));
        if (type === recordTypes.sagaMerged) waiting -= (data as { resolves: string[] }).resolves.length;
      }
      expect(waiting).toBe(0);
      expect(most).toBeLessThanOrEqual(128);
    },

  '25b. a merge that loses again and again takes the saga’s lease; others wait with theirs, and it gets through':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const taken: string[] = [];
      const watched = (store: EventStore): EventStore => ({
        ...store,
        leases: store.leases && {
          ...store.leases,
          acquire: (request) => async () => {
            const answer = await store.leases!.acquire(request)();
            taken.push(E.isRight(answer) ? request.holder : `refused ${request.holder}`);
            return answer;
          },
        },
      });
      let fenced = 0;
      let lost = 0;
      // The first merges lose to an event from outside, as they do where handlers that are in flight keep coming.
      const contended = withAppend(watched(bench.store), async (request, append) => {
        if (!request.events.some(({ type }) => type === recordTypes.sagaMerged)) return append(request)();
        if (request.fence !== undefined) fenced += 1;
        if (lost < 5) {
          lost += 1;
          const { version } = await viewOf(bench.store, sagaId);
          const data = { by: 1 };
          const events = [{ eventId: newId(), type: 'Added', schemaVersion: 1, data, metadata: {} }];
          const { streamName } = request;
          right(await append({ streamName, expected: { _tag: 'exactly', version }, events })());
        }
        return append(request)();
      });
      const context = { leaseAfter: 2, holder: 'merger of this test' };
      await concurrently(
        { store: contended, second: contended },
        [send('Add', { by: 10 }), send('Add', { by: 20 })],
        basketSaga(),
        context,
      );
      expect(taken).toEqual(['merger of this test']);
      expect([lost, fenced]).toEqual([5, 4]);
      expect(await viewOf(bench.store, sagaId)).toMatchObject({ pending: [], state: { count: 35 } });
      expect(await countOf(bench.store, sagaId, recordTypes.sagaMerged)).toBe(1);
      // It was given back: the next one has it at once.
      [lost, fenced] = [0, 0];
      await concurrently(
        { store: contended, second: contended },
        [send('Add', { by: 40 }), send('Add', { by: 80 })],
        basketSaga(),
        context,
      );
      expect(taken).toEqual(['merger of this test', 'merger of this test']);
      expect((await viewOf(bench.store, sagaId)).state.count).toBe(160);
    },

  '26. a poison saga does not hold up the others: they are followed, and the checkpoint waits for it': async (
    bench,
  ) => {
    const [poison, parked, ...good] = Array.from({ length: 5 }, freshId);
    const saga = basketSaga();
    const category = `s${freshId().slice(0, 12)}`;
    const named = { ...saga, name: category };
    const runtime = sagaRuntime(named, bench);
    const tell = (sagaId: string, text: string) =>
      toPromise(runtime.handle(to(sagaId)('Tell', { text, once: false })));
    await tell(good[0]!, 'before');
    // An event that today’s code cannot take, with a message behind it; and a saga whose merge is refused.
    await tell(poison!, 'stuck');
    const unreadable = {
      eventId: newId(),
      type: 'FromTheFuture',
      schemaVersion: 1,
      data: { text: '' },
      metadata: {},
    };
    const streamName = streamOf(poison!).replace('basket', category) as never;
    await toPromise(bench.store.append({ streamName, expected: exactly(1), events: [unreadable] }));
    const branch = {
      eventId: newId(),
      type: recordTypes.mergeSagaState,
      schemaVersion: 1,
      data: { odd: 1 },
      metadata: {},
    };
    await toPromise(
      bench.store.append({
        streamName: `${category}-${parked}` as never,
        expected: noStream,
        events: [branch],
      }),
    );
    for (const sagaId of good) await tell(sagaId, 'after');

    const told: string[] = [];
    const follow = async (code: typeof named) => {
      const sent: Dispatched[] = [];
      const hooks = { onUnreadable: ({ streamName: name }: { streamName: string }) => void told.push(name) };
      const following = sagaRuntime(code, { ...bench, hooks }).follow({
        dispatch: (one) => void sent.push(one),
        pollMs: 2,
        mergeAfterMs: 1,
        batchMax: 2,
      });
      await following.caughtUp();
      await following.stop();
      return sent.map(({ sagaId, data }) => `${sagaId} ${(data as { text: string }).text}`);
    };
    const all = [`${good[0]} before`, ...good.map((sagaId) => `${sagaId} after`)];
    expect(await follow(named)).toEqual(all);
    expect(told.sort()).toEqual([streamName, `${category}-${parked}`].sort());
    // The checkpoint waits before the poison. Once the code is mended nothing is lost: what came after the poison comes
    // again, under the same ids, and what was stuck comes too.
    const mended = {
      ...named,
      events: { ...saga.events, FromTheFuture: saga.events['Told']! },
      evolve: (state: never, one: { type: string }) =>
        one.type === 'FromTheFuture' ? state : saga.evolve(state, one as never),
    };
    expect((await follow(mended as never)).sort()).toEqual([...all.slice(1), `${poison} stuck`].sort());
  },
});

interface Page {
  readonly views: number;
  readonly best: number;
  readonly title: string;
}

const page: ThreeWay<Page> = record<Page>({ views: counter, best: max, title: unlessBothChanged() }) as never;
const version = (
  id: string,
  parents: ReadonlyArray<string>,
  views: number,
  title = 'a',
): HistoryVersion<Page> => ({
  id,
  parents,
  state: { views, best: views, title },
});
const before: Page = { views: 0, best: 0, title: 'a' };

/** Two people merge each other's work, each in a version of their own, and go on. */
const crissCross = (titles: readonly [string, string]) => [
  version('root', [], 1),
  version('b1', ['root'], 2),
  version('b2', ['root'], 4),
  version('m1', ['b1', 'b2'], 5, titles[0]),
  version('m2', ['b2', 'b1'], 5, titles[1]),
  version('t1', ['m1'], 15, titles[0]),
  version('t2', ['m2'], 105, titles[1]),
];

inMemory('histories from elsewhere', {
  '33a. a criss-cross is merged over a virtual base: what both had merged already counts once': async () => {
    const merged = mergeHistory(crissCross(['a', 'a']), page, before);
    expect(merged).toEqual(
      E.right({
        state: { views: 115, best: 105, title: 'a' },
        heads: ['t1', 't2'],
        virtualBases: [['b1', 'b2']],
      }),
    );
  },

  '33b. a criss-cross whose common versions cannot be merged is refused in words': async () => {
    const history = [
      version('root', [], 1),
      version('b1', ['root'], 1, 'mine'),
      version('b2', ['root'], 1, 'yours'),
      version('m1', ['b1', 'b2'], 1, 'mine'),
      version('m2', ['b2', 'b1'], 1, 'yours'),
    ];
    const merged = mergeHistory(history, page, before);
    expect(merged).toMatchObject({ left: { _tag: 'MergeRefused', paths: ['$.title'] } });
    expect(E.isLeft(merged) && (merged.left as { reason: string }).reason).toContain(
      'm1 and m2 cross: their common versions b1 and b2 cannot be merged into one base',
    );
  },

  '33c. heads without a common past are merged over the initial state; a broken history is refused by name':
    async () => {
      const apart = mergeHistory([version('x', [], 3), version('y', [], 4)], page, before);
      expect(apart).toMatchObject({ right: { state: { views: 7, best: 4 }, virtualBases: [] } });
      expect(mergeHistory([], page, before)).toMatchObject({ right: { state: before, heads: [] } });
      for (const [broken, words] of [
        [[version('x', ['z'], 1)], 'was made from z, which is not there'],
        [[version('x', [], 1), version('x', [], 1)], 'stands there twice'],
        [[version('x', ['y'], 1), version('y', ['x'], 1)], 'is its own past'],
      ] as const)
        expect(mergeHistory(broken, page, before)).toMatchObject({
          left: { _tag: 'HistoryInvalid', id: 'x', message: `the history’s version x ${words}` },
        });
    },
});
