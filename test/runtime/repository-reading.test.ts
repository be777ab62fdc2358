/** Reading through a repository: history by revision, the log of operations, and the cache of folds. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { repository } from '../../src/runtime/repository/repository.js';
import type { HistoryPlace } from '../../src/runtime/repository/history.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import { counting, left, right } from '../support/handling.js';
import {
  addStock,
  aProduct,
  changed,
  product,
  products,
  rename,
  secret,
  setPrice,
  showAs,
  takeStock,
} from './repository-support.js';

/** Four revisions of editors with two operations of the system in between. */
const withPast = async () => {
  const store = memoryStore();
  const id = await aProduct(store, 3);
  const repo = products(store, { actor: 'ada' });
  await systemWork('thumbnail', () => right(repo.update(id, showAs('/1'), { actor: 'worker 1' })));
  await right(repo.update(id, [rename('Lamp 2'), setPrice(5)]));
  await systemWork('thumbnail', () => right(repo.update(id, showAs('/2'), { actor: 'worker 2' })));
  await right(repo.update(id, takeStock(1), { actor: 'bob' }));
  await right(repo.update(id, takeStock(1), { actor: 'eve' }));
  return { store, id, repo };
};

describe('history', () => {
  it('shows what editors did, newest first, with who and when and which versions', async () => {
    const { id, repo, store } = await withPast();
    const { entries, next } = await right(repo.history(id));
    expect(next).toBeUndefined();
    expect(entries).toMatchObject([
      { revision: 4, by: 'eve', fromVersion: 8, toVersion: 8 },
      { revision: 3, by: 'bob', fromVersion: 7, toVersion: 7 },
      { revision: 2, by: 'ada', fromVersion: 4, toVersion: 5 },
      { revision: 1, by: undefined, fromVersion: 1, toVersion: 2 },
    ]);
    expect(entries[2]?.events.map(({ type }) => type)).toEqual(['Renamed', 'PriceSet']);
    const { events } = await right(store.readStream({ streamName: `product-${id}` as never }));
    expect(entries[0]?.at).toBe(events[7]?.recordedAt);
  });

  it.each(['forwards', 'backwards'] as const)('by page is the same as at once: %s', async (direction) => {
    const { id, repo } = await withPast();
    const whole = (await right(repo.history(id, { direction }))).entries;
    expect(whole.map(({ revision }) => revision)).toEqual(
      direction === 'forwards' ? [1, 2, 3, 4] : [4, 3, 2, 1],
    );
    for (const maxCount of [1, 2, 3]) {
      const pages: unknown[] = [];
      let from: HistoryPlace | undefined;
      do {
        const page = await right(
          repo.history(id, { direction, maxCount, ...(from !== undefined && { from }) }),
        );
        expect(page.entries.length).toBeLessThanOrEqual(maxCount);
        pages.push(...page.entries);
        from = page.next;
      } while (from !== undefined);
      expect(pages).toEqual(whole);
    }
  });

  it('never cuts a save, however many events it has, and ends the page after it', async () => {
    const store = memoryStore();
    const id = await aProduct(store);
    const repo = products(store);
    const many = (count: number) => Array.from({ length: count }, () => addStock(1));
    for (const count of [3_000, 1_500, 700]) await right(repo.update(id, many(count)));
    const first = await right(repo.history(id, { direction: 'forwards' }));
    expect(first.entries.map(({ events }) => events.length)).toEqual([1, 3_000]);
    expect(first.next).toEqual({ version: 3_002, revision: 3 });
    const second = await right(repo.history(id, { direction: 'forwards', from: first.next as HistoryPlace }));
    expect(second.entries.map(({ revision, events }) => [revision, events.length])).toEqual([
      [3, 1_500],
      [4, 700],
    ]);
  });

  it('of what is not there is empty, and a page of nothing is refused', async () => {
    const { id, repo } = await withPast();
    expect(await right(repo.history('other'))).toEqual({ entries: [], next: undefined });
    expect(await left(repo.history(id, { maxCount: 0 }))).toMatchObject({
      _tag: 'InvalidRequest',
      field: 'maxCount',
    });
  });
});

describe('the log of operations', () => {
  it('shows what the system did, by page', async () => {
    const { id, repo } = await withPast();
    const first = await right(repo.operationLog(id, { maxCount: 1 }));
    expect(first.entries).toMatchObject([
      { operation: 'thumbnail', by: 'worker 2', fromVersion: 6, toVersion: 6 },
    ]);
    const second = await right(repo.operationLog(id, { maxCount: 1, from: first.next as HistoryPlace }));
    expect(second).toMatchObject({ entries: [{ by: 'worker 1', fromVersion: 3 }], next: undefined });
  });
});

describe('the cache of folds', () => {
  const cached = async (maxAgeMs = 1_000, max = 2) => {
    const inner = memoryStore();
    const id = await aProduct(inner, 3);
    const { store, counts } = counting(inner);
    let now = 0;
    const timers = { now: () => now, after: () => () => undefined, soon: () => undefined };
    const environment = { random: () => 0.5, sleep: async () => undefined, timers };
    const repo = repository({ store, environment, tokenSecret: secret })(product, {
      cache: { max, maxAgeMs },
    });
    const pass = (ms: number): void => {
      now += ms;
    };
    return { inner, id, repo, store, counts, pass };
  };

  it('lets a load read only what is newer', async () => {
    const { inner, id, repo, counts } = await cached();
    expect(await right(repo.load(id))).toMatchObject({ version: 2, fromCache: false });
    await right(products(inner).update(id, addStock(1)));
    counts.events = 0;
    expect(await right(repo.load(id))).toMatchObject({
      version: 3,
      revision: 2,
      fromCache: true,
      stale: false,
      ageMs: 0,
      state: { stock: 4 },
    });
    expect(counts.events).toBe(1);
  });

  it('answers without reading only where that was allowed, and says so', async () => {
    const { inner, id, repo, counts, pass } = await cached();
    await right(repo.load(id));
    await right(products(inner).update(id, addStock(1)));
    pass(100);
    counts.reads = 0;
    expect(await right(repo.load(id, { allowStaleMs: 100 }))).toMatchObject({
      version: 2,
      stale: true,
      fromCache: true,
      ageMs: 100,
    });
    expect(counts.reads).toBe(0);
    expect(await right(repo.load(id, { allowStaleMs: 99 }))).toMatchObject({ version: 3, stale: false });
  });

  it('never lets a stale copy decide: the save of one is a conflict, or is decided anew', async () => {
    const { inner, id, repo } = await cached();
    await right(repo.load(id));
    await right(products(inner).update(id, takeStock(3)));
    const stale = await right(repo.load(id, { allowStaleMs: 500 }));
    const change = changed(repo, stale, takeStock(1));
    expect(await left(repo.trySave(change))).toMatchObject({ _tag: 'ConcurrencyConflict' });
    expect(await left(repo.trySave(change, { settings: { strategy: 'retry' } }))).toMatchObject({
      _tag: 'Rejected',
    });
  });

  it('shows a process its own writes', async () => {
    const { id, repo } = await cached();
    await right(repo.load(id));
    await right(repo.update(id, addStock(1)));
    const copy = await right(repo.load(id, { allowStaleMs: 500 }));
    expect(copy).toMatchObject({ stale: false, fromCache: true, state: { stock: 4 } });
  });

  /** A repository whose next read is answered when `answer` is called, as the stream was when it was asked. */
  const withSlowRead = async () => {
    const { id, repo, store, pass } = await cached();
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const { readStream } = store;
    store.readStream = (request) => async () => {
      store.readStream = readStream;
      const page = await readStream(request)();
      await answered;
      return page;
    };
    return { id, repo, answer, pass };
  };

  it('shows a process its own writes also where a load began before and ends after', async () => {
    const { id, repo, answer } = await withSlowRead();
    const slow = right(repo.load(id));
    await right(repo.update(id, addStock(1)));
    answer();
    expect(await slow).toMatchObject({ state: { stock: 3 } });
    expect(await right(repo.load(id, { allowStaleMs: 500 }))).toMatchObject({ state: { stock: 4 } });
  });

  it('shows a process its own writes also where a copy came from a replica since', async () => {
    const { id, repo, store } = await cached();
    const { version } = await right(repo.load(id));
    await right(repo.update(id, addStock(1)));
    const { readStream } = store;
    const behind = E.right({ events: [], version, next: undefined });
    store.readStream = (request) =>
      request.atLeast === undefined ? readStream(request) : async () => behind;
    expect(await right(repo.load(id, { atLeast: 0 }))).toMatchObject({ version, state: { stock: 3 } });
    expect(await right(repo.load(id, { allowStaleMs: 500 }))).toMatchObject({ state: { stock: 4 } });
  });

  it('counts the age of a copy from when the store was asked for it', async () => {
    const { id, repo, answer, pass } = await withSlowRead();
    const slow = right(repo.load(id));
    pass(200);
    answer();
    await slow;
    expect(await right(repo.load(id, { allowStaleMs: 199 }))).toMatchObject({ stale: false });
  });

  it('forgets what was not looked at for long, and what was not used for longest where there are too many', async () => {
    const { inner, id, repo, pass } = await cached();
    await right(repo.load(id));
    pass(1_001);
    expect(await right(repo.load(id))).toMatchObject({ fromCache: false });
    const others = [await aProduct(inner), await aProduct(inner)] as const;
    for (const other of others) await right(repo.load(other));
    expect(await right(repo.load(others[0]))).toMatchObject({ fromCache: true });
    expect(await right(repo.load(id))).toMatchObject({ fromCache: false });
  });

  it('finds a repeated command id although the cache has folded its events', async () => {
    const { id, repo } = await cached();
    await right(repo.update(id, addStock(1), { commandId: 'a' }));
    await right(repo.load(id));
    expect(await right(repo.update(id, addStock(1), { commandId: 'a' }))).toMatchObject({ duplicate: true });
  });

  it.each([
    [{ max: 0, maxAgeMs: 1 }, 'max'],
    [{ max: 1, maxAgeMs: 0 }, 'maxAgeMs'],
  ])('that cannot work is a bug: %p', (cache, field) => {
    expect(() => repository({ store: memoryStore() })(product, { cache })).toThrow(field);
  });
});
