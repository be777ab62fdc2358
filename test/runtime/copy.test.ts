/** Copies between stores: whatever their kinds, whatever interrupts them, the histories are the same in the end. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { any, exactly, type StreamName, type Tenant } from '../../src/core/stream.js';
import { type Comparison, differencesMax } from '../../src/core/stream-digest.js';
import {
  compareStores,
  type CopyOptions,
  type CopyReport,
  copyStore,
} from '../../src/runtime/copy/copy-store.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { OpenedStore } from '../../src/testing/contract/subject.js';
import {
  anEvent,
  append,
  aStream,
  events,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { type Death, dyingStore, fillHistory, orderOf, tenants } from '../support/copy-histories.js';
import { Crash } from '../support/faulty-store.js';
import { allSubjects } from '../support/subjects.js';

const acme = tenants[0] as Tenant;

const copied = (from: EventStore, to: EventStore, options: CopyOptions = {}): Promise<CopyReport> =>
  right(copyStore(from, to, options));

const equal = async (from: EventStore, to: EventStore): Promise<Comparison> => {
  const comparison = await right(compareStores(from, to));
  expect(comparison).toMatchObject({ isEqual: true, differences: [], differencesCount: 0 });
  return comparison as Comparison;
};

const filled = async (rounds?: number): Promise<{ readonly store: EventStore; readonly count: number }> => {
  const store = memoryStore();
  return { store, count: await fillHistory(store, rounds) };
};

const mark = (store: EventStore, streamName: StreamName, as: 'archived' | 'open' | 'tombstoned') =>
  right(store.markStream({ streamName, as, expected: any }));

for (const source of allSubjects)
  (source.skip === undefined ? describe : describe.skip)(`copying from ${source.name}`, () => {
    let [opened, count] = [undefined as OpenedStore | undefined, 0];
    const from = (): EventStore => (opened as OpenedStore).store;
    beforeAll(async () => {
      opened = await source.open();
      count = await fillHistory(from());
    }, 60_000);
    afterAll(() => opened?.dispose());

    for (const target of allSubjects)
      (target.skip === undefined ? it : it.skip)(
        `to ${target.name}: the same streams in the same order, with their marks, identical by hash; again: nothing new`,
        async () => {
          const { store: to, dispose } = await target.open();
          try {
            const report = await copied(from(), to, { maxCount: 7 });
            expect(report).toMatchObject({
              copied: count,
              known: 0,
              marked: 1,
              comparison: { isEqual: true },
            });
            expect(report.comparison?.source).toEqual({ ...report.comparison?.target, events: count });
            expect(await orderOf(to)).toEqual(await orderOf(from()));
            expect(await copied(from(), to)).toMatchObject({
              copied: 0,
              known: 0,
              marked: 0,
              through: report.through,
            });
            await equal(from(), to);
          } finally {
            await dispose();
          }
        },
        60_000,
      );
  });

describe('a copy', () => {
  it('of a copy of a copy has the hash of the first', async () => {
    const { store } = await filled();
    const [second, third] = [memoryStore(), memoryStore()];
    const { comparison } = await copied(store, second);
    await copied(second, third);
    expect((await equal(store, third)).target.hash).toBe(comparison?.source.hash);
  });

  it('goes on with what has come since, and with what comes while it runs', async () => {
    const { store, count } = await filled();
    const to = memoryStore();
    await copied(store, to);
    const later = await append(store, aStream(), events(5));
    let isWriting = true;
    const report = await copied(store, to, {
      maxCount: 2,
      onProgress: ({ phase }) => {
        if (phase !== 'copying' || !isWriting) return;
        isWriting = false;
        void append(store, later.streamName, events(4), exactly(5));
      },
    });
    expect(report).toMatchObject({ copied: 9, known: 0, comparison: { isEqual: true } });
    expect((await orderOf(to)).length).toBe(count + 9);
  });

  it('takes one tenant or one category only, and compares no more than that', async () => {
    const { store } = await filled();
    for (const scope of [{ tenant: acme }, { category: 'order' }, { tenant: acme, category: 'order' }]) {
      const to = memoryStore();
      expect((await copied(store, to, scope)).comparison?.isEqual).toBe(true);
      const kept = (await orderOf(store)).filter((line) => {
        const [tenant, name] = line.split(' ') as [string, string];
        return (
          (!('tenant' in scope) || tenant === acme) && (!('category' in scope) || /^order(-|$)/.test(name))
        );
      });
      expect(await orderOf(to)).toEqual(kept);
    }
  });

  it('of a part does not keep a copy of the whole from taking the rest', async () => {
    const { store, count } = await filled();
    const to = memoryStore();
    const part = await copied(store, to, { category: 'order' });
    const whole = await copied(store, to);
    expect([part.copied + whole.copied, whole.known]).toEqual([count, part.copied]);
    expect(whole.comparison?.isEqual).toBe(true);
  });

  it('can be of the open streams only, and takes an archived one in when it is open again', async () => {
    const { store } = await filled();
    const to = memoryStore();
    const options = { includeArchived: false, maxCount: 5 };
    expect((await copied(store, to, options)).comparison?.isEqual).toBe(true);
    expect((await right(to.listStreams({ tenant: acme }))).map(({ streamName }) => streamName)).not.toContain(
      'order-2',
    );
    await right(
      store.markStream({ tenant: acme, streamName: 'order-2' as StreamName, as: 'open', expected: any }),
    );
    expect((await copied(store, to, options)).comparison?.isEqual).toBe(true);
    await append(store, 'order-2' as StreamName, events(2), any, { tenant: acme });
    expect((await copied(store, to, options)).comparison?.isEqual).toBe(true);
    await equal(store, to);
  });

  it('follows streams that are archived, opened, written to and tombstoned between its runs', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const [a, b, c] = [aStream(), aStream(), aStream()];
    for (const name of [a, b, c]) await append(from, name, events(3));
    await mark(from, a, 'archived');
    await copied(from, to);
    await mark(from, a, 'open');
    await append(from, a, events(2));
    await mark(from, b, 'archived');
    await mark(from, c, 'tombstoned');
    expect(await copied(from, to, { tombstone: true })).toMatchObject({
      copied: 2,
      comparison: { isEqual: true },
    });
    const states = await right(to.listStreams({ includeArchived: true }));
    expect(Object.fromEntries(states.map(({ streamName, state }) => [streamName, state]))).toEqual({
      [a]: 'open',
      [b]: 'archived',
    });
    await refused(to.readStream({ streamName: c }), 'StreamTombstoned');
    await mark(from, a, 'archived');
    await mark(from, b, 'open');
    expect(await copied(from, to)).toMatchObject({ copied: 0, marked: 2, comparison: { isEqual: true } });
  });

  it('tombstones only where it is told to, since that is for ever; else it says which are gone', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const name = aStream();
    await append(from, name, events(1));
    await copied(from, to);
    await mark(from, name, 'tombstoned');
    const told = await copied(from, to);
    expect(told).toMatchObject({ gone: [{ streamName: name }], comparison: { isEqual: false } });
    expect(told.comparison?.differences).toMatchObject([{ source: undefined, target: { version: 1 } }]);
    expect(await wholeStream(to, { streamName: name })).toHaveLength(1);
    const done = await copied(from, to, { tombstone: true });
    expect(done).toMatchObject({ gone: [{ streamName: name }], comparison: { isEqual: true } });
    await refused(to.readStream({ streamName: name }), 'StreamTombstoned');
    expect(await copied(from, to)).toMatchObject({ gone: [], comparison: { isEqual: true } });
  });

  it('carries an id that stands twice in a stream', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const name = aStream();
    const twice = anEvent();
    await append(from, name, [twice, anEvent()], exactly(0));
    await append(from, name, [twice], exactly(2));
    await copied(from, to);
    await equal(from, to);
  });

  it('keeps within pages only the order of each stream, where that is asked for', async () => {
    const { store, count } = await filled();
    const to = memoryStore();
    const report = await copied(store, to, { order: 'pages', maxCount: 16 });
    expect(report).toMatchObject({ copied: count, comparison: { isEqual: true } });
    const [theirs, ours] = [await orderOf(store), await orderOf(to)];
    expect(ours).not.toEqual(theirs);
    for (let page = 0; page < count; page += 16)
      expect([...ours.slice(page, page + 16)].sort()).toEqual([...theirs.slice(page, page + 16)].sort());
  });

  it('tells how far it is, and never goes back within a phase', async () => {
    const { store, count } = await filled();
    const told: Array<{ readonly phase: string; readonly events: number; readonly done: number }> = [];
    await copied(store, memoryStore(), { maxCount: 5, onProgress: (progress) => told.push(progress) });
    const phases = ['copying', 'hashing', 'marking', 'comparing'];
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual(phases);
    for (const phase of phases) {
      const own = told.filter((one) => one.phase === phase);
      expect(own.map(({ done }) => done)).toEqual(own.map(({ done }) => done).sort((x, y) => x - y));
      if (phase !== 'marking') expect(own.at(-1)).toEqual({ phase, events: count, done: 1 });
    }
  });

  it('stops between two appends when its signal says so, and goes on there', async () => {
    const { store, count } = await filled();
    const to = memoryStore();
    const stopping = new AbortController();
    const first = await copied(store, to, {
      maxCount: 5,
      signal: stopping.signal,
      onProgress: ({ events: seen }) => {
        if (seen >= 20) stopping.abort();
      },
    });
    expect(first.comparison).toBeUndefined();
    expect(first.copied).toBe(20);
    expect(await copied(store, to)).toMatchObject({
      copied: count - 20,
      known: 0,
      comparison: { isEqual: true },
    });
  });
});

describe('a copy whose process dies', () => {
  const history = async (): Promise<EventStore> => {
    const { store } = await filled(2);
    await append(store, 'late-1' as StreamName, events(3));
    return store;
  };
  /** What a second run has to cope with: the first one has been, and since then much has changed. */
  const changed = async (from: EventStore, to: EventStore): Promise<void> => {
    await copied(from, to);
    await right(
      from.markStream({ tenant: acme, streamName: 'order-2' as StreamName, as: 'open', expected: any }),
    );
    await append(from, 'order-2' as StreamName, events(2), any, { tenant: acme });
    await mark(from, 'late-1' as StreamName, 'tombstoned');
  };
  const [onServer, oneByOne, inPages] = [
    { atomic: true, order: 'strict' },
    { atomic: false, order: 'strict' },
    { atomic: false, order: 'pages' },
  ] as const;
  const crashes: ReadonlyArray<Death> = ['before', 'after'];
  const losses: ReadonlyArray<Death> = ['lostBefore', 'lostAfter'];
  const rows = [
    ...crashes.flatMap((death) => [onServer, oneByOne, inPages].map((way) => ({ death, ...way }))),
    ...losses.map((death) => ({ death, ...onServer })),
  ];

  it.each(rows)(
    'at any call of the target ($death, appends over several streams: $atomic, $order) goes on, and nothing is doubled',
    async ({ death, atomic, order }) => {
      for (const prepare of [async () => undefined, changed]) {
        for (let at = 1; ; at += 1) {
          const from = await history();
          const memory = memoryStore();
          const to: EventStore = {
            ...memory,
            capabilities: { ...memory.capabilities, atomicAppendMany: atomic },
          };
          await prepare(from, to);
          const calls = { count: 0 };
          const options = { maxCount: 4, order, tombstone: true };
          await copyStore(from, dyingStore(to, calls, at, death), options)().catch((thrown) => {
            if (!(thrown instanceof Crash)) throw thrown;
          });
          const { comparison } = await copied(from, to, { ...options, maxCount: 5 });
          expect(comparison).toMatchObject({ isEqual: true, differencesCount: 0 });
          if (order === 'strict' && prepare !== changed)
            expect(await orderOf(to)).toEqual(await orderOf(from));
          if (calls.count < at) break;
        }
      }
    },
    60_000,
  );
});

describe('a copy meets', () => {
  it('another event in the target: it says where, and writes nothing over it', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const name = aStream();
    const both = anEvent();
    await append(from, name, [both, anEvent('Theirs'), anEvent()]);
    await append(to, name, [both, anEvent('Ours')]);
    expect(await refused(copyStore(from, to), 'CopyDiverged')).toMatchObject({
      streamName: name,
      version: 2,
    });
    expect((await wholeStream(to, { streamName: name })).map(({ type }) => type)).toEqual([
      'Happened',
      'Ours',
    ]);
  });

  it('an event with the same id and other data, type, schema version or metadata', async () => {
    const event = anEvent('One', { n: 1 });
    for (const other of [
      { data: { n: 2 } },
      { type: 'Two' },
      { schemaVersion: 2 },
      { metadata: { actor: 'x' } },
    ]) {
      const [from, to] = [memoryStore(), memoryStore()];
      const name = aStream();
      await append(from, name, [event, anEvent()]);
      await append(to, name, [{ ...event, ...other }]);
      expect(await refused(copyStore(from, to), 'CopyDiverged')).toMatchObject({ version: 1 });
      expect(await right(compareStores(from, to))).toMatchObject({ isEqual: false, differencesCount: 1 });
    }
  });

  it('streams that only the target has, or that go on there: the comparison names them', async () => {
    const { store } = await filled();
    const to = memoryStore();
    await append(to, 'own-1' as StreamName, events(1));
    await copied(store, to);
    await append(to, 'order-1' as StreamName, events(1), any, { tenant: acme });
    const { comparison } = await copied(store, to);
    expect(comparison).toMatchObject({ isEqual: false, differencesCount: 2 });
    expect(comparison?.differences.map(({ streamName }) => streamName)).toEqual(['order-1', 'own-1']);
    expect(comparison?.differences[1]).toMatchObject({
      source: undefined,
      target: { version: 1, state: 'open' },
    });
  });

  it('more differences than it names: it counts them all', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    for (let n = 0; n < differencesMax + 5; n += 1) await append(from, `order-${n}` as StreamName, events(1));
    const comparison = await right(compareStores(from, to));
    expect([comparison?.differences.length, comparison?.differencesCount]).toEqual([
      differencesMax,
      differencesMax + 5,
    ]);
  });

  it('a tombstoned stream of the same name', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const name = aStream();
    for (const store of [from, to]) await append(store, name, events(1));
    await mark(to, name, 'tombstoned');
    expect(await refused(copyStore(from, to), 'CopyDiverged')).toMatchObject({
      streamName: name,
      version: 1,
    });
  });

  it('a stream whose beginning is gone in the source', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    const name = aStream();
    await append(from, name, events(5));
    const truncated: EventStore = {
      ...from,
      readAll: (request) => async () => {
        const page = await from.readAll(request)();
        return page._tag === 'Left'
          ? page
          : {
              ...page,
              right: { ...page.right, events: page.right.events.filter(({ version }) => version > 2) },
            };
      },
      readStream: (request) => from.readStream({ ...request, from: Math.max(3, request.from ?? 1) }),
    };
    expect(await refused(copyStore(truncated, to), 'CopyTruncated')).toMatchObject({
      streamName: name,
      version: 3,
    });
    expect(await orderOf(to)).toEqual([]);
  });

  it('itself', async () => {
    const { store } = await filled();
    expect(await refused(copyStore(store, store), 'InvalidRequest')).toMatchObject({ field: 'to' });
  });

  it('options that cannot be', async () => {
    const [from, to] = [memoryStore(), memoryStore()];
    for (const options of [{ maxCount: 0 }, { maxCount: 4_097 }, { maxCount: 1.5 }, { heldBackMaxMs: -1 }])
      await refused(copyStore(from, to, options), 'InvalidRequest');
  });

  it('the limits of the target: appends keep to them, and an event that is too large is named', async () => {
    const [from, to] = [
      memoryStore(),
      memoryStore({ limits: { batchEventsMax: 2, batchBytesMax: 300, eventBytesMax: 250 } }),
    ];
    const [name, other] = [aStream(), aStream()];
    await append(
      from,
      name,
      Array.from({ length: 9 }, (_, n) => anEvent('Sized', 'x'.repeat(20 * n))),
    );
    await append(from, other, events(9));
    expect(await copied(from, to)).toMatchObject({ copied: 18, comparison: { isEqual: true } });
    await append(from, name, [anEvent('Fits', 'x'), anEvent('TooLarge', 'x'.repeat(400)), anEvent()]);
    const refusal = await refused(copyStore(from, to), 'CopyRefused');
    expect(refusal).toMatchObject({
      streamName: name,
      version: 11,
      refusal: { limit: 'eventBytesMax', max: 250 },
    });
    expect(refusal.message).toContain('LimitExceeded');
    const raised: EventStore = memoryStore();
    await copied(to, raised);
    expect(await copied(from, raised)).toMatchObject({ copied: 2, comparison: { isEqual: true } });
  });
});

const server = allSubjects.find(({ name }) => name === 'postgres');
(server?.skip === undefined ? describe : describe.skip)('a copy and an open transaction', () => {
  it('of the source: what waits behind it is copied later, and the report says so', async () => {
    const { openTestPostgres } = await import('../support/stores.js');
    const [opened, to] = [await openTestPostgres(), memoryStore()];
    const slow = await opened.connect();
    await fillHistory(opened.store, 2);
    // Transactions of other tests on this server may hold the history back too: it is copied before.
    await copied(opened.store, to);
    await slow.query("set application_name to 'a report'; begin; select pg_current_xact_id()");
    const { streamName } = await append(opened.store, aStream(), events(2));
    const first = await copied(opened.store, to, { heldBackMaxMs: 100 });
    expect(first.comparison).toMatchObject({ isEqual: true, heldBack: { target: undefined } });
    expect(first.comparison?.heldBack.source).toBeDefined();
    expect(await wholeStream(to, { streamName })).toEqual([]);
    // The other way it is the target that cannot be read to its end, and says why it differs.
    const compared = await right(compareStores(to, opened.store, { heldBackMaxMs: 100 }));
    expect(compared?.heldBack).toMatchObject({ source: undefined, target: { by: expect.any(String) } });
    const waiting = copied(opened.store, to);
    await slow.query('commit');
    expect(await waiting).toMatchObject({
      copied: 2,
      comparison: { isEqual: true, heldBack: { source: undefined } },
    });
    await opened.dispose();
  });
});

describe('whatever happened to a store', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        stream: fc.nat(4),
        tenant: fc.nat(1),
        data: fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('archived' as const, 'open' as const, 'tombstoned' as const),
        stream: fc.nat(4),
        tenant: fc.nat(1),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('copy' as const), size: fc.integer({ min: 1, max: 9 }) }),
    },
  );

  it('copies of it, made along the way in any order and sizes, are identical at the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.constantFrom('strict' as const, 'pages' as const),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        async (steps, order, batchEventsMax, atomicAppendMany) => {
          const from = memoryStore();
          const bare = memoryStore({ limits: { batchEventsMax } });
          const to: EventStore = { ...bare, capabilities: { ...bare.capabilities, atomicAppendMany } };
          for (const one of steps) {
            if (one.do === 'copy') {
              await copied(from, to, { order, maxCount: one.size });
              continue;
            }
            const at = { tenant: tenants[one.tenant] as Tenant, streamName: `s-${one.stream}` as StreamName };
            // Refused where the stream is archived, tombstoned or not there: that is a history too.
            if (one.do === 'append')
              await from.append({
                ...at,
                expected: any,
                events: one.data.map((data) =>
                  anEvent(
                    'Happened',
                    JSON.parse(
                      JSON.stringify(data)
                        .replaceAll('\\u0000', '')
                        .replace(/-0(?![.\d])/g, '0'),
                    ),
                  ),
                ),
              })();
            else await from.markStream({ ...at, as: one.do, expected: any })();
          }
          const report = await copied(from, to, { order, maxCount: 3, tombstone: true });
          expect(report.comparison).toMatchObject({ isEqual: true, differencesCount: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });
});
