/** Cases 14, 18, 19, 20 and 29: crashes at every step, held messages, compensations, and rebuilds that do nothing. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  type Dispatched,
  foldSaga,
  mergeRefused,
  merger,
  newId,
  recordTypes,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import { type Basket, basketMerger, basketSaga } from '../support/basket.js';
import { Crash, type Fault, faultyStore } from '../support/faulty-store.js';
import {
  type Bench,
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
} from './support.js';

const textOf = ({ data }: Dispatched): string => (data as { text: string }).text;

/** Two sides tell something; the second is a branch. Its message is held until the merge. */
const tellTwice = (bench: Bench, sagaId: string, saga = basketSaga(), once = false) => {
  const send = to(sagaId);
  return concurrently(
    bench,
    [send('Tell', { text: 'trunk', once }), send('Tell', { text: 'branch', once })],
    saga,
  );
};

/** A process that dies, or loses an answer, at one append of one kind. */
const failingAt = (bench: Bench, type: string, fault: Fault) => {
  let isOver = false;
  const store = faultyStore(bench.store, (_call, { events }) => {
    if (isOver) return fault.startsWith('crash') ? 'crashBefore' : 'none';
    if (!events.some((event) => event.type === type)) return 'none';
    isOver = true;
    return fault;
  });
  return { store, happened: () => isOver };
};

const steps = [
  [recordTypes.mergeSagaState, 'crashAfter', 'the branch is written and not acknowledged'],
  [recordTypes.mergeSagaState, 'lostAfter', 'the branch is written and its answer is lost'],
  [recordTypes.sagaMerged, 'crashBefore', 'the merge is calculated and not written'],
  [recordTypes.sagaMerged, 'crashAfter', 'the merge is written and nothing is dispatched'],
  [recordTypes.compensationApplied, 'crashBefore', 'a hook has run and is not recorded'],
  [recordTypes.compensationApplied, 'crashAfter', 'one of two compensations is recorded'],
] as const;

onEveryStore('crashes', {
  ...Object.fromEntries(
    steps.map(([type, fault, when]) => [
      `14. a process dies when ${when} (${fault}): another one finishes, nothing is lost or doubled`,
      async (bench: Bench) => {
        const sagaId = freshId();
        const send = to(sagaId);
        const undone: string[] = [];
        const saga = basketSaga({
          compensateTold: true,
          onHook: (data) => void undone.push((data as { text: string }).text),
        });
        const messages = [
          send('Tell', { text: 'one', once: false }),
          send('Tell', { text: 'two', once: false }),
          send('Add', { by: 5 }),
        ];
        const { store, happened } = failingAt(bench, type, fault);
        const dying = sagaRuntime(saga, { store });
        await Promise.allSettled(messages.map((one) => dying.handle(one)()));
        await dying
          .doOwed(sagaId)()
          .catch((thrown: unknown) => expect(thrown).toBeInstanceOf(Crash));
        expect(happened()).toBe(true);
        // Messages that were not acknowledged come again, to another process.
        const other = sagaRuntime(saga, { store: bench.second });
        for (const one of messages) right(await other.handle(one)());
        const sent = (await followUntilDone(bench.second, saga, {})).filter((one) => one.sagaId === sagaId);
        const view = await viewOf(bench.store, sagaId, saga);
        expect([view.state.count, view.pending.length]).toEqual([5, 0]);
        const told = sent.filter((one) => one.type === 'Notice').map(textOf);
        expect(told.sort()).toEqual(['one', 'two']);
        const asked = (await recordsOf(bench.store, sagaId)).flatMap(({ type: of, data }) =>
          of === recordTypes.sagaMerged
            ? (data as { compensations: Array<{ id: string }> }).compensations.map(({ id }) => id)
            : [],
        );
        // Hooks run at least once; what they send leaves once.
        expect(new Set(asked).size).toBe(asked.length);
        expect(await countOf(bench.store, sagaId, recordTypes.compensationApplied)).toBe(asked.length);
        expect(sent.filter((one) => one.type === 'Undo')).toHaveLength(asked.length);
        expect(undone.length).toBeGreaterThanOrEqual(asked.length);
        expect(await toPromise(other.owed(sagaId, view.version))).toMatchObject({
          merges: [],
          messages: [],
          compensations: [],
        });
      },
    ]),
  ),

  '18a. a held message never leaves before its merge, however long that takes': async (bench) => {
    const sagaId = freshId();
    const refusing = merger<Basket>(() => E.left(mergeRefused('not yet')));
    await tellTwice(bench, sagaId, basketSaga({ merge: refusing }));
    const early = await followUntilDone(bench.store, basketSaga({ merge: refusing }));
    expect(early.filter((one) => one.sagaId === sagaId).map(textOf)).toEqual(['trunk']);
    const later = await followUntilDone(bench.store, basketSaga({ mergerVersion: '2' }));
    expect(later.filter((one) => one.sagaId === sagaId).map(textOf)).toEqual(['branch']);
    const mergedAt = (await typesOf(bench.store, sagaId)).indexOf(recordTypes.sagaMerged) + 1;
    expect(later.find((one) => one.sagaId === sagaId)?.version).toBe(mergedAt);
  },

  '18b. cancel races dispatch: a follower that is at work meanwhile never sends what the merge cancels':
    async (bench) => {
      const cancelling = merger<Basket>((conflict) =>
        E.map((answer: { state: Basket }) => ({ ...answer, messages: () => 'cancel' as const }))(
          basketMerger.merge(conflict),
        ),
      );
      const saga = basketSaga({ merge: cancelling });
      const sent: Dispatched[] = [];
      const following = sagaRuntime(saga, { store: bench.second }).follow({
        subscriber: newId(),
        dispatch: (one) => void sent.push(one),
        pollMs: 1,
        mergeAfterMs: 1,
      });
      const sagaIds = Array.from({ length: 10 }, freshId);
      for (const sagaId of sagaIds) await tellTwice(bench, sagaId, saga);
      await following.caughtUp();
      await following.stop();
      for (const sagaId of sagaIds)
        expect(sent.filter((one) => one.sagaId === sagaId).map(textOf)).toEqual(['trunk']);
    },

  '19. a contradictory message has already gone out on the trunk: exactly one logical compensation': async (
    bench,
  ) => {
    const sagaId = freshId();
    const saga = basketSaga({ compensateTold: true });
    await tellTwice(bench, sagaId, saga, true);
    // Several followers, one after another and at once, as processes come and go.
    const rounds = [followUntilDone(bench.store, saga), followUntilDone(bench.second, saga)];
    const sent = (await Promise.all(rounds)).flat().concat(await followUntilDone(bench.store, saga));
    const mine = sent.filter((one) => one.sagaId === sagaId);
    expect(new Set(mine.filter(({ type }) => type === 'Notice').map(({ id }) => id)).size).toBe(1);
    expect(new Set(mine.filter(({ type }) => type === 'Undo').map(({ id }) => id)).size).toBe(1);
    expect(await countOf(bench.store, sagaId, recordTypes.compensationApplied)).toBe(1);
  },

  '20a. a compensation fails, is tried again under the same id, and each failure is recorded': async (
    bench,
  ) => {
    const sagaId = freshId();
    const attempts: number[] = [];
    const saga = basketSaga({
      compensateTold: true,
      onHook: (_data, attempt) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Error('the mail server is down');
      },
    });
    await tellTwice(bench, sagaId, saga, true);
    await followUntilDone(bench.store, saga);
    expect(attempts).toEqual([1, 2]);
    const records = (await recordsOf(bench.store, sagaId)).filter(({ type }) =>
      type.startsWith('Compensation'),
    );
    expect(records.map(({ type }) => type)).toEqual(['CompensationFailed', 'CompensationApplied']);
    const ids = records.map(({ data }) => (data as { compensationId: string }).compensationId);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^comp:[0-9a-f-]{36}:undo:0$/);
  },

  '20b. a compensation that runs on two processes at once is recorded once, and what it sends leaves once':
    async (bench) => {
      const sagaId = freshId();
      const ids: string[] = [];
      let release: () => void = () => undefined;
      const bothRun = new Promise<void>((resolve) => {
        release = resolve;
      });
      const plain = basketSaga({ compensateTold: true });
      const undo: (typeof plain)['hooks'][string] = async (data, info) => {
        ids.push(info.id);
        if (ids.length === 2) release();
        await bothRun;
        return plain.hooks['undo']?.(data, info);
      };
      const saga = { ...plain, hooks: { undo } };
      await tellTwice(bench, sagaId, saga, true);
      const processes = [bench.store, bench.second].map((store) => sagaRuntime(saga, { store }));
      await Promise.all(processes.map((one) => toPromise(one.doOwed(sagaId))));
      expect(ids).toEqual([ids[0], ids[0]]);
      expect(await countOf(bench.store, sagaId, recordTypes.compensationApplied)).toBe(1);
    },

  '20c. a compensation that starts a conflict itself: its message to the saga diverges, and is merged too':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const plain = basketSaga({ compensateTold: true });
      let isFirst = true;
      const saga: typeof plain = {
        ...plain,
        compensate: (merged) => (isFirst ? (plain.compensate?.(merged) ?? []) : []),
        hooks: {
          undo: async () => {
            if (!isFirst) return;
            isFirst = false;
            await concurrently(
              bench,
              [send('Add', { by: 1 }), send('Add', { by: 2 }), send('Add', { by: 4 })],
              saga,
            );
          },
        },
      };
      await tellTwice(bench, sagaId, saga, true);
      await followUntilDone(bench.store, saga);
      const view = await viewOf(bench.store, sagaId, saga);
      expect([view.state.count, view.pending.length]).toEqual([7, 0]);
      expect(await countOf(bench.store, sagaId, recordTypes.compensationApplied)).toBe(1);
      expect(await countOf(bench.store, sagaId, recordTypes.sagaMerged)).toBeGreaterThanOrEqual(2);
    },

  '29. a rebuild sends nothing and compensates nothing': async (bench) => {
    const sagaId = freshId();
    let hooks = 0;
    const saga = basketSaga({ compensateTold: true, onHook: () => void (hooks += 1) });
    await tellTwice(bench, sagaId, saga, true);
    await followUntilDone(bench.store, saga);
    const ran = hooks;
    const before = await typesOf(bench.store, sagaId);
    // Every way to read it again: folded whole, by new processes, and by a follower that has been here before.
    const folded = foldSaga(saga, await recordsOf(bench.store, sagaId));
    expect(E.isRight(folded) && folded.right.owed().compensations).toEqual([]);
    for (const store of [bench.store, bench.second]) {
      const runtime = sagaRuntime(saga, { store });
      await toPromise(runtime.load(sagaId));
      await toPromise(runtime.doOwed(sagaId));
    }
    expect((await followUntilDone(bench.second, saga)).filter((one) => one.sagaId === sagaId)).toEqual([]);
    expect([hooks, await typesOf(bench.store, sagaId)]).toEqual([ran, before]);
  },
});
