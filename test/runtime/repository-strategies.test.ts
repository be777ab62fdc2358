/** What each strategy does about one rival: what it asks, what it writes, when it gives up, and what is told about it. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import type { Resolver, ResolverConflict } from '../../src/core/concurrency/resolver.js';
import { resolverRefused } from '../../src/core/concurrency/resolver.js';
import { type ConcurrencyStats, concurrencyStats } from '../../src/runtime/concurrency/concurrency-stats.js';
import type { EventStore } from '../../src/store/event-store.js';
import { streamLeaseName } from '../../src/runtime/leases/stream-lease.js';
import { defaultTenant } from '../../src/core/stream.js';
import { left, right, stillEnvironment, withRival } from '../support/handling.js';
import {
  addStock,
  type Event,
  rivalAdds,
  type State,
  typesOf,
  using,
  withRivals,
  aProduct,
  changed,
  products,
  setPrice,
  streamOf,
  takeStock,
} from './repository-support.js';

type Conflict = ResolverConflict<State, Event>;

describe('retry', () => {
  it('decides again on the fresh state, after growing waits', async () => {
    const { id, repo, environment } = await withRivals(2, rivalAdds);
    const saved = await right(repo.update(id, takeStock(5), using('retry', { delayMs: 100 })));
    expect(saved).toMatchObject({ attempts: 3, state: { stock: 2 }, strategy: 'retry' });
    expect(environment.waits).toEqual([100, 200]);
  });

  it('is rejected where the fresh state does not allow it any more', async () => {
    const { id, repo, store } = await withRivals(1, (inner, of) =>
      right(products(inner).update(of, takeStock(5))),
    );
    expect(await left(repo.update(id, takeStock(1), using('retry')))).toEqual({
      _tag: 'Rejected',
      rejection: { _tag: 'OutOfStock', stock: 0 },
    });
    expect(await typesOf(store, id)).toHaveLength(3);
  });

  it('gives up after attemptsMax, and says what to do', async () => {
    const { id, repo, store } = await withRivals(9, rivalAdds);
    expect(await left(repo.update(id, takeStock(1), using('retry', { attemptsMax: 3 })))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      attempts: 3,
      strategy: 'retry',
      ours: ['StockTaken'],
      advice: expect.stringContaining('raise attemptsMax, or let a policy choose pessimistic'),
    });
    expect(await typesOf(store, id)).not.toContain('StockTaken');
  });

  it('tells hooks and statistics of each try', async () => {
    const told: unknown[] = [];
    const stats: ConcurrencyStats = concurrencyStats();
    const { id, repo } = await withRivals(2, rivalAdds, {
      stats,
      hooks: {
        onConflict: ({ attempt, answer }) => void told.push([attempt, answer]),
        onRetry: ({ attempt, delayMs }) => void told.push([attempt, delayMs]),
      },
    });
    await right(repo.update(id, takeStock(1), using('retry', { delayMs: 10 })));
    expect(told).toEqual([
      [1, 'retry'],
      [1, 10],
      [2, 'retry'],
      [2, 20],
    ]);
    expect(stats.read().keys).toMatchObject([{ key: streamOf(id), saves: 1, conflicts: 2 }]);
  });
});

describe('merge', () => {
  const noting = (answer: (conflict: Conflict) => ReturnType<Resolver<State, Event>['resolve']>) => {
    const asked: Conflict[] = [];
    const resolver: Resolver<State, Event> = {
      description: 'a resolver of the test',
      resolve: (conflict) => {
        asked.push(conflict);
        return answer(conflict);
      },
    };
    return { asked, resolver };
  };

  it('shows the resolver original, current, attempted and the events of both sides', async () => {
    const { asked, resolver } = noting(({ ours }) => E.right({ events: ours, rule: 'both stand' }));
    const { id, repo } = await withRivals(1, rivalAdds);
    const saved = await right(repo.update(id, takeStock(2), using('merge', { resolver })));
    expect(asked[0]).toMatchObject({
      original: { stock: 5 },
      current: { stock: 6 },
      attempted: { stock: 3 },
      ours: [{ type: 'StockTaken', data: { amount: 2 } }],
      theirs: [{ type: 'StockAdded', data: { amount: 1 } }],
    });
    expect(saved).toMatchObject({ state: { stock: 4 }, attempts: 2, resolution: 'both stand' });
  });

  it('asks again where it loses again, with all that came since the copy, and appends what was computed last', async () => {
    const { asked, resolver } = noting(({ theirs }) =>
      E.right({ events: [{ type: 'PriceSet', data: { price: theirs.length } }] }),
    );
    const { id, repo, store } = await withRivals(3, rivalAdds);
    const saved = await right(repo.update(id, takeStock(2), using('merge', { resolver })));
    expect(asked.at(-1)).toMatchObject({ original: { stock: 5 }, current: { stock: 8 } });
    expect(saved).toMatchObject({ state: { stock: 8, price: 3 }, attempts: 4 });
    expect((await typesOf(store, id)).at(-1)).toBe('PriceSet');
  });

  it('passes on what the resolver refuses, and writes nothing', async () => {
    const { resolver } = noting(() => E.left(resolverRefused('mine', 'cannot tell', ['$.stock'])));
    const { id, repo, store } = await withRivals(1, rivalAdds);
    expect(await left(repo.update(id, takeStock(2), using('merge', { resolver })))).toEqual(
      resolverRefused('mine', 'cannot tell', ['$.stock']),
    );
    expect(await typesOf(store, id)).toHaveLength(3);
  });

  it('with an answer of no events leaves theirs as it stands', async () => {
    const { resolver } = noting(() => E.right({ events: [] }));
    const { id, repo } = await withRivals(1, rivalAdds);
    const saved = await right(repo.update(id, takeStock(2), using('merge', { resolver })));
    expect(saved).toMatchObject({ version: 3, events: [], position: undefined, state: { stock: 6 } });
  });

  it('gives up after attemptsMax', async () => {
    const { resolver } = noting(({ ours }) => E.right({ events: ours }));
    const { id, repo } = await withRivals(9, rivalAdds);
    const options = using('merge', { resolver, attemptsMax: 2 });
    expect(await left(repo.update(id, takeStock(2), options))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      attempts: 2,
      theirs: ['StockAdded', 'StockAdded'],
    });
  });

  it('by hand gives the events and what they come to', async () => {
    const { repo } = await withRivals(0, rivalAdds);
    const state = { name: 'Lamp', price: 0, stock: 5, thumbnail: '' };
    const ours = [{ type: 'StockTaken', data: { amount: 2 } }] as const;
    const conflict = { original: state, current: { ...state, stock: 9 }, attempted: state, ours, theirs: [] };
    const { resolver } = noting((seen) => E.right({ events: seen.ours }));
    expect(repo.resolveConflict(conflict, resolver)).toEqual(
      E.right({ events: ours, state: { ...state, stock: 7 }, rule: 'a resolver of the test' }),
    );
  });
});

describe('lastWriteWins', () => {
  it('appends the same events, and goes past whoever is always first after 16 tries', async () => {
    const { id, repo, store } = await withRivals(99, rivalAdds);
    const saved = await right(repo.update(id, setPrice(7), using('lastWriteWins')));
    expect(saved).toMatchObject({ attempts: 17, version: 20, state: { price: 7, stock: 22 } });
    const types = await typesOf(store, id);
    expect(types).toHaveLength(20);
    expect(types.at(-1)).toBe('PriceSet');
  });

  it('does not go past a check', async () => {
    const { id, repo } = await withRivals(99, rivalAdds);
    const check = { condition: () => true };
    const error = await left(repo.update(id, setPrice(7), { ...using('lastWriteWins'), check }));
    expect(error).toMatchObject({ _tag: 'ConcurrencyConflict', attempts: 16 });
  });
});

describe('a save that never becomes the first', () => {
  it('is given up, whatever the store says', async () => {
    const { id, store } = await withRivals(0, rivalAdds);
    let appends = 0;
    const stubborn: EventStore = {
      ...store,
      append:
        ({ expected, streamName }) =>
        async () => {
          appends += 1;
          const more = { tenant: defaultTenant, alreadyRecorded: [], tail: undefined };
          return E.left({ _tag: 'VersionConflict', streamName, expected, actual: 2 as never, ...more });
        },
    };
    const repo = products(stubborn, { environment: stillEnvironment() });
    const error = await left(repo.update(id, setPrice(1), using('lastWriteWins')));
    expect(error).toMatchObject({ _tag: 'ConcurrencyConflict', attempts: 17 });
    expect(appends).toBe(17);
  });
});

describe('pessimistic', () => {
  const lockOf = (id: string) => streamLeaseName('lock', { tenant: defaultTenant, streamName: streamOf(id) });

  it('that waits for longer than its limit says who holds the lock, and writes nothing', async () => {
    const { id, repo, store } = await withRivals(0, rivalAdds, { environment: undefined as never });
    await right(store.leases.acquire({ name: lockOf(id), holder: 'another process', ttlMs: 60_000 }));
    const options = using('pessimistic', { lockWaitMaxMs: 20 });
    expect(await left(repo.update(id, setPrice(1), options))).toMatchObject({
      _tag: 'LockTimeout',
      streamName: streamOf(id),
      holder: 'another process',
    });
    expect(await typesOf(store, id)).toHaveLength(2);
  });

  it('writes nothing once the lock is another’s, whatever it believes', async () => {
    const store = memoryStore();
    const id = await aProduct(store);
    const robbed = withRival(store, 1, async () => {
      // Its lease has ended without its knowing, and another took it.
      await right(store.leases.release({ name: lockOf(id), token: 1 }));
      await right(store.leases.acquire({ name: lockOf(id), holder: 'another', ttlMs: 60_000 }));
    });
    const error = await left(products(robbed).update(id, setPrice(1), using('pessimistic')));
    expect(error).toMatchObject({ _tag: 'LeaseLost' });
    expect(await typesOf(store, id)).toHaveLength(1);
  });

  it('decides anew where others wrote between load and lock, and says how long it waited', async () => {
    const { id, repo, store } = await withRivals(0, rivalAdds, { environment: undefined as never });
    const change = changed(repo, await right(repo.load(id)), takeStock(5));
    await rivalAdds(store, id);
    const saved = await right(repo.trySave(change, using('pessimistic')));
    expect(saved).toMatchObject({ attempts: 1, state: { stock: 1 }, strategy: 'pessimistic' });
    expect(saved.waitedMs).toBeGreaterThanOrEqual(0);
  });

  it('counts a wait for the lock as meeting another writer, and a lock that is free not', async () => {
    const store = memoryStore();
    const id = await aProduct(store);
    const stats = concurrencyStats();
    const repo = products(store, { stats });
    const save = () => right(repo.update(id, addStock(1), using('pessimistic')));
    await save();
    expect(stats.read().keys).toMatchObject([{ saves: 1, contended: 0 }]);
    await Promise.all([save(), save(), save()]);
    const [key] = stats.read().keys;
    expect(key).toMatchObject({ saves: 4, conflicts: 0 });
    // Two of the three came while another had it, or stood in line for it.
    expect(key?.contended).toBeGreaterThanOrEqual(2);
  });

  it('tries again where somebody writes without the lock', async () => {
    const { id, repo } = await withRivals(1, rivalAdds);
    const saved = await right(repo.update(id, takeStock(1), using('pessimistic')));
    expect(saved).toMatchObject({ attempts: 2, state: { stock: 5 } });
  });
});
