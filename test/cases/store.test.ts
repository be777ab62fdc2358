/** Cases 23, 27, 28, 30, 31, 32 and 34: where sagas meet the store beneath them. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import pg from 'pg';
import {
  any,
  type Dispatched,
  type EventData,
  type EventStore,
  exactly,
  foldSaga,
  type Leases,
  memoryStore,
  newId,
  noStream,
  recordTypes,
  sagaRuntime,
  type StreamName,
  tenant,
  toPromise,
} from 'watersmeet';
import { basketSaga } from '../support/basket.js';
import {
  type Bench,
  concurrently,
  followUntilDone,
  freshId,
  inMemory,
  onEveryStore,
  recordsOf,
  right,
  streamOf,
  to,
  typesOf,
  viewOf,
  withAppend,
} from './support.js';

const leasesOf = ({ store }: Pick<Bench, 'store'>): Leases => store.leases as Leases;

/** Work of another process is left as branches: its merges do not get through. */
const withoutMerges = (store: EventStore): EventStore =>
  withAppend(store, async (request, append) =>
    request.events.some(({ type }) => type === recordTypes.sagaMerged)
      ? E.left({ _tag: 'StoreUnavailable', message: 'not now' })
      : append(request)(),
  );

/** One addition of 1 on the trunk, one of 2 in a branch that waits. */
const leaveBranch = ({ store, second }: Bench, sagaId: string) =>
  concurrently({ store: withoutMerges(store), second: withoutMerges(second) }, [
    to(sagaId)('Add', { by: 1 }),
    to(sagaId)('Add', { by: 2 }),
  ]);

/** A stream as a store shows it that has thrown its beginning away. */
const truncatedTo = (store: EventStore, begins: number): EventStore => ({
  ...store,
  readStream: (request) => async () => {
    const page = await store.readStream(request)();
    return E.isLeft(page)
      ? page
      : E.right({ ...page.right, events: page.right.events.filter(({ version }) => version >= begins) });
  },
});

const event = (type: string, data: EventData['data'] = {}): EventData => ({
  eventId: newId(),
  type,
  schemaVersion: 1,
  data,
  metadata: {},
});

onEveryStore('sagas and their store', {
  '23a. compaction: the base of a branch is long ago, and its state forgotten: it is folded anew': async (
    bench,
  ) => {
    const sagaId = freshId();
    const saga = basketSaga();
    await leaveBranch(bench, sagaId);
    // More versions than a kept log remembers states of, written past the branch.
    const streamName = streamOf(sagaId);
    const more = Array.from({ length: 600 }, () => event('Added', { by: 1 }));
    await toPromise(bench.store.append({ streamName, expected: exactly(2), events: more }));
    await toPromise(sagaRuntime(saga, bench).resolve(sagaId));
    expect(await viewOf(bench.store, sagaId)).toMatchObject({ pending: [], state: { count: 603 } });
  },

  '23b. erasure: the beginning of the stream is gone while branches wait: refused by name, nothing guessed':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      await leaveBranch(bench, sagaId);
      const before = await typesOf(bench.store, sagaId);
      const runtime = sagaRuntime(basketSaga(), { store: truncatedTo(bench.store, 2) });
      const refused = { left: { _tag: 'SagaTruncated', begins: 2 } };
      expect(await runtime.resolve(sagaId)()).toMatchObject(refused);
      expect(await runtime.handle(send('Add', { by: 4 }))()).toMatchObject(refused);
      expect(await typesOf(bench.store, sagaId)).toEqual(before);
    },

  '23c. a tombstone on a stream whose branches wait: nothing is merged, and followers go on with others':
    async (bench) => {
      const [gone, other] = [freshId(), freshId()];
      for (const sagaId of [gone, other]) await leaveBranch(bench, sagaId);
      await toPromise(
        bench.store.markStream({ streamName: streamOf(gone), as: 'tombstoned', expected: any }),
      );
      await followUntilDone(bench.store);
      expect(await viewOf(bench.store, other)).toMatchObject({ pending: [], state: { count: 3 } });
      const handled = await sagaRuntime(basketSaga(), bench).handle(to(gone)('Add', { by: 1 }))();
      expect(handled).toMatchObject({ left: { _tag: 'StreamTombstoned' } });
    },

  '27. the lease that a handler works under goes to another process in mid-handler: its append is fenced':
    async (bench) => {
      const sagaId = freshId();
      const one = to(sagaId)('Add', { by: 5 });
      const lease = { name: `partition-${freshId()}`, ttlMs: 1 };
      const old = await toPromise(leasesOf(bench).acquire({ ...lease, holder: 'slow' }));
      let next = old;
      const slow = sagaRuntime(basketSaga(), {
        store: withAppend(bench.store, async (request, append) => {
          // The handler took so long that the partition has moved.
          for (;;) {
            const taken = await leasesOf(bench).acquire({ ...lease, ttlMs: 60_000, holder: 'next' })();
            if (E.isLeft(taken)) continue;
            next = taken.right;
            return append(request)();
          }
        }),
      });
      const late = await slow.handle(one, { fence: { lease: old.name, token: old.token } })();
      expect(late).toMatchObject({ left: { _tag: 'LeaseLost', token: old.token } });
      expect(await typesOf(bench.store, sagaId)).toEqual([]);
      // The new owner gets the message again, for it was not acknowledged.
      const owner = sagaRuntime(basketSaga(), { store: bench.second });
      const fence = { lease: next.name, token: next.token };
      expect(await toPromise(owner.handle(one, { fence }))).toMatchObject({ _tag: 'Appended', version: 1 });
    },

  '28. two tenants have sagas of one id: neither sees, handles or merges what is the other’s': async (
    bench,
  ) => {
    const sagaId = freshId();
    const acme = right(tenant(`acme-${sagaId}`));
    const message = to(sagaId)('Add', { by: 1 });
    const [ours, theirs] = [{}, { tenant: acme }].map((context) =>
      sagaRuntime(basketSaga(), { ...bench, ...context }),
    );
    expect(await toPromise(ours!.handle(message))).toMatchObject({ _tag: 'Appended', version: 1 });
    expect(await toPromise(theirs!.handle(message))).toMatchObject({ _tag: 'Appended', version: 1 });
    await concurrently(bench, [to(sagaId)('Add', { by: 2 }), to(sagaId)('Add', { by: 4 })], basketSaga(), {
      tenant: acme,
    });
    expect((await toPromise(ours!.load(sagaId))).state.count).toBe(1);
    expect((await toPromise(theirs!.load(sagaId))).state.count).toBe(7);
  },

  '31. two writers with a condition over several streams: exactly one commits': async (bench) => {
    // Both must be free for either to be taken: each writer writes one, on the condition that the other is empty.
    for (let round = 0; round < 10; round += 1) {
      const [left, right_] = [`seat-${newId()}`, `seat-${newId()}`] as StreamName[];
      const take = (store: EventStore, mine: StreamName, other: StreamName) =>
        store.appendMany([
          { streamName: mine, expected: noStream, events: [event('SeatTaken')] },
          { streamName: other, expected: noStream, events: [] },
        ])();
      const answers = await Promise.all([
        take(bench.store, left!, right_!),
        take(bench.second, right_!, left!),
      ]);
      expect(answers.filter(E.isRight)).toHaveLength(1);
      expect(answers.filter(E.isLeft)[0]?.left).toMatchObject({ _tag: 'VersionConflict' });
      const versions = [left!, right_!].map(async (streamName) => {
        const page = await toPromise(bench.store.readStream({ streamName }));
        return page.version;
      });
      expect((await Promise.all(versions)).sort()).toEqual([0, 1]);
    }
  },

  '32a. `any` is used for a lone branch record and nothing else': async (bench) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const unchecked: string[][] = [];
    const watched = (store: EventStore) =>
      withAppend(store, async (request, append) => {
        if (request.expected._tag === 'any') unchecked.push(request.events.map(({ type }) => type));
        else expect(['exactly', 'noStream']).toContain(request.expected._tag);
        return append(request)();
      });
    const watchedBench = { store: watched(bench.store), second: watched(bench.second) };
    const saga = basketSaga({ compensateTold: true });
    await concurrently(
      watchedBench,
      ['one', 'two', 'three'].map((text) => send('Tell', { text, once: true })),
      saga,
    );
    await concurrently(
      watchedBench,
      [send('Finish'), send('Add', { by: 1 }), send('Put', { item: 'fig' })],
      saga,
    );
    await followUntilDone(watchedBench.store, saga);
    expect(unchecked.length).toBeGreaterThan(2);
    for (const types of unchecked) expect(types).toEqual([recordTypes.mergeSagaState]);
  },

  '32b. a batch of which the stream holds a part: refused by name with the known ids, and nothing is written':
    async (bench) => {
      const streamName = streamOf(freshId());
      const [known, fresh] = [event('Added', { by: 1 }), event('Added', { by: 2 })];
      await toPromise(bench.store.append({ streamName, expected: noStream, events: [known] }));
      for (const expected of [any, noStream]) {
        const half = await bench.store.append({ streamName, expected, events: [fresh, known] })();
        expect(half).toMatchObject({ left: { _tag: 'VersionConflict', alreadyRecorded: [known.eventId] } });
      }
      expect((await toPromise(bench.store.readStream({ streamName }))).version).toBe(1);
    },

  '32c. a stream that is put away while branches wait is not begun anew: opened again, it goes on where it was':
    async (bench) => {
      const sagaId = freshId();
      const send = to(sagaId);
      await leaveBranch(bench, sagaId);
      const streamName = streamOf(sagaId);
      await toPromise(bench.store.markStream({ streamName, as: 'archived', expected: any }));
      const runtime = sagaRuntime(basketSaga(), bench);
      for (const call of [
        runtime.resolve(sagaId),
        runtime.handle(send('Add', { by: 4 })),
        runtime.doOwed(sagaId),
      ])
        expect(await call()).toMatchObject({ left: { _tag: 'StreamArchived' } });
      await followUntilDone(bench.store);
      await toPromise(bench.store.markStream({ streamName, as: 'open', expected: any }));
      expect(await toPromise(runtime.resolve(sagaId))).toMatchObject({ _tag: 'Merged' });
      expect(await viewOf(bench.store, sagaId)).toMatchObject({ version: 4, state: { count: 3 } });
    },

  '30. a message whose append committed late is not skipped by a follower that is ahead of it': async (
    bench,
  ) => {
    const [late, early] = [freshId(), freshId()];
    const sent: Dispatched[] = [];
    const following = sagaRuntime(basketSaga(), { store: bench.second }).follow({
      subscriber: newId(),
      dispatch: (one) => void sent.push(one),
      pollMs: 2,
    });
    const tell = (store: EventStore, sagaId: string) =>
      toPromise(
        sagaRuntime(basketSaga(), { store }).handle(to(sagaId)('Tell', { text: 'hello', once: false })),
      );
    if (bench.url === undefined) {
      await tell(bench.store, late);
      await tell(bench.store, early);
    } else {
      // The late one takes its place in the order, and commits only after another has gone by.
      const slow = new pg.Client({ connectionString: bench.url });
      await slow.connect();
      const copy = memoryStore();
      await tell(copy, late);
      const [record] = await recordsOf(copy, late);
      const { eventId, type, schemaVersion, data, metadata } = record!;
      const request = {
        tenant: 'default',
        stream: streamOf(late),
        expected: 'exactly',
        version: 0,
        tailMax: 0,
      };
      await slow.query('begin');
      await slow.query('select watersmeet.append_events($1::jsonb)', [
        JSON.stringify([{ ...request, events: [{ eventId, type, schemaVersion, data, metadata }] }]),
      ]);
      await tell(bench.store, early);
      // Long enough for the follower to look several times.
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(sent.some(({ sagaId }) => sagaId === early)).toBe(false);
      await slow.query('commit');
      await slow.end();
    }
    await following.caughtUp();
    await following.stop();
    const mine = sent.filter(({ sagaId }) => sagaId === late || sagaId === early);
    expect(mine.map(({ sagaId }) => sagaId)).toEqual([late, early]);
  },
});

inMemory('clocks', {
  '34. clocks that disagree, stand still or go backwards decide nothing: the streams are the same':
    async () => {
      const clocks: ReadonlyArray<() => Date> = [
        () => new Date(),
        () => new Date(0),
        (
          (at) => () =>
            new Date((at -= 86_400_000))
        )(Date.UTC(2028, 1, 29, 23, 59, 59)),
        (
          (odd) => () =>
            new Date((odd = !odd) ? Date.UTC(1970) : Date.UTC(2100))
        )(false),
      ];
      const streams = [];
      for (const now of clocks) {
        const store = memoryStore({ now });
        const bench = { store, second: store };
        const send = to('b');
        const saga = basketSaga({ compensateTold: true });
        await concurrently(
          bench,
          [send('Add', { by: 1 }, 'm1'), send('Add', { by: 2 }, 'm2'), send('Put', { item: 'fig' }, 'm3')],
          saga,
        );
        await concurrently(
          bench,
          ['m4', 'm5'].map((id) => send('Tell', { text: id, once: true }, id)),
          saga,
        );
        const sent = await followUntilDone(store, saga);
        const records = await recordsOf(store, 'b');
        const folded = right(foldSaga(saga, records)).view();
        streams.push({ records: records.map(({ recordedAt: _, ...rest }) => rest), sent, folded });
      }
      for (const stream of streams) expect(stream).toEqual(streams[0]);
    },
});
