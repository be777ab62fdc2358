/** What must hold for a save, and who chooses how it goes about it. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { saveHeaderOf } from '../../src/core/concurrency/save-header.js';
import { hasTag, always } from '../../src/core/concurrency/policy-predicates.js';
import { policies, when } from '../../src/core/concurrency/policy.js';
import { repository } from '../../src/runtime/repository/repository.js';
import type { ConcurrencyCheck } from '../../src/runtime/repository/context.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import type { EventStore } from '../../src/store/event-store.js';
import { left, right } from '../support/handling.js';
import {
  addStock,
  aProduct,
  eventsOf,
  opened,
  changed,
  product,
  products,
  rename,
  setPrice,
  showAs,
  takeStock,
} from './repository-support.js';

describe('a check', () => {
  const afterOthers = async (check: ConcurrencyCheck, others: 'editor' | 'system' | 'nobody') => {
    const { id, repo } = await opened(1);
    const change = changed(repo, await right(repo.load(id)), setPrice(9));
    if (others === 'editor') await right(repo.update(id, rename('Lamp 2'), { actor: 'bob' }));
    if (others === 'system') await systemWork('index', () => right(repo.update(id, showAs('/1'))));
    return repo.trySave(change, { check })();
  };

  it.each<[string, ConcurrencyCheck]>([
    ['expectedVersion', { expectedVersion: 2 }],
    ['expectedRevision', { expectedRevision: 1 }],
    ['condition', { condition: ({ name }: { name: string }) => name === 'Lamp' }],
    ['ifNotModifiedSince, as a Date', { ifNotModifiedSince: new Date(Date.now() + 60_000) }],
  ])('that holds lets the save through: %s', async (_, check) => {
    expect(await afterOthers(check, 'nobody')).toMatchObject({
      _tag: 'Right',
      right: { policy: 'the check' },
    });
  });

  it.each<[string, ConcurrencyCheck, object]>([
    ['expectedVersion', { expectedVersion: 2 }, { expected: { version: 2 }, actual: 3, theirs: ['Renamed'] }],
    [
      'expectedRevision',
      { expectedRevision: 1 },
      {
        advice: expect.stringMatching(/^Revision 1 was expected, and it is at 2 by bob/),
        theirs: ['Renamed'],
      },
    ],
  ])('that fails after an editor says what happened since: %s', async (_, check, error) => {
    const answer = await afterOthers(check, 'editor');
    expect(answer).toMatchObject({ _tag: 'Left', left: { _tag: 'ConcurrencyConflict', ...error } });
  });

  it('ifNotModifiedSince that fails says when it was modified, and by whom', async () => {
    const { id, repo } = await opened();
    await right(repo.update(id, rename('Lamp 2'), { actor: 'bob' }));
    const check = { ifNotModifiedSince: '2020-01-01T00:00:00.000Z' };
    expect(await left(repo.update(id, setPrice(9), { check }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      expected: { _tag: 'noStream' },
      theirs: ['Created', 'Renamed'],
      advice: expect.stringMatching(/^It was modified at .* by bob, after 2020-01-01T00:00:00.000Z/),
    });
  });

  it('expectedVersion counts the work of the system, expectedRevision and ifNotModifiedSince do not', async () => {
    expect(await afterOthers({ expectedVersion: 2 }, 'system')).toMatchObject({ _tag: 'Left' });
    const { id, repo } = await opened();
    const copy = await right(repo.load(id));
    await systemWork('index', () => right(repo.update(id, showAs('/1'))));
    const check = { ifNotModifiedSince: copy.lastModified as string };
    const saved = await right(repo.trySave(changed(repo, copy, setPrice(9)), { check }));
    expect(saved).toMatchObject({
      version: 3,
      revision: 2,
      attempts: 2,
      state: { price: 9, thumbnail: '/1' },
    });
    expect(await afterOthers({ expectedRevision: 1 }, 'system')).toMatchObject({ _tag: 'Right' });
  });

  it('ifNotModifiedSince of the copy in hand is not fooled by a change within the same millisecond', async () => {
    const { store, id, repo } = await opened();
    const still: EventStore = {
      ...store,
      readStream: (request) => async () => {
        const page = await store.readStream(request)();
        if (E.isLeft(page)) return page;
        const events = page.right.events.map((event) => ({
          ...event,
          recordedAt: '2026-01-01T00:00:00.000Z',
        }));
        return E.right({ ...page.right, events });
      },
      append: (request) => store.append({ ...request, tailMax: 0 }),
    };
    const stopped = products(still);
    const change = changed(stopped, await right(stopped.load(id)), setPrice(9));
    await right(repo.update(id, rename('Lamp 2')));
    const settings = { strategy: 'ifNotModifiedSince' } as const;
    expect(await left(stopped.trySave(change, { settings }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      theirs: ['Renamed'],
    });
  });

  it('condition is looked at on the state that the events are appended to', async () => {
    const check = { condition: ({ name }: { name: string }) => name === 'Lamp' };
    const answer = await afterOthers(check, 'editor');
    expect(answer).toMatchObject({ _tag: 'Left', left: { _tag: 'ConditionNotMet', version: 3 } });
  });

  it('holds besides the strategy that the call chose', async () => {
    const { id, repo } = await opened(5);
    const change = changed(repo, await right(repo.load(id)), takeStock(1));
    await right(repo.update(id, takeStock(1)));
    const settings = { strategy: 'retry' } as const;
    const check = (stock: number) => ({ condition: (state: { stock: number }) => state.stock >= stock });
    expect(await left(repo.trySave(change, { settings, check: check(5) }))).toMatchObject({
      _tag: 'ConditionNotMet',
    });
    expect(await right(repo.trySave(change, { settings, check: check(4) }))).toMatchObject({ attempts: 2 });
  });

  it.each<[string, ConcurrencyCheck, string]>([
    ['a revision that is none', { expectedRevision: -1 }, 'InvalidRequest'],
    ['a version that is none', { expectedVersion: 0.5 }, 'InvalidExpectedVersion'],
    ['a time that is none', { ifNotModifiedSince: 'yesterday' }, 'InvalidRequest'],
    ['a token that is none', { token: 'abc' }, 'TokenNotMine'],
  ])('of %s is refused by name', async (_, check, tag) => {
    expect(await afterOthers(check, 'nobody')).toMatchObject({ _tag: 'Left', left: { _tag: tag } });
  });
});

describe('a token', () => {
  it('goes out and comes back: it is fresh, stale, or of another stream', async () => {
    const { store, id, repo } = await opened();
    const { token } = await right(repo.loadWithToken(id));
    const later = async (of: string, check: ConcurrencyCheck) =>
      repo.trySave(changed(repo, await right(repo.load(of)), setPrice(9)), { check })();
    expect(await later(id, { token })).toMatchObject({ _tag: 'Right' });
    expect(await later(id, { token })).toMatchObject({
      _tag: 'Left',
      left: { _tag: 'TokenStale', expected: 1, actual: 2 },
    });
    expect(await later(await aProduct(store), { token })).toMatchObject({
      left: { _tag: 'TokenNotMine', reason: 'otherStream' },
    });
  });

  it('needs a secret, and a copy that was loaded with it or a check', async () => {
    const { store, id, repo } = await opened();
    const bare = repository({ store })(product);
    expect(await left(bare.loadWithToken(id))).toMatchObject({
      _tag: 'InvalidRequest',
      field: 'tokenSecret',
    });
    const settings = { strategy: 'token' } as const;
    expect(await left(repo.update(id, setPrice(1), { settings }))).toMatchObject({
      _tag: 'InvalidRequest',
      field: 'check.token',
    });
  });
});

describe('the strategy', () => {
  const rules = policies(
    when(always, 'calm').then({ strategy: 'expectedVersion' }),
    when(hasTag('bulk'), 'bulk').then({ strategy: 'retry', attemptsMax: 20 }),
  );

  it('is chosen by policies at each save, and the call may say otherwise or ask nobody', async () => {
    const { store, id } = await opened();
    const repo = products(store, { policies: rules });
    const save = (options: object) => right(repo.update(id, addStock(1), options));
    expect(await save({})).toMatchObject({ strategy: 'expectedVersion', policy: 'calm' });
    expect(await save({ tags: ['bulk'] })).toMatchObject({ strategy: 'retry', policy: 'bulk' });
    expect(await save({ tags: ['bulk'], settings: { strategy: 'lastWriteWins' } })).toMatchObject({
      strategy: 'lastWriteWins',
      policy: 'the call',
    });
    expect(await save({ tags: ['bulk'], bypassPolicies: true })).toMatchObject({ policy: 'default' });
    const events = await eventsOf(store, id);
    expect(saveHeaderOf(events[2] as never)).toMatchObject({ strategy: 'retry', policy: 'bulk' });
  });

  it('that a policy chose is not loosened by a check of the call', async () => {
    const { store, id } = await opened();
    const repo = products(store, { policies: rules });
    const change = changed(repo, await right(repo.load(id)), setPrice(1));
    await systemWork('index', () => right(repo.update(id, showAs('/1'))));
    const check = { expectedRevision: 1 };
    expect(await left(repo.trySave(change, { check }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      policy: 'calm',
    });
    expect(await right(repo.trySave(change, { check, bypassPolicies: true }))).toMatchObject({
      policy: 'the check',
      strategy: 'expectedRevision',
    });
  });

  it('is explained for people', async () => {
    const { store } = await opened();
    const explained = products(store, { policies: rules }).explainPolicy({
      tags: ['bulk'],
      commands: ['AddStock'],
    });
    expect(explained).toMatchObject({ settings: { strategy: 'retry', attemptsMax: 20 }, chosenBy: 'bulk' });
    expect(explained.text).toContain('bulk');
  });

  it('of a policy that throws is an error that names the rule, and nothing is written', async () => {
    const { store, id } = await opened();
    const broken = policies(
      when(() => {
        throw new Error('oops');
      }, 'broken').then({ strategy: 'retry' }),
    );
    const repo = products(store, { policies: broken });
    expect(await left(repo.update(id, setPrice(1)))).toMatchObject({ _tag: 'PolicyFailed', rule: 'broken' });
    expect(await eventsOf(store, id)).toHaveLength(1);
  });

  it('takes the numbers of its retries from the aggregate, unless a policy or the call says otherwise', async () => {
    const { store } = await opened();
    const patient = { ...product, retry: { attemptsMax: 33 } };
    const explain = (options: object, context: object = {}) =>
      repository({ store, ...context })(patient).explainPolicy(options).settings.attemptsMax;
    expect(explain({})).toBe(33);
    expect(explain({ tags: ['bulk'] }, { policies: rules })).toBe(20);
    expect(explain({ settings: { attemptsMax: 2 } })).toBe(2);
  });

  it.each([
    ['merge', 'settings.resolver'],
    ['condition', 'settings.condition'],
    ['adaptive', 'settings.adaptive'],
  ] as const)('%s without what it needs is refused by name', async (strategy, field) => {
    const { id, repo } = await opened();
    expect(await left(repo.update(id, setPrice(1), { settings: { strategy } }))).toMatchObject({
      _tag: 'InvalidRequest',
      field,
    });
  });

  it('pessimistic needs a store with leases', async () => {
    const { store, id } = await opened();
    const bare = products({ ...store, leases: undefined });
    expect(await left(bare.update(id, setPrice(1), { settings: { strategy: 'pessimistic' } }))).toEqual({
      _tag: 'NotSupported',
      capability: 'leases',
    });
  });
});
