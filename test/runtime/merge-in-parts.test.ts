/** Branches that together are more than one append may hold: merged in several, and nobody sees the difference in the end. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  type EventStore,
  memoryStore,
  mergeRefused,
  merger,
  type Merger,
  recordTypes,
  sagaRuntime,
  type Saga,
  type SagaMessage,
  toPromise,
} from 'watersmeet';
import { resolvePending } from '../../src/core/saga/resolving.js';
import { sagaLog } from '../../src/core/saga/saga-log.js';
import { checkMerges } from '../../src/testing/replay/merges.js';
import type { OpenedStore } from '../../src/testing/contract/subject.js';
import {
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  recordsOf,
  to,
  typesOf,
  viewOf,
  withAppend,
  write,
} from '../cases/support.js';
import { type Basket, basketSaga } from '../support/basket.js';
import { acceptableCredit, judge } from '../../sagas/acceptable-credit/index.js';
import { openTestEventStoreDB } from '../support/eventstoredb.js';
import { defaultTenant } from '../../src/core/stream.js';
import { branchRecord, decide, instanceOf } from '../../src/core/saga/reacting.js';

const later: Merger<Basket> = merger(() => E.left(mergeRefused('later')));
const waiting = basketSaga({ merge: later, mergerVersion: '0' });

/** Handles all of them at once, on a saga whose merges are refused for now: the first is on the trunk, the others are branches. */
const withBranches = (store: EventStore, messages: ReadonlyArray<SagaMessage<never>>) =>
  concurrently({ store, second: store }, messages, waiting);

/** How many branches each merge of the stream took in. */
const mergesOf = async (store: EventStore, sagaId: string): Promise<ReadonlyArray<number>> =>
  (await recordsOf(store, sagaId))
    .filter(({ type }) => type === recordTypes.sagaMerged)
    .map(({ data }) => (data as { resolves: ReadonlyArray<string> }).resolves.length);

const tells = (send: ReturnType<typeof to>, count: number, bytes: number) =>
  Array.from({ length: count }, (_, index) =>
    send('Tell', { text: `${index} ${'x'.repeat(bytes)}`, once: false }),
  );

/** The saga whose `onMerged` tells in `asked` how many branches it was asked with. */
const counting = (asked: number[], base = basketSaga()): never =>
  ({
    ...base,
    onMerged: ({ conflict }: { readonly conflict: { readonly branches: ReadonlyArray<unknown> } }) => {
      asked.push(conflict.branches.length);
      return {};
    },
  }) as never;

const small = () => memoryStore({ limits: { eventBytesMax: 6_000, batchBytesMax: 8_000 } });

describe('branches that together are more than one append may hold', () => {
  it('are merged in several appends, each of them once, and all that they send leaves', async () => {
    const store = small();
    const sagaId = freshId();
    const send = to(sagaId);
    await withBranches(store, tells(send, 12, 600));
    const runtime = sagaRuntime(basketSaga(), { store });
    const resolved = await toPromise(runtime.resolve(sagaId));
    expect(resolved).toMatchObject({ _tag: 'Merged' });
    const merges = await mergesOf(store, sagaId);
    expect(merges.length).toBeGreaterThan(1);
    expect(merges.reduce((sum, count) => sum + count, 0)).toBe(11);
    expect(resolved._tag === 'Merged' && new Set(resolved.branchIds).size).toBe(11);
    expect(await viewOf(store, sagaId)).toMatchObject({ pending: [], parked: undefined });
    expect(await countOf(store, sagaId, 'Told')).toBe(12);
    expect(await followUntilDone(store)).toHaveLength(12);
    expect(await toPromise(runtime.resolve(sagaId))).toEqual({ _tag: 'Nothing' });
  });

  it('complete the saga once, with the last of them, whoever among them wanted to', async () => {
    const store = small();
    const sagaId = freshId();
    const send = to(sagaId);
    const told = tells(send, 9, 600);
    await withBranches(store, [send('Add', { by: 1 }), send('Finish'), ...told, send('Finish')]);
    await toPromise(sagaRuntime(basketSaga(), { store }).resolve(sagaId));
    const types = await typesOf(store, sagaId);
    expect((await mergesOf(store, sagaId)).length).toBeGreaterThan(1);
    expect(types.filter((type) => type === recordTypes.sagaCompleted)).toHaveLength(1);
    expect(types.lastIndexOf(recordTypes.sagaMerged)).toBe(types.indexOf(recordTypes.sagaCompleted) - 1);
    const lates = (await recordsOf(store, sagaId))
      .filter(({ type }) => type === recordTypes.sagaMerged)
      .map(({ data }) => (data as { late: string }).late);
    expect(new Set(lates)).toEqual(new Set(['none']));
    const left = await followUntilDone(store);
    expect(left.filter(({ type }) => type === 'Closed')).toHaveLength(1);
  });

  it('are finished by onMerged once, on the state of all', async () => {
    const store = small();
    const sagaId = freshId();
    const asked: number[] = [];
    const finishing = {
      ...basketSaga(),
      onMerged: ({ state }: { readonly state: Basket }) => {
        asked.push(state.count);
        return { send: [{ type: 'Closed' as const, data: { count: state.count } }], complete: true };
      },
    };
    const send = to(sagaId);
    const adds = Array.from({ length: 6 }, (_, index) => send('Add', { by: 2 ** index }));
    await withBranches(store, [...adds, ...tells(send, 10, 600)]);
    await toPromise(sagaRuntime(finishing as never, { store }).resolve(sagaId));
    expect((await mergesOf(store, sagaId)).length).toBeGreaterThan(1);
    // Asked as well for a merge of all, which was too much and was thrown away.
    expect(new Set(asked)).toEqual(new Set([63]));
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 63 }, completed: true });
    expect((await followUntilDone(store)).filter(({ type }) => type === 'Closed')).toHaveLength(1);
  });

  it('are merged by the message that comes next, which is then handled', async () => {
    const store = small();
    const sagaId = freshId();
    const send = to(sagaId);
    await withBranches(store, tells(send, 12, 600));
    const runtime = sagaRuntime(basketSaga(), { store });
    expect(await runtime.handle(send('Add', { by: 7 }))()).toMatchObject({ right: { _tag: 'Appended' } });
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 7 }, pending: [] });
  });

  it('stay where they are when the merger refuses the first of them, and say so', async () => {
    const store = small();
    const sagaId = freshId();
    await withBranches(store, tells(to(sagaId), 12, 600));
    const refusing = basketSaga({ merge: later, mergerVersion: '2' });
    const parked = await toPromise(sagaRuntime(refusing, { store }).resolve(sagaId));
    expect(parked).toMatchObject({ _tag: 'Parked', reason: 'later' });
    expect((await viewOf(store, sagaId)).pending).toHaveLength(11);
  });

  it('one of which is too much by itself are named, and nothing is written', async () => {
    const store = memoryStore();
    const sagaId = freshId();
    await withBranches(store, tells(to(sagaId), 3, 600));
    const before = await recordsOf(store, sagaId);
    const narrow = memoryStore({ limits: { eventBytesMax: 6_000, batchBytesMax: 500 } });
    const strict = { ...store, append: narrow.append };
    const refused = await sagaRuntime(basketSaga(), { store: strict }).resolve(sagaId)();
    expect(refused).toMatchObject({ left: { _tag: 'LimitExceeded', limit: 'batchBytesMax' } });
    expect(await recordsOf(store, sagaId)).toEqual(before);
  });

  it('are found the same when their merges are computed again from the stream', async () => {
    const store = small();
    const sagaId = freshId();
    await withBranches(store, tells(to(sagaId), 12, 600));
    await toPromise(sagaRuntime(basketSaga(), { store }).resolve(sagaId));
    const checks = checkMerges(basketSaga() as unknown as Saga, await recordsOf(store, sagaId));
    const merged = checks.filter(({ recorded }) => recorded === 'merged');
    expect(merged.length).toBeGreaterThan(1);
    expect(new Set(merged.map(({ verdict }) => verdict))).toEqual(new Set(['same']));
  });
});

/** A store that takes no more than so many branches in one merge. */
const takingAtMost = (store: EventStore, max: number): EventStore =>
  withAppend(store, async (request, append) => {
    const merged = request.events.find(({ type }) => type === recordTypes.sagaMerged);
    const { resolves = [] } = (merged?.data ?? {}) as { readonly resolves?: ReadonlyArray<string> };
    return resolves.length > max
      ? E.left({ _tag: 'LimitExceeded', limit: 'batchBytesMax', max: 1, found: 2 } as const)
      : append(request)();
  });

describe('what follows from a merge in parts', () => {
  const credit = acceptableCredit as unknown as Saga;
  const creditWaiting = {
    ...acceptableCredit,
    merger: merger(() => E.left(mergeRefused('later'))),
    mergerVersion: '0',
  } as unknown as Saga;
  const score = (sagaId: string, bureau: string, points: number, id: string) =>
    ({ id, sagaId, type: 'CreditCardScore', data: { bureau, score: points } }) as never as SagaMessage<never>;

  /** The customer was refused on 600 and 700; other scores came at the same time as the second. */
  const lateScores = async (max: number, late: ReadonlyArray<readonly [bureau: string, points: number]>) => {
    const store = memoryStore();
    const sagaId = freshId();
    const runtime = sagaRuntime(acceptableCredit, { store });
    const ask = { id: `ask ${sagaId}`, sagaId, type: 'IsAcceptableAsCustomer', data: { customer: 'c' } };
    await toPromise(runtime.handle(ask as never));
    await toPromise(runtime.handle(score(sagaId, 'Equifax', 600, `first ${sagaId}`) as never));
    const others = late.map(([bureau, points], index) =>
      score(sagaId, bureau, points, `late ${index} ${sagaId}`),
    );
    const second = score(sagaId, 'Experian', 700, `second ${sagaId}`);
    await concurrently({ store, second: store }, [second, ...others], creditWaiting);
    await toPromise(sagaRuntime(acceptableCredit, { store: takingAtMost(store, max) }).resolve(sagaId));
    const sent = await followUntilDone(store, credit);
    const { state } = await toPromise(runtime.load(sagaId));
    return {
      sent: sent
        .filter(({ type }) => type.startsWith('CreditDecision'))
        .map(({ type, data }) => [type, (data as { readonly acceptable: boolean }).acceptable]),
      judged: judge(state.scores),
    };
  };

  it('is compensated once, as of one merge', async () => {
    const late = [
      ['TransUnion', 900],
      ['Experian', 900],
    ] as const;
    expect(await lateScores(1, late)).toEqual(await lateScores(Infinity, late));
  });

  it('is not compensated for a state that only stood in between', async () => {
    const late = [
      ['Experian', 900],
      ['TransUnion', 0],
    ] as const;
    // Which of the two is merged first is up to their ids.
    for (let round = 0; round < 8; round += 1)
      expect(await lateScores(1, late)).toEqual(await lateScores(Infinity, late));
  });

  it('is told as one conflict: what stood before the first part, and the branches of all', async () => {
    const told: unknown[] = [];
    const telling = (store: EventStore) => {
      const saga = {
        ...basketSaga(),
        onMerged: ({ conflict, state }: { readonly conflict: never; readonly state: Basket }) => {
          const { current, branches, completed, released } = conflict as {
            readonly current: Basket;
            readonly completed: boolean;
            readonly released: ReadonlyArray<unknown>;
            readonly branches: ReadonlyArray<{
              readonly trunkEvents: ReadonlyArray<unknown>;
            }>;
          };
          const trunk = branches.map(({ trunkEvents }) => trunkEvents.length);
          told.push({
            ...{ count: current.count, completed, trunk },
            ...{ released: released.length, merged: state.count },
          });
          return {};
        },
      };
      return sagaRuntime(saga as never, { store });
    };
    for (const max of [Infinity, 2, 1]) {
      const store = memoryStore();
      const sagaId = freshId();
      const send = to(sagaId);
      await toPromise(sagaRuntime(basketSaga(), { store }).handle(send('Add', { by: 64 })));
      await toPromise(sagaRuntime(basketSaga(), { store }).handle(send('Tell', { text: '', once: false })));
      const adds = Array.from({ length: 4 }, () => send('Add', { by: 1 }));
      await withBranches(store, [...adds, ...tells(send, 2, 1)]);
      told.length = 0;
      await toPromise(telling(takingAtMost(store, max)).resolve(sagaId));
      expect(told.at(-1)).toEqual({
        count: 65,
        completed: false,
        trunk: [1, 1, 1, 1, 1],
        released: 1,
        merged: 68,
      });
    }
  });

  it.each(['absorb', 'reopen', 'reject'] as const)('is the same for late branches: %s', async (late) => {
    const after = async (max: number) => {
      const store = memoryStore();
      const sagaId = freshId();
      const send = to(sagaId);
      const asked: number[] = [];
      const merge = merger<Basket>(({ current, branches }) =>
        E.right({
          state: {
            ...current,
            count: current.count + branches.reduce((sum, { state }) => sum + state.count, 0),
          },
          late,
        }),
      );
      const saga = counting(asked, basketSaga({ merge }));
      await withBranches(store, [
        send('Finish'),
        ...Array.from({ length: 4 }, (_, index) => send('Add', { by: 2 ** index })),
      ]);
      await toPromise(sagaRuntime(saga, { store: takingAtMost(store, max) }).resolve(sagaId));
      const { state, completed, epoch, pending } = await viewOf(store, sagaId);
      return { count: (state as Basket).count, completed, epoch, pending, asked: asked.at(-1) };
    };
    expect(await after(1)).toEqual(await after(Infinity));
  });
});

describe('merging in parts beside others', () => {
  it('ends where an append of a part is found written already', async () => {
    const store = memoryStore({ limits: { eventBytesMax: 20_000, batchBytesMax: 20_000 } });
    const sagaId = freshId();
    const send = to(sagaId);
    let merges = 0;
    const twice = withAppend(store, async (request, append) => {
      if (!request.events.some(({ type }) => type === recordTypes.sagaMerged)) return append(request)();
      merges += 1;
      if (merges > 50) throw new Error('it does not end');
      await append(request)();
      return append(request)();
    });
    const runtime = sagaRuntime(basketSaga(), { store: twice });
    await toPromise(runtime.handle(send('Put', { item: 'x'.repeat(14_000) })));
    const answers = await Promise.all(tells(send, 9, 200).map((one) => runtime.handle(one)()));
    expect(answers.filter(E.isLeft)).toEqual([]);
    expect((await viewOf(store, sagaId)).pending).toEqual([]);
    expect(await countOf(store, sagaId, 'Told')).toBe(9);
  });

  it('merges nothing where others were first while the whole stream was read', async () => {
    const store = memoryStore();
    const sagaId = freshId();
    const send = to(sagaId);
    const asked: number[] = [];
    const saga = counting(asked);
    const busy = sagaRuntime(basketSaga(), { store });
    await toPromise(busy.handle(send('Add', { by: 1 })));
    // Its branch begins too long ago to be remembered, and it dies before it can merge.
    const view = await viewOf(store, sagaId);
    for (let n = 0; n < 600; n += 1) await toPromise(busy.handle(send('Add', { by: 1 })));
    const typed = basketSaga() as unknown as Saga;
    const at = instanceOf(typed, defaultTenant, sagaId);
    const decision = decide(typed, at, view, send('Put', { item: 'pear' }) as never);
    const record = E.isRight(decision) ? branchRecord(typed, at, view, decision.right) : decision;
    if (E.isLeft(record)) throw new Error('no branch');
    await write(store, sagaId, [record.right]);
    let wholeReads = 0;
    const slow: EventStore = {
      ...store,
      readStream: (request) => async () => {
        if (request.from === 1 && (wholeReads += 1) === 2)
          await toPromise(sagaRuntime(saga, { store }).resolve(sagaId));
        return store.readStream(request)();
      },
    };
    expect(await toPromise(sagaRuntime(saga, { store: slow }).resolve(sagaId))).toEqual({ _tag: 'Nothing' });
    expect(asked).toEqual([1]);
    expect(await mergesOf(store, sagaId)).toEqual([1]);
  });

  it('a merge too large for the store does not hold up a follower’s other sagas', async () => {
    const store = memoryStore();
    const [large, small] = [freshId(), freshId()];
    await withBranches(store, tells(to(large), 3, 600));
    const strict = withAppend(store, async (request, append) =>
      JSON.stringify(request.events).length > 900
        ? E.left({ _tag: 'LimitExceeded', limit: 'batchBytesMax', max: 900, found: 901 } as const)
        : append(request)(),
    );
    const told: string[] = [];
    const hooks = {
      onUnreadable: ({ streamName, error }: { streamName: string; error: { _tag: string } }) =>
        void told.push(`${streamName} ${error._tag}`),
    };
    const left: string[] = [];
    const runtime = sagaRuntime(basketSaga(), { store: strict, hooks });
    const following = runtime.follow({
      ...{ pollMs: 2, mergeAfterMs: 1 },
      dispatch: ({ sagaId }) => void left.push(sagaId),
    });
    await toPromise(
      sagaRuntime(basketSaga(), { store }).handle(to(small)('Tell', { text: 'on', once: false })),
    );
    while (!left.includes(small) || told.length === 0) await new Promise((again) => setTimeout(again, 5));
    await following.stop();
    expect(told).toContain(`basket-${large} LimitExceeded`);
  });
});

describe('branches larger together than an append to EventStoreDB', () => {
  let opened: OpenedStore;
  beforeAll(async () => {
    opened = await openTestEventStoreDB();
  });
  afterAll(() => opened.dispose());

  it('are merged all the same', async () => {
    const { store } = opened;
    const sagaId = freshId();
    const size = Math.ceil(store.limits.batchBytesMax / 5);
    await withBranches(store, tells(to(sagaId), 9, size));
    await toPromise(sagaRuntime(basketSaga(), { store }).resolve(sagaId));
    expect((await mergesOf(store, sagaId)).length).toBeGreaterThan(1);
    expect(await viewOf(store, sagaId)).toMatchObject({ pending: [] });
    expect(await countOf(store, sagaId, 'Told')).toBe(9);
  });
});

describe('the merge of some of the branches', () => {
  const saga = basketSaga() as unknown as Saga;
  const at = instanceOf(saga, defaultTenant, 'b');

  it('leads to the same state whatever the parts are', async () => {
    const store = memoryStore();
    const send = to('b');
    const adds = Array.from({ length: 9 }, (_, index) => send('Add', { by: 2 ** index }));
    await withBranches(store, [...adds, send('Put', { item: 'pear' }), send('Finish')]);
    const records = await recordsOf(store, 'b');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 10 }), (counts) => {
        const log = sagaLog(saga);
        E.isRight(log.advance(records));
        for (const count of [...counts, Infinity]) {
          const { pending, version } = log.view();
          if (pending.length === 0) break;
          expect(log.view().completed).toBe(false);
          const branchIds = pending.slice(0, count).map(({ branchId }) => branchId);
          const resolution = resolvePending(saga, at, log, { branchIds });
          if (resolution._tag !== 'Merged') throw new Error(resolution._tag);
          const events = resolution.events.map((event, index) => ({
            ...event,
            streamName: at.streamName,
            version: (version + index + 1) as never,
          }));
          expect(E.isRight(log.advance(events))).toBe(true);
        }
        expect(log.view()).toMatchObject({ state: { count: 511 }, pending: [], completed: true });
        expect(t.record(t.string, t.unknown).is((log.view().state as Basket).items)).toBe(true);
      }),
    );
  });
});
