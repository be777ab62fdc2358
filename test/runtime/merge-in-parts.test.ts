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
import { firstBranches, resolvePending } from '../../src/core/saga/resolving.js';
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
} from '../cases/support.js';
import { type Basket, basketSaga } from '../support/basket.js';
import { openTestEventStoreDB } from '../support/eventstoredb.js';
import { defaultTenant } from '../../src/core/stream.js';
import { instanceOf } from '../../src/core/saga/reacting.js';

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
          const resolution = resolvePending(saga, at, log, { branchIds: firstBranches(pending, count) });
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
