/** A repository: copies, changes, saves and what they leave in the stream. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { saveHeaderOf } from '../../src/core/concurrency/save-header.js';
import { repository } from '../../src/runtime/repository/repository.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import type { EventStore } from '../../src/store/event-store.js';
import { left, right } from '../support/handling.js';
import {
  addStock,
  eventsOf,
  opened,
  changed,
  product,
  products,
  rename,
  setPrice,
  showAs,
  streamOf,
  takeStock,
  withRivals,
} from './repository-support.js';

describe('a copy', () => {
  it('says version, revision, when it was last changed and by whom', async () => {
    const { store, id, repo } = await opened(3);
    await right(repo.update(id, rename('Floor lamp')));
    const copy = await right(repo.load(id));
    const [, , last] = await eventsOf(store, id);
    expect(copy).toMatchObject({
      id,
      streamName: streamOf(id),
      version: 3,
      revision: 2,
      lastModified: last?.recordedAt,
      lastModifiedBy: 'ada',
      fromCache: false,
      ageMs: 0,
      stale: false,
      state: { name: 'Floor lamp', stock: 3 },
    });
  });

  it('of what is not there is version 0 and revision 0', async () => {
    const { repo } = await opened();
    expect(await right(repo.load('other'))).toMatchObject({
      version: 0,
      revision: 0,
      lastModified: undefined,
    });
  });

  it('is changed without being changed: each change is another value, and nothing is written', async () => {
    const { store, id, repo } = await opened(3);
    const copy = await right(repo.load(id));
    const one = changed(repo, copy, takeStock(2));
    const two = changed(repo, one, takeStock(1), rename('Lamp 2'));
    expect([copy.state.stock, one.state.stock, two.state.stock]).toEqual([3, 1, 0]);
    expect(two.commands.map(({ type }) => type)).toEqual(['TakeStock', 'TakeStock', 'Rename']);
    expect(two.events.map(({ type }) => type)).toEqual(['StockTaken', 'StockTaken', 'Renamed']);
    expect(two.original).toBe(copy);
    expect(await eventsOf(store, id)).toHaveLength(2);
  });

  it('refuses what the rules reject, and what is no command', async () => {
    const { id, repo } = await opened(3);
    const copy = await right(repo.load(id));
    expect(repo.change(copy, takeStock(4))).toEqual(
      E.left({ _tag: 'Rejected', rejection: { _tag: 'OutOfStock', stock: 3 } }),
    );
    const wrong = repo.change(copy, { type: 'TakeStock', data: { amount: 'much' } } as never);
    expect(wrong).toMatchObject({ _tag: 'Left', left: { _tag: 'DecodeFailed' } });
  });

  it('of another store is a bug', async () => {
    const [here, there] = [await opened(), await opened()];
    const change = changed(here.repo, await right(here.repo.load(here.id)), setPrice(1));
    await expect(there.repo.trySave(change)()).rejects.toThrow(TypeError);
  });
});

describe('a save', () => {
  it('leaves its header and its actor on each event, and answers what it did', async () => {
    const { store, id, repo } = await opened();
    const change = changed(repo, await right(repo.load(id)), setPrice(5), rename('Lamp 5'));
    const saved = await repo.save(change, { metadata: { headers: { trace: 'x' } } });
    expect(saved).toMatchObject({
      version: 3,
      revision: 2,
      duplicate: false,
      attempts: 1,
      strategy: 'expectedVersion',
      policy: 'default',
      waitedMs: undefined,
      state: { price: 5, name: 'Lamp 5' },
    });
    expect(saved.events.map(({ type }) => type)).toEqual(['PriceSet', 'Renamed']);
    const written = (await eventsOf(store, id)).slice(1);
    for (const event of written) {
      expect(event.metadata).toMatchObject({ actor: 'ada', headers: { trace: 'x' } });
      expect(saveHeaderOf(event)).toEqual({
        id: saved.saveId,
        strategy: 'expectedVersion',
        attempts: 1,
        policy: 'default',
      });
    }
  });

  it('without events writes nothing', async () => {
    const { store, id, repo } = await opened();
    const saved = await right(repo.update(id, rename('Lamp')));
    expect(saved).toMatchObject({ version: 1, events: [], position: undefined, duplicate: false });
    expect(await eventsOf(store, id)).toHaveLength(1);
  });

  it('rejects with the tagged error where it is awaited, and names all that is known of the conflict', async () => {
    const { id, repo } = await opened();
    const change = changed(repo, await right(repo.load(id)), setPrice(1));
    await right(repo.update(id, rename('Lamp 2'), { actor: 'bob' }));
    const failing = repo.save(change);
    await expect(failing).rejects.toMatchObject({
      name: 'ConcurrencyConflict',
      tagged: {
        aggregateType: 'product',
        streamName: streamOf(id),
        expected: { _tag: 'exactly', version: 1 },
        actual: 2,
        attempts: 1,
        strategy: 'expectedVersion',
        policy: 'default',
        ours: ['PriceSet'],
        theirs: ['Renamed'],
        ourEvents: [{ type: 'PriceSet', data: { price: 1 } }],
        theirEvents: [{ type: 'Renamed', version: 2, metadata: { actor: 'bob' } }],
        advice: expect.stringContaining('Nothing was written. Load it again'),
      },
    });
    await expect(failing).rejects.toThrow(
      /expected version 1, found version 2 after 1 attempt \(saved with expectedVersion, chosen by default\)/,
    );
  });

  it('of the very same copy again is recognised, also behind what others wrote since', async () => {
    const { store, id, repo } = await opened();
    const change = changed(repo, await right(repo.load(id)), setPrice(5));
    await repo.save(change);
    expect(await repo.save(change)).toMatchObject({ duplicate: true, version: 2 });
    await right(repo.update(id, rename('Lamp 2')));
    const again = await repo.save(change, { settings: { strategy: 'retry' } });
    expect(again.duplicate).toBe(true);
    expect(await eventsOf(store, id)).toHaveLength(3);
  });

  it('answers what was written, where two at once say different things under one command id', async () => {
    const options = { commandId: 'order 8' };
    const { repo, id, store } = await withRivals(1, (inner, of) =>
      right(products(inner).update(of, addStock(1), options)),
    );
    const saved = await right(repo.update(id, addStock(3), options));
    expect(saved).toMatchObject({ duplicate: true, state: { stock: 6 }, version: 3, events: [] });
    expect((await eventsOf(store, id)).length).toBe(3);
  });

  it('with a command id is recognised whoever repeats it, even where the rules would reject the repeat', async () => {
    const { store, id, repo } = await opened(1);
    const options = { commandId: 'order 7' };
    expect(await right(repo.update(id, takeStock(1), options))).toMatchObject({ duplicate: false });
    expect(await right(products(store).update(id, takeStock(1), options))).toMatchObject({
      duplicate: true,
      events: [],
      state: { stock: 0 },
    });
    const event = (await eventsOf(store, id))[2];
    expect(event?.metadata).toMatchObject({ causationId: 'order 7', correlationId: 'order 7' });
    expect(await left(repo.update(id, addStock(1), { commandId: '' }))).toMatchObject({
      _tag: 'InvalidName',
      field: 'commandId',
    });
  });

  it('with a command id is recognised on a copy that was loaded after the first was written', async () => {
    const { store, id, repo } = await opened();
    const once = async () => changed(repo, await right(repo.load(id)), addStock(1));
    expect(await repo.save(await once(), { commandId: 'a' })).toMatchObject({ duplicate: false });
    await right(repo.update(id, rename('Lamp 2')));
    expect(await repo.save(await once(), { commandId: 'a' })).toMatchObject({
      duplicate: true,
      version: 3,
      state: { stock: 1 },
    });
    expect(await eventsOf(store, id)).toHaveLength(3);
  });

  it('with a command id that no snapshot remembers is still recognised where it meets a conflict', async () => {
    const { store, id } = await opened();
    const forgetful = { ...product, snapshot: { everyEvents: 1, codecVersion: '1', idsRemembered: 0 } };
    const repo = repository({ store, snapshots: store.snapshots })(forgetful);
    await right(repo.update(id, addStock(1), { commandId: 'a' }));
    await right(repo.update(id, rename('Lamp 2')));
    const change = changed(repo, await right(repo.load(id)), addStock(1));
    await right(repo.update(id, rename('Lamp 3')));
    const options = { commandId: 'a', settings: { strategy: 'retry' } } as const;
    expect(await right(repo.trySave(change, options))).toMatchObject({
      duplicate: true,
      state: { stock: 1 },
    });
  });

  it('whose outcome is not known says so, and the same copy again finds out', async () => {
    const { store, id } = await opened();
    let isLost = true;
    const lossy: EventStore = {
      ...store,
      append: (request) => async () => {
        const answer = await store.append(request)();
        if (!isLost) return answer;
        isLost = false;
        const eventIds = request.events.map(({ eventId }) => eventId);
        return E.left({ _tag: 'OutcomeUnknown', streamName: request.streamName, eventIds, message: 'lost' });
      },
    };
    const repo = products(lossy);
    const change = changed(repo, await right(repo.load(id)), setPrice(5));
    expect(await left(repo.trySave(change))).toMatchObject({ _tag: 'OutcomeUnknown', message: 'lost' });
    expect(await right(repo.trySave(change))).toMatchObject({ duplicate: true, version: 2 });
    expect(await eventsOf(store, id)).toHaveLength(2);
  });

  it('passes on what the store cannot do', async () => {
    const { store, id } = await opened();
    const down: EventStore = {
      ...store,
      append: () => async () => E.left({ _tag: 'StoreUnavailable', message: 'down' }),
    };
    const error = await left(products(down).update(id, setPrice(1), { settings: { strategy: 'retry' } }));
    expect(error).toEqual({ _tag: 'StoreUnavailable', message: 'down' });
  });

  it('of several commands decides each on what those before it came to, and all or none', async () => {
    const { store, id, repo } = await opened(2);
    const saved = await right(repo.update(id, [takeStock(1), takeStock(1)]));
    expect(saved).toMatchObject({ version: 4, revision: 2, state: { stock: 0 } });
    expect(await left(repo.update(id, [addStock(1), takeStock(2)]))).toMatchObject({ _tag: 'Rejected' });
    expect(await eventsOf(store, id)).toHaveLength(4);
  });

  it('as work of the system adds no revision, and leaves the operation’s name', async () => {
    const { store, id, repo } = await opened();
    const saved = await systemWork('thumbnail', () =>
      right(repo.update(id, showAs('/1'), { actor: 'worker' })),
    );
    expect(saved).toMatchObject({ version: 2, revision: 1 });
    const [, event] = await eventsOf(store, id);
    expect(saveHeaderOf(event as never)).toMatchObject({ work: 'system', operation: 'thumbnail' });
    expect(await right(repo.load(id))).toMatchObject({ version: 2, revision: 1, lastModifiedBy: undefined });
  });
});

describe('a snapshot', () => {
  it('carries the revision on, with what people see of the last change', async () => {
    const { store, id } = await opened();
    const rules = { ...product, snapshot: { everyEvents: 3, codecVersion: '1' } };
    const context = { store, snapshots: store.snapshots, actor: 'ada' };
    const repo = repository(context)(rules);
    for (const price of [1, 2]) await right(repo.update(id, [setPrice(price), addStock(1)]));
    await systemWork('index', () => right(repo.update(id, [showAs('/1'), showAs('/2'), showAs('/3')])));
    const kept = await right(store.snapshots.load({ streamName: streamOf(id) }));
    expect(kept).toMatchObject({ version: 8, state: { about: { revision: 3, lastModifiedBy: 'ada' } } });
    const plain = await right(products(store).load(id));
    const { version, revision, lastModified, lastModifiedBy, state } = plain;
    expect(await right(repo.load(id))).toMatchObject({
      ...{ version, revision, lastModified, lastModifiedBy, state },
      kept: { loaded: { snapshotVersion: 8 } },
    });
    expect({ version, revision, lastModifiedBy }).toEqual({ version: 8, revision: 3, lastModifiedBy: 'ada' });
  });
});

describe('a store that was restored to an earlier time', () => {
  it('is told apart: a copy of what never happened there is a conflict, or is decided anew', async () => {
    const { store: later, id } = await opened(3);
    const earlier = memoryStore();
    let current: EventStore = later;
    const store: EventStore = {
      ...later,
      append: (request) => current.append(request),
      readStream: (request) => current.readStream(request),
    };
    const repo = products(store);
    const change = changed(repo, await right(repo.load(id)), addStock(1));
    current = earlier;
    expect(await left(repo.trySave(change))).toMatchObject({ _tag: 'ConcurrencyConflict', actual: 0 });
    const settings = { strategy: 'retry' } as const;
    expect(await right(repo.trySave(change, { settings }))).toMatchObject({
      version: 1,
      state: { stock: 1 },
    });
  });
});
