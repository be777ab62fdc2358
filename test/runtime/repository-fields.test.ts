/** Saves under the ownership of fields, and several copies in one append. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { Resolver } from '../../src/core/concurrency/resolver.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import type { EventStore } from '../../src/store/event-store.js';
import { left, right } from '../support/handling.js';
import {
  type Event,
  rivalAdds,
  type State,
  typesOf,
  withRivals,
  aProduct,
  changed,
  productOwnership,
  products,
  rename,
  setPrice,
  showAs,
  streamOf,
  takeStock,
} from './repository-support.js';

describe('the ownership of fields', () => {
  const ownership = productOwnership;

  it('refuses a field of another owner by name, and writes nothing', async () => {
    const { id, repo, store } = await withRivals(0, rivalAdds, { ownership });
    expect(await left(repo.update(id, showAs('/mine')))).toMatchObject({
      _tag: 'FieldNotOwned',
      field: 'thumbnail',
      owner: 'system',
      actor: 'ada',
    });
    expect(await typesOf(store, id)).toHaveLength(2);
  });

  it('lets through what nobody else wrote, unless the call expects a version by name', async () => {
    const rival = (inner: EventStore, of: string) =>
      right(products(inner).update(of, showAs('/1'), { actor: 'worker 1' }));
    const free = await withRivals(1, rival, { ownership });
    expect(await right(free.repo.update(free.id, rename('Lamp 2')))).toMatchObject({
      strategy: 'expectedVersion',
      attempts: 2,
      state: { name: 'Lamp 2', thumbnail: '/1' },
    });
    const strict = await withRivals(1, rival, { ownership });
    const check = { expectedVersion: 2 };
    expect(await left(strict.repo.update(strict.id, rename('Lamp 2'), { check }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
    });
  });

  it('leaves a field that two of its owners wrote to the strategy', async () => {
    const rival = (inner: EventStore, of: string) => right(products(inner).update(of, rename('Theirs')));
    const { id, repo } = await withRivals(1, rival, { ownership });
    expect(await left(repo.update(id, rename('Ours')))).toMatchObject({ _tag: 'ConcurrencyConflict' });
  });

  it('settles a shared field as it says: skipped, or merged by the resolver', async () => {
    const sets = (inner: EventStore, of: string) => right(products(inner).update(of, setPrice(1)));
    const skipping = await withRivals(1, sets, { ownership });
    expect(await right(skipping.repo.update(skipping.id, [setPrice(2), rename('Lamp 2')]))).toMatchObject({
      state: { price: 1, name: 'Lamp 2' },
      resolution: 'skipped PriceSet (price)',
    });
    const merging = await withRivals(1, rivalAdds, { ownership });
    expect(await left(merging.repo.update(merging.id, takeStock(1)))).toMatchObject({
      _tag: 'InvalidRequest',
      field: 'settings.resolver',
    });
    const again = await withRivals(1, rivalAdds, { ownership });
    const resolver: Resolver<State, Event> = {
      description: 'both',
      resolve: ({ ours }) => E.right({ events: ours }),
    };
    const saved = await right(again.repo.update(again.id, takeStock(1), { settings: { resolver } }));
    expect(saved).toMatchObject({ state: { stock: 5 }, resolution: 'both', strategy: 'expectedVersion' });
  });
});

describe('several copies at once', () => {
  it('on a store that cannot, are refused by name', async () => {
    const { repo: full, id, store } = await withRivals(0, rivalAdds);
    const capabilities = { ...store.capabilities, atomicAppendMany: false };
    const repo = products({ ...store, capabilities });
    expect(await left(repo.saveAll([]))).toEqual({ _tag: 'NotSupported', capability: 'atomicAppendMany' });
    expect(await right(full.saveAll([]))).toEqual([]);
    const one = changed(full, await right(full.load(id)), setPrice(1));
    expect(await left(full.saveAll([{ changed: one }, { changed: one }]))).toMatchObject({
      _tag: 'InvalidRequest',
      reason: expect.stringContaining('twice'),
    });
  });

  it('name each copy that others were first on, and keep to their checks', async () => {
    const { repo, id, store } = await withRivals(0, rivalAdds);
    const other = await aProduct(store);
    const copies = await Promise.all([id, other].map((of) => right(repo.load(of))));
    const items = copies.map((copy) => ({ changed: changed(repo, copy, setPrice(3)) }));
    await rivalAdds(store, other);
    expect(await left(repo.saveAll(items))).toMatchObject({
      _tag: 'SaveAllConflict',
      conflicts: [{ index: 1, conflict: { streamName: streamOf(other), theirs: ['StockAdded'] } }],
      message: expect.stringMatching(/^Nothing was written. Others were first on 1 of 2/),
    });
    const [first] = items;
    const picky = { changed: first?.changed as never, options: { check: { expectedRevision: 9 } } };
    expect(await left(repo.saveAll([picky]))).toMatchObject({ _tag: 'ConcurrencyConflict' });
    const saved = await right(repo.saveAll([{ changed: first?.changed as never }]));
    expect(saved).toMatchObject([{ version: 3, revision: 2, duplicate: false, state: { price: 3 } }]);
    const repeated = await right(repo.saveAll([{ changed: first?.changed as never }]));
    expect(repeated).toMatchObject([{ duplicate: true }]);
  });

  it('are recognised when they are repeated, although a copy that only had to stand has moved since', async () => {
    const { repo, id, store } = await withRivals(0, rivalAdds);
    const other = await aProduct(store);
    const [copy, condition] = [await right(repo.load(id)), await right(repo.load(other))];
    const same = changed(repo, condition, rename('Lamp'));
    const items = [{ changed: changed(repo, copy, setPrice(3)) }, { changed: same }];
    expect(await right(repo.saveAll(items))).toMatchObject([{ version: 3 }, { version: 1, events: [] }]);
    await rivalAdds(store, other);
    await rivalAdds(store, id);
    expect(await right(repo.saveAll(items))).toMatchObject([
      { version: 3, duplicate: true },
      { version: 1, duplicate: false },
    ]);
    expect(await typesOf(store, id)).toHaveLength(4);
    const fresh = [{ changed: changed(repo, await right(repo.load(id)), setPrice(4)) }, { changed: same }];
    expect(await left(repo.saveAll(fresh))).toMatchObject({
      _tag: 'SaveAllConflict',
      conflicts: [{ index: 1 }],
    });
  });

  it('as work of the system add no revision', async () => {
    const { repo, id } = await withRivals(0, rivalAdds);
    const change = changed(repo, await right(repo.load(id)), setPrice(3));
    const [saved] = await systemWork('prices', () => right(repo.saveAll([{ changed: change }])));
    expect(saved).toMatchObject({ version: 3, revision: 1 });
    expect((await right(repo.load(id))).revision).toBe(1);
  });
});
